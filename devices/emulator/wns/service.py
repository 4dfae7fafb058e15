"""The emulated WNS: one request in, one reply out."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from devices.emulator.bearers import Bearers, Refused, form_of, refusal, told
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.inboxes import Inboxes
from devices.emulator.ledger import Entry
from devices.emulator.shared import Shared
from devices.emulator.wns import answers, behaviours, checks
from devices.emulator.wns.answers import render
from devices.emulator.wns.apps import App, Apps
from devices.emulator.wns.channels import HOME, LIFETIME, Attempt, Channel, Channels, Plan, Turn
from devices.emulator.wns.computers import Computer
from devices.emulator.wns.notifications import Content, read
from devices.emulator.wns.settings import Settings

NAME = "wns"  # in the ledger and the counts
LEGACY = b"/accesstoken.srf"
ENTRA = b"/oauth2/v2.0/token"
PREFIXES = (HOME.encode(), LEGACY, b"*" + ENTRA)
LEGACY_SCOPES = frozenset(("notify.windows.com", "s.notify.live.net"))
ENTRA_SCOPE = "https://wns.windows.com/.default"


class Received(NamedTuple):
    """One notification that was taken, and the emulated moment in unix seconds."""

    content: Content
    headers: dict[bytes, bytes]
    body: bytes
    arrived: float

    def shown(self) -> dict[str, Any]:
        """Return it as JSON can carry it, without the access token."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers.items()}
        return {
            "kind": self.content.kind,
            "arrived": self.arrived,
            "headers": {name: value for name, value in headers.items() if name != "authorization"},
            "body": self.body.decode("utf-8", "replace"),
            "ignored": self.content.ignored,
            "shown": self.content.shown(),
        }


class Wns:
    """The service with all it remembers. ``everyone`` overrides every channel's behaviour while it is set."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self.settings = settings
        self.shared = shared
        self.apps = Apps(shared.keys)
        self.bearers: Bearers[str] = Bearers()  # the holder is the name of an app
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings, apps and the tokens they got."""
        self.channels = Channels(behaviours.plan_of_id, self.shared.clock.now)
        self.everyone: Plan | None = None
        self.inbox: Inboxes[Received] = Inboxes()
        self.counts: Counter[str] = Counter()
        self.bearers.counts.clear()

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a push to ``target`` is read, if anything."""
        channel = self.channels.find(target)
        plan = (self.everyone or channel.plan) if channel else None
        return plan.early if plan else None

    def answer(self, request: Request) -> Reply:
        """Decide about one request."""
        if request.target.startswith(HOME.encode()):
            return self._push(request)
        return self._grant(request)

    # access tokens

    def _grant(self, request: Request) -> Reply:
        settings = self.settings
        wait = settings.token_delay_ms / 1000
        if settings.token_status:
            return told(settings.token_status, {"error": "server_error"}, wait)
        path = request.target.partition(b"?")[0]
        try:
            form = form_of(request)
            app = self._legacy(form) if path == LEGACY else self._entra(form, path)
        except Refused as refused:
            self.counts["refused_grants"] += 1
            return refusal(refused, wait)
        seconds, now = settings.token_seconds, self.shared.clock.now()
        token = self.bearers.grant(app.app, app.app, now + seconds)
        if path == LEGACY:
            return told(200, {"access_token": token, "token_type": "bearer", "expires_in": seconds}, wait)
        return told(
            200,
            {
                "token_type": "Bearer",
                "expires_in": str(seconds),
                "ext_expires_in": str(seconds),
                "expires_on": str(int(now) + seconds),
                "not_before": str(int(now)),
                "access_token": token,
            },
            wait,
        )

    def _legacy(self, form: dict[str, str]) -> App:
        """Return the app that signs in with its package SID and secret. Raises Refused."""
        _check_grant(form)
        app = self.apps.with_package(form.get("client_id", ""), form.get("client_secret", ""))
        if app is None:
            raise Refused("invalid_client", "Invalid client id or client secret")
        if form.get("scope") not in LEGACY_SCOPES:
            raise Refused("invalid_scope", "The scope must be notify.windows.com")
        return app

    def _entra(self, form: dict[str, str], path: bytes) -> App:
        """Return the app that signs in with its client at its tenant. Raises Refused."""
        _check_grant(form)
        tenant = path[1 : -len(ENTRA)].decode("latin-1")
        app = self.apps.with_client(tenant, form.get("client_id", ""), form.get("client_secret", ""))
        if app is None:
            raise Refused("invalid_client", "AADSTS7000215: Invalid tenant, client id or client secret provided.")
        if form.get("scope") != ENTRA_SCOPE:
            raise Refused("invalid_scope", f"AADSTS1002012: The scope must be {ENTRA_SCOPE}")
        return app

    # pushes

    def _push(self, request: Request) -> Reply:
        """Decide about one push, count it, and write it down before anything is answered."""
        headers = request.headers
        channel = self.channels.find(request.target)
        kind = checks.kind_of(headers)
        turn = self._turn(request, channel, kind)
        self.shared.board.push(turn.label, kind, NAME)
        plan = (self.everyone or channel.plan) if channel else None
        self.shared.ledger.note(
            Entry(
                service=NAME,
                message_id=headers.get(b"x-wns-tag", b"").decode("utf-8", "backslashreplace"),
                channel=channel.target if channel else request.target.decode("utf-8", "backslashreplace"),
                behaviour=plan.name if plan else "",
                kind=kind,
                size=request.size,
                answer=turn.label,
                taken=turn.taken,
            )
        )
        if channel is not None and turn.taken:
            self._take(channel, request, kind)
        answer = render(turn.answer, checks.asks_for_status(headers), headers.get(b"ms-cv", b""))
        return Reply(answer, turn.seconds + self.shared.latency(), turn.play)

    def _turn(self, request: Request, channel: Channel | None, kind: str) -> Turn:
        if request.method != b"POST":
            return Turn(answers.WRONG_VERB)
        now = self.shared.clock.now()
        app = self.bearers.find(request.headers.get(b"authorization", b""), now)
        if app is None:
            return Turn(answers.BAD_TOKEN)
        if channel is None:
            return Turn(answers.NO_CHANNEL)
        if now >= channel.opened + LIFETIME:
            return Turn(answers.REVOKED)
        if not channel.app:
            channel.app = app
        elif channel.app != app:
            return Turn(answers.OTHER_APP)
        return self._refusal(request, channel, kind) or self._behave(request, channel, kind)

    def _refusal(self, request: Request, channel: Channel, kind: str) -> Turn | None:
        """Return what is done about a push that is not in order, None when it is."""
        headers = request.headers
        try:
            checks.check(request, kind)
            if request.size <= checks.MOST_BYTES and self.settings.refuse_broken_xml:
                why = read(kind, request.body).ignored
                if why:
                    raise checks.Refused(why)
        except checks.Refused as refused:
            self.shared.board.refuse(channel.target, str(refused))
            return Turn(answers.bad_request(str(refused).encode("ascii", "replace").decode()))
        if request.size > checks.MOST_BYTES:
            return Turn(answers.TOO_LARGE)
        if headers.get(b"x-wns-suppresspopup", b"").strip().lower() == b"true":
            return Turn(answers.SUPPRESSED)
        return None

    def _behave(self, request: Request, channel: Channel, kind: str) -> Turn:
        channel.tries += 1
        plan = self.everyone or channel.plan
        return plan.act(Attempt(channel.tries, kind, checks.is_cached(request.headers, kind)))

    def _take(self, channel: Channel, request: Request, kind: str) -> None:
        now = self.shared.clock.now()
        content = read(kind, request.body)
        self.counts["received"] += 1
        self.inbox.put(channel.target, Received(content, request.headers, request.body, now))
        if content.ignored:
            self.counts["ignored"] += 1
        else:
            self.shared.wall.deliver(Computer, channel.target, channel.name, channel.plan.name, content, now)


def _check_grant(form: dict[str, str]) -> None:
    if form.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type", "grant_type must be client_credentials")
