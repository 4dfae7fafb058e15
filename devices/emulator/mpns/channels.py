"""Channels: what an address is, which behaviour it names, and what happened to it so far."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devices.emulator import table
from devices.emulator.clock import DAY, HOUR
from devices.emulator.exchange import Play
from devices.emulator.mpns.answers import Answer
from devices.emulator.mpns.payloads import Content

ADDRESS = re.compile(
    rb"/(?:(?P<tier>un)?throttledthirdparty/01\.00|u/1/(?P<center>[A-Za-z0-9]+))/(?P<id>[A-Za-z0-9._~:-]+)(?:\?.*)?"
)
PREFIXES = (b"/throttledthirdparty/", b"/unthrottledthirdparty/", b"/u/")  # where channels lie


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What the service does about one push.

    ``taken`` says whether it keeps the message. ``seconds`` pass before the answer, ``play`` replaces it on the wire.
    """

    answer: Answer
    taken: bool = False
    seconds: float = 0.0
    play: Play | None = None

    @property
    def label(self) -> str:
        """Name the valid answer that follows, "" when none does."""
        return "" if self.play else self.answer.label


@dataclass(slots=True)
class Push:
    """One push that passed every check, on its way to a channel. ``now`` is the emulated moment in unix seconds."""

    channel: Channel
    content: Content
    now: float
    queue_length: int


Act = Callable[[Push], Turn]


Plan = table.Plan[Act]


class Channel:
    """One subscription. Kept small: there is one for every device of a campaign."""

    __slots__ = (
        "closed_until",
        "day",
        "id",
        "name",
        "plan",
        "second",
        "service_name",
        "target",
        "this_second",
        "throttled",
        "today",
        "tries",
        "waiting",
    )

    def __init__(self, target: bytes, channel_id: str, plan: Plan, throttled: bool | None) -> None:
        self.target = target.decode("ascii", "backslashreplace")
        self.id = channel_id
        self.name = ""  # of the device, when the channel was handed out for one
        self.plan = plan
        self.throttled = throttled  # None: the address does not say, the scheme does
        self.service_name: str | None = None
        self.tries = 0  # good pushes since the behaviour was set
        self.day = self.today = 0  # pushes taken on that day since 1970
        self.second = self.this_second = 0
        self.closed_until = 0.0  # no try is welcome before this moment (412 and 406: once an hour)
        self.waiting: list[Content] | None = None  # what the phone gets once it is back

    def behave(self, plan: Plan) -> list[Content]:
        """Change the behaviour. Returns what waited for the phone, if the phone is back by that."""
        self.plan = plan
        self.tries = 0
        self.closed_until = 0.0
        if plan.name.startswith("temp-disconnected"):
            return []
        waited, self.waiting = self.waiting or [], None
        return waited

    def too_early(self, now: float) -> bool:
        """Tell whether this try breaks the rule "at most once an hour after 406 or 412"."""
        return now < self.closed_until

    def close_for_an_hour(self, now: float) -> None:
        """Start the hour in which no further try is welcome."""
        self.closed_until = now + HOUR

    def taken_today(self, now: float) -> int:
        """Return how many pushes the service has taken on this day so far."""
        day = int(now // DAY)
        if day != self.day:
            self.day, self.today = day, 0
        return self.today

    def count_this_second(self, now: float) -> int:
        """Count one push of the second and return how many that makes."""
        second = int(now)
        if second != self.second:
            self.second, self.this_second = second, 0
        self.this_second += 1
        return self.this_second


class Channels:
    """Every channel by its request target. Those that name their behaviour exist by themselves."""

    def __init__(self, read: Callable[[str], Plan | None], default: Plan, expired: Plan) -> None:
        self._read = read
        self._default = default
        self._expired = expired
        self._by_target: dict[bytes, Channel] = {}
        self._by_device: dict[str, Channel] = {}

    def __len__(self) -> int:
        return len(self._by_target)

    def find(self, target: bytes) -> Channel | None:
        """Return the channel at ``target``, or None when nobody ever opened one there."""
        channel = self._by_target.get(target)
        if channel is None:
            match = ADDRESS.fullmatch(target)
            plan = match and self._read(match["id"].decode("ascii"))
            if match and plan:
                channel = self._by_target[target] = _channel(match, plan)
        return channel

    def read(self) -> Iterator[tuple[Channel, list[Content]]]:
        """Let every phone that is away read what waits for it; yield it with that. Its queue is empty afterwards."""
        for channel in self._by_target.values():
            if channel.waiting:
                waited, channel.waiting = channel.waiting, []
                yield channel, waited

    def open(self, tier: str, plan: Plan | None, device: str, service_name: str | None) -> Channel:
        """Hand out a channel with an id that tells nothing. A device's former channel expires by that.

        ``tier`` is what stands before the id: "/throttledthirdparty/01.00". Raises ValueError when it is none.
        """
        channel_id = f"AAE{secrets.token_urlsafe(24)}"
        target = f"{tier}/{channel_id}".encode()
        match = ADDRESS.fullmatch(target)
        if match is None or match["id"] != channel_id.encode():
            raise ValueError(f"no such kind of address: {tier}")
        channel = self._by_target[target] = _channel(match, plan or self._default)
        channel.service_name = service_name
        if device:
            former = self._by_device.get(device)
            if former is not None:
                former.behave(self._expired)
            channel.name = device
            self._by_device[device] = channel
        return channel


def _channel(match: re.Match[bytes], plan: Plan) -> Channel:
    throttled = None if match["center"] else not match["tier"]
    return Channel(match.string, match["id"].decode("ascii"), plan, throttled)
