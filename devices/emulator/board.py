"""What was counted: answers, pushes a second, broken rules, refusals and visits to the trap."""

from __future__ import annotations

import time
from collections import Counter, deque

HISTORY = 60  # seconds of the curve on the page
MOST_NOTES = 100  # violations and refusals that are kept; all are counted


class Board:
    """Counts since the start or the last reset. Seconds are real ones, whatever the emulated clock says."""

    def __init__(self) -> None:
        self.pushes = 0
        self.answers: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.services: Counter[str] = Counter()
        self.violations = 0
        self.trap_hits = 0
        self.http2_connections = 0
        self.notes: dict[str, deque[dict[str, object]]] = {
            "violations": deque(maxlen=MOST_NOTES),
            "refusals": deque(maxlen=MOST_NOTES),
        }
        self._seconds: dict[int, int] = {}

    def push(self, label: str, kind: str, service: str) -> None:
        """Count one push of this kind at this service that will be answered with this label ("" = no valid answer)."""
        self.pushes += 1
        self.answers[label] += 1
        self.kinds[kind] += 1
        self.services[service] += 1
        second = int(time.monotonic())
        try:
            self._seconds[second] += 1
        except KeyError:
            self._seconds[second] = 1
            for old in [s for s in self._seconds if s < second - HISTORY]:
                del self._seconds[old]

    def violate(self, channel: str, early: float) -> None:
        """Note a try that came ``early`` seconds before the hour was over."""
        self.violations += 1
        self.notes["violations"].append({"channel": channel, "seconds_early": round(early, 3)})

    def refuse(self, channel: str, why: str) -> None:
        """Note why a request was answered with 400."""
        self.notes["refusals"].append({"channel": channel, "why": why})

    def shown(self) -> dict[str, object]:
        """Return everything as JSON can carry it. ``history`` ends with the last whole second."""
        now = int(time.monotonic())
        return {
            "pushes": self.pushes,
            "answers": dict(self.answers),
            "kinds": dict(self.kinds),
            "services": dict(self.services),
            "violations": self.violations,
            "violation_notes": list(self.notes["violations"]),
            "refusal_notes": list(self.notes["refusals"]),
            "trap_hits": self.trap_hits,
            "http2_connections": self.http2_connections,
            "history": [self._seconds.get(now - back, 0) for back in range(HISTORY, 0, -1)],
        }
