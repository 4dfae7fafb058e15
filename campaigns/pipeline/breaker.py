"""A service that is down is left alone for a while: nobody's attempts are burnt, and sending resumes by itself.

Each sender counts failures in a row by circuit (what fails together: a push service, or one host of it); the first to
count enough opens the breaker for all, in the database. The batches of a service that is down wait; where only a part
of it is, the devices of that part do; where one App gets no bearer token, its batches. When the time is over, one push
at a time finds out whether it is back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from campaigns.models import Breaker
from campaigns.pipeline.values import Answered
from devices.common import clock
from devices.push.base import Outcome

TRIP = 20  # failures in a row, of one sender, that open the breaker
FIRST = timedelta(seconds=15)  # how long it stays open at first; doubled each time the service is still down
LONGEST = timedelta(minutes=2)
PROBE = 20.0  # seconds after which a probe without an answer is none any more: a push's deadline is 15


def service_failed(answer: Answered) -> bool:
    """Return whether an answer tells of the service and not of a device or of our credential: none came, or a 5xx."""
    of_service = answer.verdict.outcome in {Outcome.RETRY, Outcome.UNKNOWN}
    return of_service and (answer.http_status == 0 or answer.http_status >= 500)


def without_token(service: str, app: int) -> str:
    """Return the circuit of what one App sends by a service, which breaks when it gets no bearer token for it."""
    return f"{service}:app {app}"


def app_of(circuit: str) -> int | None:
    """Return whose circuit ``without_token`` named this; None for any other."""
    _, _, app = circuit.partition(":app ")
    return int(app) if app.isdecimal() else None


@dataclass(slots=True)
class Watch:
    """What one sender has heard of the circuits lately."""

    probing: set[str] = field(default_factory=set)  # circuits whose breaker was open and may be tried
    shut: dict[str, datetime] = field(default_factory=dict)  # circuits that rest → until when
    tripped: dict[str, str] = field(default_factory=dict)  # circuit → why its breaker must open now
    rests: dict[str, timedelta] = field(default_factory=dict)  # circuit → for how long the service itself wishes
    recovered: set[str] = field(default_factory=set)  # circuits whose breaker must close now
    _failures: Counter[str] = field(default_factory=Counter)
    _tried: dict[str, float] = field(default_factory=dict)  # circuits with a probe that is out → until when it can be

    def learn(self, states: Mapping[str, datetime], now: datetime) -> None:
        """Take note of what the database says: circuit → until when its breaker is open."""
        self.probing = {circuit for circuit, open_until in states.items() if open_until <= now}
        self.shut = {circuit: open_until for circuit, open_until in states.items() if open_until > now}
        self._tried = {circuit: until for circuit, until in self._tried.items() if circuit in self.probing}

    def rest(self, circuit: str, now: datetime) -> datetime | None:
        """Return until when no push may leave in a part of a service; None when one may, and is about to."""
        if (until := self.shut.get(circuit)) and until > now:
            return until
        if circuit not in self.probing:
            return None
        if self._tried.get(circuit, 0.0) > time.monotonic():
            return now + FIRST
        self._tried[circuit] = time.monotonic() + PROBE
        return None

    def got_token(self, service: str, app: int) -> None:
        """Take note that what an App sends by a service leaves, with a bearer token if it wants one."""
        if (circuit := without_token(service, app)) in self.probing:
            self.recovered.add(circuit)

    def hear(self, circuit: str, answers: Iterable[Answered]) -> None:
        """Take note of the answers to pushes."""
        self._tried.pop(circuit, None)
        for answer in answers:
            if answer.verdict.rests:
                self.tripped[circuit] = answer.verdict.reason
                self.rests[circuit] = max(answer.verdict.rests, self.rests.get(circuit, FIRST))
                continue
            if not service_failed(answer):
                self._failures[circuit] = 0
                if circuit in self.probing:
                    self.recovered.add(circuit)
                continue
            self._failures[circuit] += 1
            if circuit in self.probing or self._failures[circuit] >= TRIP:
                self.tripped[circuit] = answer.verdict.reason

    def forget(self, circuit: str, open_until: datetime | None = None) -> None:
        """Begin anew with a circuit whose breaker was closed, or opened until a moment."""
        self.tripped.pop(circuit, None)
        self.rests.pop(circuit, None)
        self.recovered.discard(circuit)
        self.probing.discard(circuit)
        self.shut.pop(circuit, None)
        if open_until is not None:
            self.shut[circuit] = open_until
        self._failures[circuit] = 0


def of_apps(circuits: Iterable[str]) -> set[tuple[int, str]]:
    """Return (App, service) of those circuits that ``without_token`` named."""
    return {(app, circuit.partition(":")[0]) for circuit in circuits if (app := app_of(circuit)) is not None}


def states() -> dict[str, datetime]:
    """Return, for every circuit whose breaker is not closed, until when it is open."""
    return dict(Breaker.objects.values_list("circuit", "open_until"))


def trip(circuit: str, reason: str, wish: timedelta | None = None) -> datetime:
    """Open the breaker of a circuit, longer each time in a row, or as long as the service wishes; return until when."""
    now = clock.now()
    row = Breaker.objects.filter(circuit=circuit).first()
    if row is not None and row.open_until > now:
        if wish is not None and row.open_until < now + wish:  # whoever tripped it first knew of no wish
            Breaker.objects.filter(circuit=circuit, open_until__lt=now + wish).update(open_until=now + wish)
            return now + wish
        return row.open_until
    level = 0 if row is None else row.level + 1
    open_until = now + (wish or min(FIRST * (1 << min(level, 10)), LONGEST))
    values = {"level": level, "open_until": open_until, "reason": reason[:300]}
    Breaker.objects.update_or_create(circuit=circuit, defaults=values, create_defaults={**values, "since": now})
    return open_until


def close(circuit: str) -> None:
    """Close the breaker of a circuit: it answers again."""
    Breaker.objects.filter(circuit=circuit).delete()
