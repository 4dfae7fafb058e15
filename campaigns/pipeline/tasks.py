"""The only module that knows django-q2: a doorbell, and the pump that it wakes.

A doorbell carries a version and nothing else. Losing one costs the time until the next tick; an extra one finds
nothing to do. What is to be done stands in the batches.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django_q.models import OrmQ
from django_q.tasks import async_task

from campaigns.models import Worker
from campaigns.pipeline import claiming, sending, settling
from campaigns.pipeline.sending import Abandoned
from devices.common import clock, lifeline

logger = logging.getLogger(__name__)

VERSION = 1
BUDGET = 25.0  # seconds one doorbell keeps a worker busy before it rings again
LINGER = 3.0  # seconds a pump waits for more work before it lets the worker go


def ring() -> None:
    """Wake the workers, unless enough doorbells wait already."""
    waiting = OrmQ.objects.filter(lock__lte=clock.now()).count()
    for _ in range(settings.SENDERS - waiting):
        async_task("campaigns.pipeline.tasks.pump", VERSION)


def ring_on_commit() -> None:
    """Wake the workers once the current transaction stands."""
    transaction.on_commit(ring)


def pump(version: int = VERSION) -> None:
    """Send what is due for at most BUDGET seconds; ring again when something is left."""
    if version != VERSION:
        logger.info("Ignored a doorbell of version %s; this is %s.", version, VERSION)
        return
    sender = sending.Sender.create(worker_name())
    until = time.monotonic() + BUDGET
    try:
        work(sender, until)
    except Abandoned:
        sender.abandon()
        logger.warning("Stopped while the database was away; the journal keeps what it does not know.")
        raise
    except BaseException:  # also the SystemExit by which django-q2 ends a task that takes too long
        sender.abandon()
        raise
    sender.close()
    if not lifeline.cut() and claiming.due_work():
        ring()


def work(sender: sending.Sender, until: float) -> None:
    """Let ``sender`` work until the monotonic clock passes ``until``; return early when nothing comes for a while."""
    idle_since = time.monotonic()
    while not lifeline.cut() and time.monotonic() < until:
        note_worker("sender", doing="sending")
        if sender.run(lifeline.cut, until):
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > LINGER:
            break
        else:
            lifeline.wait(0.2)
    Worker.objects.filter(name=worker_name()).update(doing="", seen_at=clock.now())


def settle_journals() -> None:
    """Write down what senders of this machine that were killed still knew: the last thing before nobody is left."""
    settling.adopt_journals(sending.journal_folder())


def worker_name() -> str:
    """Return how this process is called in the list of workers."""
    return f"{socket.gethostname()}:{os.getpid()}"


def note_worker(role: str, doing: str = "", **more: object) -> datetime:
    """Write that this process lives; return when that was."""
    now = clock.now()
    values = {"role": role, "seen_at": now, "doing": doing, **more}
    Worker.objects.update_or_create(name=worker_name(), defaults=values, create_defaults={**values, "started_at": now})
    return now


def forget_workers() -> None:
    """Drop workers that nobody has seen for an hour, but for the last one: it tells how old the database is."""
    last = Worker.objects.order_by("-seen_at").values("pk")[:1]
    Worker.objects.filter(seen_at__lt=clock.now() - timedelta(hours=1)).exclude(pk__in=last).delete()
