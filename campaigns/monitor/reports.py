"""What devices say of pushes: taken in, written in groups, counted as they are written.

A report is answered before it is written, at most ``WAIT`` later, with others in one statement: a campaign to a million
browsers brings a million of them in minutes. What a killed web server had not written yet is lost, and that is told:
reports are a lower bound, deliveries are not.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from django.db import DataError, connection, transaction
from django.utils import timezone

from campaigns.models import Campaign, Report, ReportCount

logger = logging.getLogger(__name__)

WAIT = 0.5  # seconds between two groups
GROUP = 1000  # reports in one statement
MOST = 50_000  # reports that wait while the database is away; with more, new ones are refused
FAREWELL = 10.0  # seconds that a web server waits for a group when it is told to stop
LONGEST_BUTTON = 2


class Full(Exception):
    """So many reports wait to be written that no more are taken."""


class Said(NamedTuple):
    """One report: which device, of which campaign, what, by which button (0: the notification itself), and when."""

    campaign: int
    word: int
    device: int
    button: int
    at: datetime


class Intake:
    """Where reports wait for each other. One for a process; its thread lives while there is something to write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writing = threading.RLock()  # one group at a time, and nobody leaves while one is being written
        self._waiting: dict[tuple[int, int, int], Said] = {}
        self._thread: threading.Thread | None = None

    def put(self, said: Said) -> None:
        """Take a report; raise Full. The same one again changes nothing."""
        with self._lock:
            if len(self._waiting) >= MOST:
                raise Full
            self._waiting.setdefault(said[:3], said)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
                self._thread.start()

    def flush(self) -> int:
        """Write everything that waits, now; return how many were new. Raises what Django raises without a database."""
        written = 0
        with self._writing:
            while group := self._take():
                try:
                    written += write(group)
                except DataError:  # something of it cannot be stored: only that is lost
                    written += sum(_alone(said) for said in group)
                except BaseException:
                    with self._lock:
                        self._waiting = {said[:3]: said for said in group} | self._waiting
                    raise
        return written

    def last(self) -> None:
        """Write what waits when the web server is told to stop; a group that is being written is waited for."""
        if self._writing.acquire(timeout=FAREWELL):
            try:
                self.flush()
            finally:
                self._writing.release()

    def _take(self) -> list[Said]:
        with self._lock:
            keys = list(self._waiting)[:GROUP]
            return [self._waiting.pop(key) for key in keys]

    def _run(self) -> None:
        """Write until nothing waits any more. A database that is away is tried again."""
        while True:
            time.sleep(WAIT)
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 (whatever it is, reports wait and others come)
                logger.warning("Reports wait: %s", error)
                time.sleep(5 * WAIT)
            finally:
                connection.close()
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return


INTAKE = Intake()


def write(group: list[Said]) -> int:
    """Write a group in one transaction; return how many were new.

    Those of a campaign that was deleted, or whose single rows were pruned, are left out: they could be counted twice.
    """
    campaigns = Campaign.objects.filter(pk__in={said.campaign for said in group}, pruned_at=None)
    known = set(campaigns.values_list("pk", flat=True))
    rows = sorted(
        said for said in group if said.campaign in known
    )  # in one order, so that no two writers wait in a circle
    if not rows:
        return 0
    table = Report._meta.db_table
    values = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
    insert = (
        f"INSERT INTO {table} (campaign_id, word, device_id, button, at) VALUES {values} "  # noqa: S608
        "ON CONFLICT DO NOTHING RETURNING campaign_id, word, button"
    )
    adapt = connection.ops.adapt_datetimefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        parameters = [part for row in rows for part in (*row[:4], adapt(row.at))]
        cursor.execute(insert, parameters)
        new = Counter(tuple(row) for row in cursor.fetchall())
        count = (
            f"INSERT INTO {ReportCount._meta.db_table} AS known (campaign_id, word, button, devices) "  # noqa: S608
            "VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (campaign_id, word, button) DO UPDATE SET devices = known.devices + excluded.devices"
        )
        for key in sorted(new):
            cursor.execute(count, [*key, new[key]])
    return new.total()


def _alone(said: Said) -> int:
    try:
        return write([said])
    except DataError:
        logger.warning("A report that cannot be stored is lost.")
        return 0


def say(campaign: int, device: int, word: int, button: int = 0) -> None:
    """Take in what a device said; raise Full. The moment is this machine's: the database's would be a question each."""
    INTAKE.put(Said(campaign, word, device, button if word == Report.Word.CLICKED else 0, timezone.now()))


class Counts(NamedTuple):
    """How many devices reported each word; ``buttons`` are those of ``clicked`` by the button, 0 the notification."""

    shown: int = 0
    clicked: int = 0
    dismissed: int = 0
    buttons: tuple[tuple[int, int], ...] = ()


def counts(campaign: int) -> Counts | None:
    """Return what devices reported of a campaign; None when none did."""
    rows = list(
        ReportCount.objects.filter(campaign=campaign).order_by("button").values_list("word", "button", "devices")
    )
    if not rows:
        return None
    total = Counter[int]()
    for word, _button, devices in rows:
        total[word] += devices
    buttons = tuple((button, devices) for word, button, devices in rows if word == Report.Word.CLICKED)
    return Counts(total[Report.Word.SHOWN], total[Report.Word.CLICKED], total[Report.Word.DISMISSED], buttons)


@atexit.register
def _last() -> None:
    """Write what waits when the web server is told to stop."""
    try:
        INTAKE.last()
    except Exception:  # noqa: BLE001 (the process ends, and there may be no database any more)
        logger.warning("Reports that waited are lost.")
