"""manage.py runworker: the jobs, and the watchdog that restarts them when due work does not move."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from campaigns.models import Worker
from campaigns.pipeline import tasks, watchdog
from campaigns.upkeep import housekeeping, restored
from devices import keys
from devices.common import clock, lifeline

logger = logging.getLogger(__name__)

BEAT = 2.0  # seconds between two looks
STUCK = 10.0  # seconds that work may be due while no sender gives a sign of it
SILENT = timedelta(seconds=30)  # a watchdog that was not heard for so long has ended
LAST_WORD = 22.0  # seconds from "stop" to SIGKILL for the whole group


class Cluster:
    """One django-q2 cluster in a process group of its own, on a lifeline of its own."""

    def __init__(self) -> None:
        reading, self._lifeline = os.pipe()
        os.set_inheritable(reading, True)
        self.process = subprocess.Popen(
            [sys.executable, sys.argv[0], "qcluster"],
            env={**os.environ, lifeline.VARIABLE: str(reading)},
            pass_fds=[reading],
            start_new_session=True,
        )
        os.close(reading)

    @property
    def lives(self) -> bool:
        """Whether the cluster's main process is still there."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop claiming, let what is on the wire come home, and leave nothing behind. At most LAST_WORD seconds."""
        self._cut()
        self._signal(signal.SIGTERM, main_only=True)
        until = time.monotonic() + LAST_WORD
        while time.monotonic() < until and self._group_lives():
            time.sleep(0.1)
            self.process.poll()
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        self._cut()
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _cut(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _signal(self, number: int, main_only: bool = False) -> None:
        try:
            if main_only:
                os.kill(self.process.pid, number)
            else:
                os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def _group_lives(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


class Command(BaseCommand):
    """Run the background jobs until SIGTERM or Ctrl-C."""

    help = "Run the senders and restart them as a whole when due work does not move."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the cluster, watch it, stop it."""
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        restarts, note = 0, ""
        if not self._database_is_ready():
            return
        cluster = Cluster()
        moved = time.monotonic()
        while not (self.stopping or lifeline.wait(BEAT)):
            trouble = "" if cluster.lives else "The cluster had ended."
            try:
                restored.hold_if_restored()
                restored.remember(tasks.note_worker("watchdog", doing="watching", restarts=restarts, note=note))
                housekeeping.tick()
                if watchdog.moving():
                    moved = time.monotonic()
                elif time.monotonic() - moved > STUCK:
                    trouble = f"Work was due for {STUCK:.0f} s and nothing moved."
            except DatabaseError as error:
                logger.warning("The database does not answer: %s", error)
                connection.close()
                moved = time.monotonic()
            if trouble:
                logger.error("Restarting the workers: %s", trouble)
                cluster.kill()
                cluster, moved = Cluster(), time.monotonic()
                restarts, note = restarts + 1, trouble
        cluster.stop()
        with suppress(DatabaseError):
            tasks.settle_journals()
        self.stdout.write(_("The workers have stopped."))

    def _database_is_ready(self) -> bool:
        """Return True when the database answers and nothing speaks against sending from here; False if told to stop."""
        while True:
            try:
                refuse_other_keys()
                refuse_second_host()
                restored.hold_if_restored()
            except DatabaseError as error:
                logger.warning("The database does not answer: %s", error)
                connection.close()
            else:
                return True
            if self.stopping or lifeline.wait(BEAT):
                return False

    def _told_to_stop(self, number: int, frame: object) -> None:
        self.stopping = True


def refuse_other_keys() -> None:
    """Raise CommandError when the keys here are not those that this installation was set up with."""
    if found := keys.strangers():
        raise CommandError(" ".join(found))


def refuse_second_host() -> None:
    """Raise CommandError when another machine works on this SQLite database: its locks hold on one machine only."""
    if connection.vendor != "sqlite":
        return
    here = tasks.worker_name().rpartition(":")[0]
    lately = Worker.objects.filter(role="watchdog", seen_at__gte=clock.now() - SILENT)
    if other := lately.exclude(name__startswith=f"{here}:").first():
        told = _(
            "%(machine)s works on this SQLite database already, and SQLite is for one machine. Use PostgreSQL, or stop "
            "the worker there and wait for half a minute."
        )
        raise CommandError(told % {"machine": other.name.rpartition(":")[0]})
