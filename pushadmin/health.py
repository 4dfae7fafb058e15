"""Two questions a supervisor asks: does the process answer, and can it do its work. Neither answer names anything."""

from __future__ import annotations

from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from campaigns import stats


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer without asking the database: this process lives."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, is migrated, and a worker gave a sign of life lately; else 503."""
    found = {name: holds(check) for name, check in CHECKS.items()}
    ready = all(found.values())
    return JsonResponse({"ready": ready, **found}, status=200 if ready else 503)


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


CHECKS: dict[str, Callable[[], bool]] = {
    "database": database_answers,
    "migrations": migrated,
    "worker": stats.workers_alive,
}
