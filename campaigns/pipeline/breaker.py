"""A service that is down is left alone for a while: nobody's attempts are burnt, and sending resumes by itself.

Each sender counts failures in a row by push service; the first to count enough opens the breaker for all, in the
database. When its time is over the next batch goes one push at a time until an answer shows that the service is back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from campaigns.models import Breaker
from campaigns.pipeline.journal import Answered
from devices.common import clock
from devices.push.base import Outcome

TRIP = 20  # failures in a row, of one sender, that open the breaker
FIRST = timedelta(seconds=15)  # how long it stays open at first; doubled each time the service is still down
LONGEST = timedelta(minutes=2)


def service_failed(answer: Answered) -> bool:
    """Return whether an answer tells of the service and not of a device or of our credential: none came, or a 5xx."""
    of_service = answer.verdict.outcome in {Outcome.RETRY, Outcome.UNKNOWN}
    return of_service and (answer.http_status == 0 or answer.http_status >= 500)


@dataclass(slots=True)
class Watch:
    """What one sender has heard of the services lately."""

    probing: set[str] = field(default_factory=set)  # services whose breaker was open and may be tried
    tripped: dict[str, str] = field(default_factory=dict)  # service → why its breaker must open now
    recovered: set[str] = field(default_factory=set)  # services whose breaker must close now
    _failures: Counter[str] = field(default_factory=Counter)

    def hear(self, service: str, answers: Iterable[Answered]) -> None:
        """Take note of the answers to pushes."""
        for answer in answers:
            if not service_failed(answer):
                self._failures[service] = 0
                if service in self.probing:
                    self.recovered.add(service)
                continue
            self._failures[service] += 1
            if service in self.probing or self._failures[service] >= TRIP:
                self.tripped[service] = answer.verdict.reason

    def forget(self, service: str) -> None:
        """Begin anew with a service whose breaker was opened or closed."""
        self.tripped.pop(service, None)
        self.recovered.discard(service)
        self.probing.discard(service)
        self._failures[service] = 0


def states() -> dict[str, datetime]:
    """Return, for every service whose breaker is not closed, until when it is open."""
    return dict(Breaker.objects.values_list("service", "open_until"))


def trip(service: str, reason: str) -> datetime:
    """Open the breaker of a service, longer each time in a row; return until when."""
    now = clock.now()
    row = Breaker.objects.filter(service=service).first()
    if row is not None and row.open_until > now:
        return row.open_until
    level = 0 if row is None else row.level + 1
    open_until = now + min(FIRST * (1 << min(level, 10)), LONGEST)
    values = {"level": level, "open_until": open_until, "reason": reason[:300]}
    Breaker.objects.update_or_create(service=service, defaults=values, create_defaults={**values, "since": now})
    return open_until


def close(service: str) -> None:
    """Close the breaker of a service: it answers again."""
    Breaker.objects.filter(service=service).delete()
