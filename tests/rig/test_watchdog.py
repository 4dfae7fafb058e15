"""The watchdog leaves healthy workers alone, and restarts those that stand still."""

from __future__ import annotations

import signal
import time

import pytest
from django.conf import settings

from tests.rig.world import World
from tests.waiting import until

SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]
SECONDS = 40.0  # of a trickle; without a look at what was recorded, the first restart came after 12


def restarts(world: World) -> int:
    rows = world.query("SELECT restarts FROM campaigns_worker WHERE role = 'watchdog'")
    return sum(int(row[0]) for row in rows)


def arrived(world: World) -> int:
    return world.emulator.ledger_file.read_bytes().count(b"\n")


@pytest.mark.timeout(180)
def test_a_steady_trickle_of_tiny_batches_and_a_paced_campaign_restart_nobody() -> None:
    """Each batch is claimed and done between two looks, and something is always due."""
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 2000, ["ok"])
        world.start_workers()
        world.ask("trickle", 2000)
        world.ask("start", False, 120)  # ten phones every five seconds
        until(lambda: arrived(world) > 20, 30, "the first pushes", saw=lambda: arrived(world))
        began, before, looks, due = time.monotonic(), arrived(world), 0, 0
        waiting = f"SELECT 1 FROM campaigns_batch WHERE status = 'queued' AND size = 1 AND due_at <= {world.now}"
        while time.monotonic() - began < SECONDS:
            looks += 1
            if world.query(waiting):
                due += 1
            else:
                world.query(f"UPDATE campaigns_batch SET due_at = {world.now} WHERE id IN ({NEXT})")
            time.sleep(0.02)
        assert due > looks / 2  # the watchdog nearly always found something that was due
        assert arrived(world) - before > SECONDS  # and things went on all the time
        assert restarts(world) == 0


NEXT = "SELECT id FROM campaigns_batch WHERE status = 'queued' AND size = 1 ORDER BY id DESC LIMIT 1"


@pytest.mark.timeout(120)
@pytest.mark.faults(6, 7)
@pytest.mark.parametrize("role", ["main", "sentinel"])
def test_a_cluster_without_its_head_is_ended_and_another_started(role: str) -> None:
    """Its workers would go on without it, and nobody would start another one when they end."""
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 50, ["ok"])
        world.start_workers()
        until(lambda: bool(world.processes("worker")), 30, "the workers", saw=world.everybody)
        before = {one.pid for one in (*world.processes("main"), *world.processes("worker"))}
        world.processes(role)[0].kill()
        until(lambda: restarts(world) >= 1, 30, "a restart", saw=lambda: restarts(world))
        until(lambda: bool(world.processes("worker")), 30, "workers")
        now = {one.pid for one in (*world.processes("main"), *world.processes("worker"))}
        assert not before & now
        assert not before & {one.pid for one in world.everybody()}


@pytest.mark.timeout(120)
@pytest.mark.faults(5)
def test_workers_that_stand_still_are_restarted_and_the_work_goes_on() -> None:
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 300, ["ok"])
        world.start_workers()
        until(lambda: len(world.processes("pusher")) == 1, 30, "the pusher")
        for role in ("pusher", "worker"):
            for process in world.processes(role):
                process.send_signal(signal.SIGSTOP)  # they live, and do nothing
        world.ask("start", False)
        until(lambda: arrived(world) >= 300, 40, "a restart and the campaign", saw=lambda: restarts(world))
        until(lambda: restarts(world) == 1, 10, "one restart on record", saw=lambda: restarts(world))
