"""The emulator's own time, which a test may advance."""

from __future__ import annotations

import time

DAY = 86_400.0
HOUR = 3_600.0


class Clock:
    """Unix time in seconds plus whatever was added by hand. Quotas, gates and delayed classes go by it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        """Return the emulated moment, in unix seconds."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once. Time never runs backwards."""
        if not 0 <= seconds <= 10 * 365 * DAY:
            raise ValueError("seconds must lie between 0 and ten years")
        self.ahead += seconds
