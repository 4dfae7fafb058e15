"""One line of a table of what somebody waits for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured. ``first`` is with nothing in the cache; ``rows`` is what was counted, 0 for a page."""

    label: str
    goal: float  # seconds
    seconds: float
    first: float
    rows: int = 0

    @property
    def met(self) -> bool:
        """Whether it takes no longer than it should."""
        return self.seconds <= self.goal

    @property
    def told(self) -> str:
        """What the line ends with."""
        return f", {self.rows:,} rows" if self.rows else ""
