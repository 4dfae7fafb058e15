"""Two questions a supervisor asks: does the process answer, and can it do its work. Neither answer names anything.

Whoever asks, and however often, the database is asked at most once a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from campaigns.pipeline import watchdog

FRESH = 1.0  # seconds an answer is good for
ALIVE = 10.0  # seconds after the last beat that we saw; a worker's watchdog beats every two


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer without asking the database: this process lives."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, is migrated, and the workers beat; else 503 and what is missing."""
    found = READINESS.now()
    ready = all(found.values())
    answer = JsonResponse({"ready": ready, **found}, status=200 if ready else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # a probe is no error that somebody should read
    return answer


@dataclass(slots=True)
class Beats:
    """Which machines' workers beat, judged by what this process saw change.

    What a row says of itself is not believed: a restored backup is full of beats that nobody makes any more.
    """

    _seen: dict[str, object] = field(default_factory=dict)
    _moved: dict[str, float] = field(default_factory=dict)

    def alive(self, beats: Mapping[str, object], at: float) -> int:
        """Take what the database says now (machine → last beat), at a moment of our clock; return how many beat."""
        for machine, beat in beats.items():
            if machine in self._seen and self._seen[machine] != beat:
                self._moved[machine] = at
            self._seen[machine] = beat
        return sum(at - moved <= ALIVE for moved in self._moved.values())


@dataclass(slots=True)
class Readiness:
    """The last answer, and who may look for the next one."""

    beats: Beats = field(default_factory=Beats)
    _found: dict[str, bool] = field(default_factory=dict)
    _until: float = 0.0
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _migrated: bool = False

    def now(self) -> dict[str, bool]:
        """Return every check by its name. Of many callers one looks; the others get what was found last."""
        if time.monotonic() < self._until and self._found:
            return self._found
        if self._looking.acquire(blocking=not self._found):
            try:
                if time.monotonic() >= self._until or not self._found:
                    self._found = self._look()
                    self._until = time.monotonic() + FRESH
            finally:
                self._looking.release()
        return self._found

    def _look(self) -> dict[str, bool]:
        checks: dict[str, Callable[[], bool]] = {
            "database": database_answers,
            "migrations": self._is_migrated,
            "worker": self._workers_beat,
        }
        return {name: holds(check) for name, check in checks.items()}

    def _is_migrated(self) -> bool:
        """Return whether the database has every migration of this version; what it once had, it keeps."""
        self._migrated = self._migrated or migrated()
        return self._migrated

    def _workers_beat(self) -> bool:
        return self.beats.alive(watchdog.beats(), time.monotonic()) >= max(settings.WORKERS, 1)


READINESS = Readiness()


def holds(check: Callable[[], bool]) -> bool:
    """Return what ``check`` says; a database that fails says no."""
    try:
        return check()
    except Error:
        return False


def database_answers() -> bool:
    """Return whether the database takes a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def migrated() -> bool:
    """Return whether every migration of this version is applied."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
