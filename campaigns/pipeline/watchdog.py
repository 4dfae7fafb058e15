"""Does due work move, and who is there to move it? What ``runworker`` asks before it restarts everything."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max
from django.utils.translation import gettext_lazy

from campaigns.models import Batch, Worker
from campaigns.pipeline import claiming
from campaigns.pipeline.recording import LEASE
from devices.common import clock

NO_WORKER = gettext_lazy("No worker is running, so nothing can be sent. Start one with “manage.py runworker”.")
ABSENT = timedelta(seconds=10)  # without a sign of life this long, a worker is gone: the watchdog gives one every two
RENEWED = timedelta(seconds=8)  # a busy sender renews its lease every two, and says so when it has written something


def moving() -> bool:
    """Return whether due work moves: nothing is due, a sender renewed a lease, or one recorded something lately.

    Leases alone do not tell: a batch of one device is claimed, sent and done between two looks.
    """
    since = clock.now() - RENEWED
    busy = Batch.objects.filter(status=Batch.Status.SENDING)
    if busy.filter(lease_until__gt=since + LEASE).exists() or Worker.objects.filter(recorded_at__gt=since).exists():
        return True
    return not (claiming.due_work() or busy.exists())


def beats() -> dict[str, datetime]:
    """Return the last beat of every machine whose worker gave a sign of life lately."""
    watchdogs = Worker.objects.filter(role="watchdog", seen_at__gte=clock.now() - ABSENT).order_by("seen_at")
    return {name.rpartition(":")[0]: seen for name, seen in watchdogs.values_list("name", "seen_at")}


def workers_alive(now: datetime | None = None) -> bool:
    """Return whether a worker gave a sign of life lately."""
    return silence(now or clock.now()) is None


def silence(now: datetime) -> timedelta | None:
    """Return for how long no worker has given a sign of life; None within ABSENT.

    While the watchdog waits for the database or for old deliveries to go, the lease that a sender renews every two
    seconds is such a sign as well.
    """
    seen = Worker.objects.aggregate(last=Max("seen_at"))["last"]
    if seen is not None and now - seen < ABSENT:
        return None
    renewed = Batch.objects.filter(status=Batch.Status.SENDING, lease_until__gt=now - ABSENT + LEASE)
    if seen is not None and renewed.exists():
        return None
    return timedelta.max if seen is None else now - seen
