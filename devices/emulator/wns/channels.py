"""Channels: what a channel URI is, which behaviour it names, and what happened to it so far."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from devices.emulator import table
from devices.emulator.clock import DAY
from devices.emulator.exchange import Play
from devices.emulator.wns.answers import Answer

HOME = "/?token="
LIFETIME = 30 * DAY  # seconds from the opening of a channel to its end
TOKEN = re.compile(r"[a-z0-9-]+\.[A-Za-z0-9._~:+/=-]{1,1000}")


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What the service does about one push that is in order.

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One push to a channel. ``tries`` counts it; ``cached`` says whether it may wait for a device that is away."""

    tries: int
    kind: str
    cached: bool


Act = Callable[[Attempt], Turn]
Plan = table.Plan[Act]


class Channel:
    """One channel. Kept small: there is one for every device of a campaign. ``app`` is "" until one is bound."""

    __slots__ = ("app", "name", "opened", "plan", "target", "tries")

    def __init__(self, token: str, plan: Plan, opened: float, app: str = "") -> None:
        self.target = HOME + quote(token, safe="")
        self.name = token
        self.plan = plan
        self.opened = opened  # emulated unix seconds
        self.app = app
        self.tries = 0  # good pushes since the behaviour was set

    def behave(self, plan: Plan) -> None:
        """Change the behaviour, which begins anew."""
        self.plan = plan
        self.tries = 0


class Channels:
    """Every channel by its token. Those that name their behaviour exist by themselves."""

    def __init__(self, read: Callable[[str], Plan | None], now: Callable[[], float]) -> None:
        self._read = read
        self._now = now
        self._by_token: dict[str, Channel] = {}
        self._by_target: dict[bytes, Channel] = {}  # as it was dialled: percent-encoding can be done in many ways

    def __len__(self) -> int:
        return len(self._by_token)

    def find(self, target: bytes) -> Channel | None:
        """Return the channel at path and query ``target``, None when there is none."""
        channel = self._by_target.get(target)
        if channel is None and target.startswith(HOME.encode()):
            token = unquote_to_bytes(target[len(HOME) :]).decode("utf-8", "replace")
            channel = self._by_token.get(token) or self._own(token)
            if channel is not None and target == channel.target.encode():
                self._by_target[target] = channel
        return channel

    def _own(self, token: str) -> Channel | None:
        plan = self._read(token) if TOKEN.fullmatch(token) else None
        if plan is None:
            return None
        channel = self._by_token[token] = Channel(token, plan, self._now())
        return channel

    def open(self, app: str, plan: Plan, name: str) -> Channel:
        """Open a channel of ``app`` named "behaviour.name", or one whose token tells nothing. Raises ValueError.

        One that was open already is opened anew: its thirty days begin again.
        """
        token = f"{plan.name}.{name}" if name else f"AwYAAA{secrets.token_urlsafe(60)}+/=="
        if name and not TOKEN.fullmatch(token):
            raise ValueError(f"no name for a channel: {name}")
        channel = self._by_token[token] = Channel(token, plan, self._now(), app)
        self._by_target[channel.target.encode()] = channel
        return channel
