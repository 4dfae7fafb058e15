"""The emulated FCM: one request in, one reply out."""

from __future__ import annotations

import re
import time
from collections import Counter
from itertools import count
from typing import Any, NamedTuple

from devices.emulator.bearers import Bearers, Refused, form_of, refusal, told
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.fcm import answers, behaviours
from devices.emulator.fcm.accounts import Account, Accounts
from devices.emulator.fcm.androids import Android
from devices.emulator.fcm.answers import Fault
from devices.emulator.fcm.devices import MINUTE, Attempt, Device, Devices, Plan, Turn
from devices.emulator.fcm.grants import account_of
from devices.emulator.fcm.messages import Message, glimpse, read
from devices.emulator.fcm.schema import Invalid
from devices.emulator.fcm.settings import Settings
from devices.emulator.inboxes import Inboxes
from devices.emulator.ledger import Entry
from devices.emulator.shared import Shared

NAME = "fcm"  # in the ledger and the counts
TOKEN_PATH = b"/token"
PREFIXES = (b"/v1/", TOKEN_PATH, b"/batch")
_SEND = re.compile(rb"/v1/projects/(?P<project>[^/?]+)/messages:send(?:\?.*)?")


class Received(NamedTuple):
    """One message that was taken: its name, and the emulated moment in unix seconds."""

    name: str
    arrived: float
    message: Message

    def shown(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        message = self.message
        return {
            "name": self.name,
            "arrived": self.arrived,
            "id": message.id,
            message.kind: message.target,
            "message": message.fields,
            "shown": message.shown(),
        }


class Refusal(Exception):
    """A push that is answered with a fault before any device is asked."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message or str(fault.status))
        self.fault = fault


class Fcm:
    """The service with all it remembers. ``everyone`` overrides every device's behaviour while it is set."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self.settings = settings
        self.shared = shared
        self.accounts = Accounts(shared.keys)
        self.bearers: Bearers[str] = Bearers()  # the holder is the e-mail address of an account
        self._paths: dict[bytes, str] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings, accounts and the tokens they got."""
        self.devices = Devices(behaviours.plan_of_id)
        self.everyone: Plan | None = None
        self.inbox: Inboxes[Received] = Inboxes()
        self.counts: Counter[str] = Counter()
        self.bearers.counts.clear()
        self._windows: dict[str, tuple[float, int]] = {}
        self._numbers = count(1)

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body is read; no target names a device, so that is what everyone does."""
        return self.everyone.early if self.everyone and target.startswith(b"/v1/") else None

    def answer(self, request: Request) -> Reply:
        """Decide about one request."""
        if request.target.partition(b"?")[0] == TOKEN_PATH:
            return self._grant(request)
        return self._push(request)

    # access tokens

    def token_uri(self) -> str:
        """Return the address of the token endpoint as it is handed out."""
        return (self.shared.secure_url or self.shared.url) + "/token"

    def _grant(self, request: Request) -> Reply:
        settings = self.settings
        seconds = settings.token_delay_ms / 1000
        if settings.token_status:
            return told(settings.token_status, {"error": "internal_failure"}, seconds)
        scheme = "https" if request.secure else "http"
        dialled = f"{scheme}://{request.headers.get(b'host', b'').decode('latin-1')}/token"
        try:
            account = account_of(form_of(request), self.accounts, (dialled, self.token_uri()))
        except Refused as refused:
            self.counts["refused_grants"] += 1
            return refusal(refused, seconds)
        expires = self.shared.clock.now() + settings.token_seconds
        token = self.bearers.grant(account.client_email, account.client_email, expires)
        return told(200, {"access_token": token, "expires_in": settings.token_seconds, "token_type": "Bearer"}, seconds)

    # messages

    def _push(self, request: Request) -> Reply:
        """Decide about one push, count it, and write it down before anything is answered."""
        message: Message | None = None
        project = ""
        try:
            project, message = self._accepted(request)
            device, turn = self._turn(message)
        except Refusal as refused:
            device, turn = None, Turn(refused.fault)
            if refused.fault.status == 400:
                where = glimpse(request)[0] or request.target.decode("latin-1")
                self.shared.board.refuse(where, str(refused))
        plan = self._plan(device)
        target, message_id = (message.target, message.id) if message else glimpse(request)
        label = "" if turn.play else (turn.fault.label if turn.fault else "200")
        self.shared.board.push(label, NAME, NAME)
        taken = turn.taken and message is not None and not message.validate_only
        self.shared.ledger.note(
            Entry(
                service=NAME,
                message_id=message_id,
                channel=target or request.target.decode("utf-8", "backslashreplace"),
                behaviour=plan.name if plan else "",
                kind=NAME,
                size=request.size,
                answer=label,
                taken=taken,
            )
        )
        number = "fake_message_id" if message and message.validate_only else self._number()
        name = f"projects/{project}/messages/{number}"
        if message is not None and taken:
            self._take(name, message, device)
        answer = answers.refused(turn.fault) if turn.fault else answers.accepted(name, empty=not turn.whole)
        return Reply(answer, turn.seconds + self.shared.latency(), turn.play)

    def _number(self) -> str:
        return f"0:{time.time_ns() // 1000}%{next(self._numbers):016x}"

    def _accepted(self, request: Request) -> tuple[str, Message]:
        """Return the project and the message of a push that its sender may make. Raises Refusal."""
        project = self._project(request)
        now = self.shared.clock.now()
        authorization = request.headers.get(b"authorization", b"")
        email = self.bearers.find(authorization, now)
        account = self.accounts.of(email)
        if account is None:
            raise Refusal(answers.BAD_TOKEN if authorization else answers.NO_TOKEN)
        self._check_rights(project, account)
        if request.stream is not None:
            request.stream.session.trust()
        self._count(project, now)
        try:
            return project, read(request)
        except Invalid as wrong:
            raise Refusal(answers.invalid(wrong.field, str(wrong))) from None

    def _project(self, request: Request) -> str:
        project = self._paths.get(request.target)
        if project is None:
            match = _SEND.fullmatch(request.target)
            if match is None:
                raise Refusal(answers.NO_PATH)
            project = match["project"].decode("latin-1")
            if self.accounts.has_project(project):  # or anybody could fill our memory
                self._paths[request.target] = project
        if request.method != b"POST":
            raise Refusal(answers.NO_PATH)
        return project

    def _check_rights(self, project: str, account: Account) -> None:
        if account.project != project:
            known = self.accounts.has_project(project)
            raise Refusal(answers.PERMISSION_DENIED if known else answers.NOT_FOUND)
        if account.disabled:
            raise Refusal(answers.PERMISSION_DENIED)

    def _count(self, project: str, now: float) -> None:
        """Take one from the project's bucket, which is filled anew a minute after it was begun. Raises Refusal."""
        began, used = self._windows.get(project, (now, 0))
        if now >= began + MINUTE:
            began, used = now, 0
        if used >= self.settings.quota_per_minute:
            raise Refusal(answers.QUOTA)
        self._windows[project] = (began, used + 1)

    def _plan(self, device: Device | None) -> Plan | None:
        return (self.everyone or device.plan) if device else None

    def _turn(self, message: Message) -> tuple[Device | None, Turn]:
        """Return the device of a message, None for a topic or condition, and what is done. Raises Refusal."""
        if message.kind != "token":
            return None, behaviours.ACCEPTED
        device = self.devices.find(message.target)
        if device is None:
            raise Refusal(answers.BAD_REGISTRATION)
        if message.validate_only:
            return device, behaviours.ACCEPTED
        if device.count_this_minute(self.shared.clock.now()) > self.settings.device_per_minute:
            return device, Turn(answers.QUOTA)
        device.tries += 1
        plan = self.everyone or device.plan
        turn = plan.act(Attempt(device.tries, time.time()))
        if plan is self.everyone and plan.early and not turn.play:
            return device, behaviours.ACCEPTED  # it was slow already
        return device, turn

    def _take(self, name: str, message: Message, device: Device | None) -> None:
        now = self.shared.clock.now()
        self.counts["delivered"] += 1
        self.inbox.put(message.target, Received(name, now, message))
        if device is not None:
            self.shared.wall.deliver(Android, device.token, device.name, device.plan.name, message, now)
