"""Does due work move? What ``runworker`` asks before it restarts everything."""

from __future__ import annotations

from datetime import timedelta

from campaigns import claiming
from campaigns.models import Batch, Worker
from campaigns.recording import LEASE
from devices import clock

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
