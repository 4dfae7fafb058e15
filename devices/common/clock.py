"""One clock for everything that is compared between processes: the database's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection

# Tests move time by changing this; nothing else does.
shift = timedelta(0)


def now() -> datetime:
    """Return the database's time, aware, in UTC (SQLite: this host's, which is the only one there is)."""
    if connection.vendor == "sqlite":
        return datetime.now(UTC) + shift
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC) + shift
