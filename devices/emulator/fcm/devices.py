"""Registration tokens: what one is, which behaviour it names, and what happened to it so far."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from devices.emulator import table
from devices.emulator.exchange import Play
from devices.emulator.fcm.answers import Fault

TOKEN = re.compile(r"[a-z0-9-]+\.[A-Za-z0-9_:-]+")
MINUTE = 60


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What the service does about one message that is in order.

    It accepts when ``fault`` is None. ``taken`` says whether it keeps the message. ``seconds`` pass before the
    answer, ``play`` replaces it on the wire; ``whole`` says that the play sends the answer's own body.
    """

    fault: Fault | None = None
    taken: bool = False
    seconds: float = 0.0
    play: Play | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message for a device. ``tries`` counts it, ``real`` is the real moment in unix seconds."""

    tries: int
    real: float


Act = Callable[[Attempt], Turn]
Plan = table.Plan[Act]


class Device:
    """One registration. Kept small: there is one for every device of a campaign."""

    __slots__ = ("minute", "name", "plan", "this_minute", "token", "tries")

    def __init__(self, token: str, plan: Plan) -> None:
        self.token = token
        self.name = token.partition(".")[2]
        self.plan = plan
        self.tries = 0  # good messages since the behaviour was set
        self.minute = self.this_minute = 0

    def behave(self, plan: Plan) -> None:
        """Change the behaviour, which begins anew."""
        self.plan = plan
        self.tries = 0

    def count_this_minute(self, now: float) -> int:
        """Count one message of the minute at ``now`` (unix seconds) and return how many that makes."""
        minute = int(now) // MINUTE
        if minute != self.minute:
            self.minute, self.this_minute = minute, 0
        self.this_minute += 1
        return self.this_minute


class Devices:
    """Every registration by its token. Those that name their behaviour exist by themselves."""

    def __init__(self, read: Callable[[str], Plan | None]) -> None:
        self._read = read
        self._by_token: dict[str, Device] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def find(self, token: str) -> Device | None:
        """Return the device of a token, None when the text is no token."""
        device = self._by_token.get(token)
        if device is None and TOKEN.fullmatch(token) and (plan := self._read(token)):
            device = self._by_token[token] = Device(token, plan)
        return device
