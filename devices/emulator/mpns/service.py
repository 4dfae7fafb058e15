"""The emulated service: one request in, one reply out."""

from __future__ import annotations

from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.ledger import Entry
from devices.emulator.mpns import behaviours
from devices.emulator.mpns.answers import AWAY, ROWS, render
from devices.emulator.mpns.channels import Channel, Channels, Plan, Push, Turn
from devices.emulator.mpns.payloads import TARGETS, Checker, Content, Refused
from devices.emulator.mpns.phones import Phone
from devices.emulator.mpns.settings import Settings
from devices.emulator.shared import Shared

NAME = "mpns"  # in the ledger and the counts
_BAD, _UNAUTHORIZED, _FORBIDDEN = Turn(ROWS[7]), Turn(ROWS[8]), Turn(ROWS[9])
_GONE, _WRONG_VERB = Turn(ROWS[10]), Turn(ROWS[13])
_SPENT, _SPENT_AWAY = Turn(ROWS[14]), Turn(ROWS[15])
_OK, _EXPIRED = behaviours.needed("ok"), behaviours.needed("expired")
_ONCE_AN_HOUR = (406, 412)


class Mpns:
    """The service with all it remembers. ``everyone`` overrides the behaviour of every channel while it is set."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self.settings = settings
        self.shared = shared
        self.clock = shared.clock
        shared.latency = self._latency
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings."""
        self.channels = Channels(behaviours.plan_of_id, _OK, _EXPIRED)
        self.everyone: Plan | None = None
        self.blocked = False
        self._check = Checker()

    def _latency(self) -> float:
        return self.settings.latency.seconds()

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a push to ``target`` is read, if anything."""
        channel = self.channels.find(target)
        plan = self.everyone or (channel and channel.plan)
        return plan.early if plan else None

    def answer(self, request: Request) -> Reply:
        """Decide about one push, count it, and write it down before anything is answered."""
        headers = request.headers
        channel = self.channels.find(request.target)
        kind = TARGETS.get(headers.get(b"x-windowsphone-target", b"").strip().lower(), "unknown")
        turn = self._turn(request, channel)
        self.shared.board.push(turn.label, kind, NAME)
        message_id = headers.get(b"x-messageid", b"")
        self.shared.ledger.note(
            Entry(
                service=NAME,
                message_id=message_id.decode("utf-8", "backslashreplace"),
                channel=channel.target if channel else request.target.decode("utf-8", "backslashreplace"),
                behaviour=(self.everyone or channel.plan).name if channel else "",
                kind=kind,
                size=request.size,
                answer=turn.label,
                taken=turn.taken,
            )
        )
        answer = render(turn.answer, self.settings.spelling, message_id)
        return Reply(answer, turn.seconds + self.shared.latency(), turn.play)

    def _turn(self, request: Request, channel: Channel | None) -> Turn:
        if request.method != b"POST":
            return _WRONG_VERB
        if self.blocked:
            return _UNAUTHORIZED
        if channel is None:
            return _GONE
        throttled = not request.secure if channel.throttled is None else channel.throttled
        if not throttled and (refusal := self._certificate(request, channel)):
            return refusal
        content = self._content(request, channel)
        return _BAD if content is None else self._deliver(channel, content, throttled)

    def _deliver(self, channel: Channel, content: Content, throttled: bool) -> Turn:
        now = self.clock.now()
        if channel.too_early(now) and self._violate(channel, now):
            return _UNAUTHORIZED
        turn = self._behave(Push(channel, content, now, self.settings.queue_length), throttled)
        if turn.answer.status in _ONCE_AN_HOUR:
            channel.close_for_an_hour(now)
        elif turn.taken and turn.answer.device != AWAY:
            self.show(channel, content, now)
        return turn

    def show(self, channel: Channel, content: Content, now: float) -> None:
        """Let the phone behind ``channel`` show ``content``, at once or when its class lets it come (``now``: unix)."""
        name = channel.name or channel.id
        self.shared.wall.deliver(Phone, channel.target, name, channel.plan.name, content, now, content.later)

    def _certificate(self, request: Request, channel: Channel) -> Turn | None:
        """Authenticated channels ask for a certificate (403) with the service name as its CN (401)."""
        if not request.certificate_name:
            return _FORBIDDEN
        expected = self.settings.service_name if channel.service_name is None else channel.service_name
        return _UNAUTHORIZED if expected and expected != request.certificate_name else None

    def _content(self, request: Request, channel: Channel) -> Content | None:
        headers, settings = request.headers, self.settings
        content: Content | Refused
        if b"content-length" not in headers:
            content = Refused("no Content-Length")
        elif request.size > settings.payload_limit:
            content = Refused(f"{request.size} bytes are more than {settings.payload_limit}")
        else:
            target = headers.get(b"x-windowsphone-target", b"")
            notification_class = headers.get(b"x-notificationclass", b"").strip()
            content = self._check(target, notification_class, request.body, settings.strict_class)
        if isinstance(content, Refused):
            self.shared.board.refuse(channel.target, str(content))
            return None
        return content

    def _violate(self, channel: Channel, now: float) -> bool:
        """Note a broken hour. Returns whether the sender is shut out for it."""
        self.shared.board.violate(channel.target, channel.closed_until - now)
        self.blocked = self.settings.block_violators
        return self.blocked

    def _behave(self, push: Push, throttled: bool) -> Turn:
        channel = push.channel
        plan = self.everyone or channel.plan
        channel.tries += 1
        today = channel.taken_today(push.now)
        if throttled and today >= self.settings.daily_quota:
            return _SPENT_AWAY if plan.name.startswith("temp-disconnected") else _SPENT
        turn = plan.act(push)
        channel.today += turn.taken
        return turn
