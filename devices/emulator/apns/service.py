"""The emulated APNs: one request in, one reply out."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter

from devices.emulator.apns import behaviours, notices
from devices.emulator.apns.answers import DEAD, REASONS, Refused
from devices.emulator.apns.checks import Envelope, check_payload, envelope_of, good_id
from devices.emulator.apns.connections import Connections, Peer, only_second
from devices.emulator.apns.devices import Device, Devices, Plan, Push, Turn
from devices.emulator.apns.keys import Keys
from devices.emulator.apns.settings import Settings
from devices.emulator.apns.tokens import Tokens
from devices.emulator.control import is_local
from devices.emulator.exchange import Reply, Request, Stream, plain
from devices.emulator.inboxes import Inboxes
from devices.emulator.ledger import Entry
from devices.emulator.shared import Shared

NAME = "apns"  # in the ledger and the counts
DEVICES = "/3/device/"
_BEFORE_SENDER = DEAD | {"DeviceTokenNotForTopic"}  # what is looked at before it is asked who sends
_NO_PREFACE = Turn(play=only_second)
_JSON = ("Content-Type", "application/json")

_HEX = re.compile(rb"/3/device/(?:[0-9a-f]{2}){1,100}")


class Apns:
    """The service with all it remembers. ``everyone`` overrides every device's behaviour while it is set."""

    def __init__(self, shared: Shared, settings: Settings) -> None:
        self.shared = shared
        self.settings = settings
        self.keys = Keys(shared.keys)
        self.tokens = Tokens(self.keys)
        self.connections = Connections()
        self.reset()

    def reset(self) -> None:
        """Forget everything but keys."""
        self.devices = Devices(behaviours.plan_of_id)
        self.everyone: Plan | None = None
        self.counts: Counter[str] = Counter()
        self.inbox: Inboxes[Push] = Inboxes()
        self.tokens.forget()
        self.connections.forget()

    def answer(self, request: Request) -> Reply:
        """Decide about one push, count it, and write it down before anything is answered."""
        token = request.target.removeprefix(DEVICES.encode()).decode("utf-8", "backslashreplace")
        device = self.devices.find(token)
        apns_id = good_id(request) or str(uuid.uuid4()).upper()
        push: Push | None = None
        try:
            turn, push = self._turn(request, device, apns_id)
        except Refused as refused:
            turn = Turn(refused.reason)
            self.shared.board.refuse(token, f"{refused.reason}: {refused}")
        status = REASONS[turn.reason] if turn.reason else turn.status or 200
        label = "" if turn.play or turn.gone else f"{status} {turn.reason}".rstrip()
        if device is not None:
            self._mourn(device, turn.reason)
        self.shared.board.push(label, NAME, NAME)
        plan = device and (self.everyone or device.plan)
        self.shared.ledger.note(
            Entry(
                service=NAME,
                message_id=request.headers.get(b"apns-id", b"").decode("utf-8", "backslashreplace"),
                channel=token,
                behaviour=plan.name if plan else "",
                kind=NAME,
                size=request.size,
                answer=label,
                taken=turn.taken,
            )
        )
        if device is not None and push is not None and turn.taken:
            self._take(device, push)
        if request.stream is not None:
            _act_on(request.stream, turn)
        written = _written(turn, status, apns_id, sandbox=device is not None and device.sandbox)
        return Reply(written, turn.seconds + self.shared.latency(), turn.play, close=turn.leaving)

    def _turn(self, request: Request, device: Device | None, apns_id: str) -> tuple[Turn, Push | None]:
        """Return what is done about one push, and the push itself when it is in order. Raises Refused."""
        if request.stream is None:
            return _NO_PREFACE, None
        now = self.shared.clock.now()
        session = request.stream.session
        peer = self.connections.peer(session, now)
        if not is_local(request):
            return Turn(status=421), None
        envelope = envelope_of(request)
        sandbox = _is_sandbox(request)
        try:
            device = _needed(request.target, device, sandbox)
        except Refused as refused:
            # Whose token it is can be known only to whom the sender may push: a stranger is told of himself first.
            if refused.reason == "BadDeviceToken" and _HEX.fullmatch(request.target.split(b"?")[0]):
                self._authenticate(request, peer, envelope, sandbox)
            raise
        turn = (self.everyone or device.plan).act(device.tries + 1)
        if turn.reason not in _BEFORE_SENDER:
            if device.app and device.app != envelope.app:
                raise Refused("DeviceTokenNotForTopic", f"the token belongs to {device.app}, not {envelope.app}")
            self._authenticate(request, peer, envelope, sandbox)
            session.trust()
            check_payload(request, envelope)
        device.tries += 1
        return turn, Push(apns_id, envelope, request.body, request.headers, now)

    def _authenticate(self, request: Request, peer: Peer, envelope: Envelope, sandbox: bool) -> None:
        """Raise Refused unless the sender has shown who it is and may push to the topic."""
        authorization = request.headers.get(b"authorization")
        if authorization is None:
            _check_certificate(request, envelope)
            return
        token = self.tokens.read(authorization, time.time(), self.shared.clock.now())
        key = token.key
        peer.speak_for(key)
        if key.environment and (key.environment == "sandbox") != sandbox:
            raise Refused("BadEnvironmentKeyIdInToken", f"the key {key.key_id} is for {key.environment} alone")
        if key.topics is not None and envelope.app not in key.topics:
            raise Refused("TopicDisallowed", f"the key {key.key_id} may not push to {envelope.app}")

    def _mourn(self, device: Device, reason: str) -> None:
        """Count a push to a token that was said to be dead, and remember whether it is."""
        if device.dead:
            self.counts["dead_attempts"] += 1
        device.dead = reason in DEAD

    # messages on their way

    def _take(self, device: Device, push: Push) -> None:
        device.app = push.envelope.app
        if device.online:
            self._show(device, push)
        elif push.envelope.expired(push.arrived):
            self.counts["dropped"] += 1
        else:
            self.counts["replaced"] += push.envelope.app in device.kept
            device.kept[push.envelope.app] = push

    def connect(self, device: Device) -> None:
        """Let a device receive, at first what waits for it and has not expired."""
        device.online = True
        kept, device.kept = device.kept, {}
        now = self.shared.clock.now()
        for push in kept.values():
            if push.envelope.expired(now):
                self.counts["dropped"] += 1
            else:
                self._show(device, push)

    def _show(self, device: Device, push: Push) -> None:
        self.counts["delivered"] += 1
        self.inbox.put(device.token, push)
        notice = notices.read(push)
        if notice.why:
            self.counts["questionable"] += 1
            self.shared.board.refuse(device.token, notice.why)
        now = self.shared.clock.now()
        self.shared.wall.deliver(notices.Phone, device.token, device.id, device.plan.name, notice, now)


def _is_sandbox(request: Request) -> bool:
    """Tell which environment was dialled: the sandbox is this machine under the name localhost."""
    return request.headers.get(b"host", b"").split(b":")[0].lower() == b"localhost"


def _needed(target: bytes, device: Device | None, sandbox: bool) -> Device:
    """Return the device, if path and token are in order and it belongs to this environment. Raises Refused."""
    if target.split(b"?")[0] in (b"/3/device", b"/3/device/"):
        raise Refused("MissingDeviceToken", "the path names no device")
    if not target.startswith(DEVICES.encode()):
        raise Refused("BadPath", f"a path starts with {DEVICES}")
    if device is None:
        raise Refused("BadDeviceToken", "no token of this service")
    if device.sandbox != sandbox:
        raise Refused("BadDeviceToken", f"the token belongs to {'the sandbox' if device.sandbox else 'production'}")
    return device


def _check_certificate(request: Request, envelope: Envelope) -> None:
    """Raise Refused unless the client certificate names the app of the topic (its subject's UID)."""
    if not request.certificate_user:
        if request.certificate_name:
            raise Refused("BadCertificate", "the certificate names no topic")
        raise Refused("MissingProviderToken", "neither a token nor a certificate")
    if request.certificate_user != envelope.app:
        raise Refused("TopicDisallowed", f"the certificate is for {request.certificate_user}, not {envelope.app}")


def _act_on(stream: Stream, turn: Turn) -> None:
    """Do to the connection what ``turn`` wants, before anything that came after this push is looked at."""
    if turn.gone:
        stream.session.go_away(max(stream.number - 2, 0))
    if turn.deaf:
        stream.session.ignore_pings()


def _written(turn: Turn, status: int, apns_id: str, sandbox: bool) -> bytes:
    headers: tuple[tuple[str, str], ...] = (("apns-id", apns_id),)
    if turn.reason:
        told: dict[str, object] = {"reason": turn.reason}
        if status == 410:
            told["timestamp"] = int((time.time() - turn.ago) * 1000)
        return plain(status, json.dumps(told).encode(), (*headers, _JSON))
    if sandbox and status == 200:
        headers = (*headers, ("apns-unique-id", str(uuid.uuid4())))
    return plain(status, headers=(*headers, *turn.headers))
