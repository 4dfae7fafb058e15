"""A database that is away, full of connections or late; a machine that is lost; an import that is killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from campaigns.pipeline.recording import LEASE
from tests.rig.world import ROOT, World
from tests.waiting import ending, until

SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]
postgresql = pytest.mark.skipif(SQLITE, reason="about a database server")
pytestmark = pytest.mark.timeout(240)


def arrived(world: World) -> int:
    return world.emulator.ledger_file.read_bytes().count(b"\n")


def asked(world: World, path: str, data: bytes | None = None) -> tuple[int, str | None, str]:
    """Return status, Retry-After and text of an answer of the web server."""
    request = urllib.request.Request(f"http://127.0.0.1:{world.web_port}{path}", data)
    if data is not None:
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Bearer rk_x")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Retry-After"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"], error.read().decode()


def finished(world: World) -> bool:
    return world.query("SELECT DISTINCT status FROM campaigns_campaign") == [("finished",)]


def seen(world: World) -> dict[str, object]:
    """Return what a wait that failed should tell."""
    statuses = world.query("SELECT status, count(*) FROM campaigns_batch GROUP BY status")
    return {"arrived": arrived(world), "batches": statuses, "workers": len(world.processes("worker"))}


def everything_adds_up(world: World) -> int:
    """Check every campaign against the ledger; return how many devices got two copies."""
    reports = world.ask("check", str(world.emulator.ledger_file))
    assert [told for one in reports for told in one["violations"]] == []
    assert sum(one["audience"] - one["final"] for one in reports) == 0
    return sum(one["twice"] for one in reports)


def memory(world: World) -> int:
    """Return how many bytes the senders have."""
    senders = world.processes("worker")
    assert len(senders) == world.senders
    return sum(int(process.memory_info().rss) for process in senders)


def says_so(world: World) -> None:
    """While the database is away, people and programs hear it, and when to ask again."""
    status, again, text = asked(world, "/sign-in/MQ/x-y/")
    assert (status, again) == (503, "5")
    assert "The database does not answer" in text
    status, again, text = asked(world, "/api/v1/devices", b"{}")
    assert (status, again) == (503, "5")
    assert "database" in json.loads(text)["detail"]
    assert asked(world, "/healthz")[0] == 200
    assert asked(world, "/readyz")[0] == 503


@postgresql
@pytest.mark.faults(29, 30, 31)
def test_a_database_that_is_away_is_waited_for_and_said(record_property: Callable[[str, object], None]) -> None:
    with World(postgres=True) as world:
        assert world.database is not None
        world.ask("prepare", 4000, ["slow-30"])
        world.database.crash()
        world.start_web()
        world.start_workers()
        time.sleep(4)  # everything starts without it
        world.database.start()
        world.ask("start", False)
        record_property(
            "first push after a start without database",
            until(lambda: arrived(world) > 0, 15, "the first push", saw=lambda: seen(world)),
        )
        until(
            lambda: arrived(world) > 400 and world.web_answers(), 20, "400 pushes and the web", saw=lambda: seen(world)
        )
        before = memory(world)
        world.database.crash()
        time.sleep(3)
        out = arrived(world)
        says_so(world)
        time.sleep(5)
        assert arrived(world) == out  # nothing leaves that could not be written down
        assert memory(world) - before < 10e6
        world.database.start()
        seconds = until(lambda: arrived(world) > out, 15, f"push {out + 1}", saw=lambda: seen(world))
        record_property("first push after the database is back", seconds)
        assert seconds < 5
        until(lambda: finished(world), 60, "finished", saw=lambda: seen(world))
        assert everything_adds_up(world) == 0


@postgresql
@pytest.mark.faults(34)
def test_no_connection_left_is_an_answer_and_not_a_crash() -> None:
    with World(postgres=True) as world:
        assert world.database is not None
        world.ask("prepare", 3000, ["slow-30"])
        world.start_web()
        world.start_workers()
        world.ask("start", False)
        until(
            lambda: arrived(world) > 200 and world.web_answers(), 30, "200 pushes and the web", saw=lambda: seen(world)
        )
        held: list[psycopg.Connection[tuple[object, ...]]] = []
        try:
            with suppress(psycopg.OperationalError):
                while True:
                    held.append(psycopg.connect(world.database.url, connect_timeout=10))
            assert asked(world, "/sign-in/MQ/x-y/")[0] == 503
            assert asked(world, "/healthz")[0] == 200
        finally:
            for connection in held:
                connection.close()
        until(lambda: finished(world), 60, "finished", saw=lambda: seen(world))
        assert everything_adds_up(world) == 0


@postgresql
@pytest.mark.faults(12)
def test_a_machine_is_lost_with_its_journal_and_the_other_takes_over(
    record_property: Callable[[str, object], None],
) -> None:
    with World(postgres=True, workers=2) as world:
        world.ask("prepare", 6000, ["slow-40"])
        world.start_workers()
        world.ask("start", False)
        senders = "SELECT 1 FROM campaigns_worker WHERE role = 'sender'"
        until(lambda: len(world.query(senders)) == 4, 30, "four senders", saw=lambda: world.query(senders))
        until(lambda: arrived(world) > 500, 20, "500 pushes", saw=lambda: seen(world))
        lost = str(world.folder / "machine-0")
        for process in world.everybody():
            with suppress(psutil.Error):
                if process.environ()["PUSHADMIN_VAR"] == lost:
                    process.kill()
        del world.runworkers[0]
        world.workers = 0  # nobody starts it again
        journals = list(Path(lost, "journal").glob("*"))
        assert journals
        for journal in journals:
            journal.unlink()
        names = ", ".join(f"'{journal.stem}'" for journal in journals)
        held = f"SELECT 1 FROM campaigns_batch WHERE status = 'sending' AND split_part(claimed_by, ' ', 1) IN ({names})"
        assert world.query(held)
        record_property(
            "taken over after",
            until(
                lambda: not world.query(held),
                LEASE.total_seconds() + 10,
                "a taking over",
                saw=lambda: world.query(held),
            ),
        )
        until(lambda: finished(world), 90, "finished", saw=lambda: seen(world))
        everything_adds_up(world)


@pytest.mark.faults(15)
def test_an_import_that_is_killed_leaves_whole_chunks_and_may_be_made_again(tmp_path: Path) -> None:
    file, total = tmp_path / "devices.csv", 20_000
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 1, ["ok"])
        host = world.emulator.url
        lines = [f"mpns,{host}/throttledthirdparty/01.00/ok.i-{n},phone-{n}\n" for n in range(total)]
        file.write_text("service,address,installation\n" + "".join(lines))
        command = [sys.executable, "manage.py", "importdevices", str(file), "--app", "rig"]

        def count() -> int:
            rows = world.query("SELECT count(*) FROM devices_device")
            return int(rows[0][0]) - 1 if rows else 0

        with ending(subprocess.Popen(command, cwd=ROOT, env=world.environment(), stdout=subprocess.DEVNULL)) as process:
            until(lambda: count() > 0, 30, "the first chunk", saw=count, every=0.01)
            time.sleep(random.uniform(0.0, 0.5))
            process.kill()
        done = count()
        assert done % 500 == 0
        assert 0 < done < total
        assert f"{total - done}" in world.manage(*command[2:]).replace(",", "")
        assert count() == total


def deploy(world: World) -> None:
    """Stop the worker, migrate and start the next version, as docs/operations.md says."""
    old = world.runworkers[0]
    old.terminate()
    assert until(lambda: old.poll() is not None, 25, "the end of the old worker") < 20
    world.manage("setup")
    world.start_workers()


@pytest.mark.faults(13, 38)
def test_a_deployment_in_the_middle_costs_nobody_anything() -> None:
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 4000, ["slow-30"])
        world.start_workers()
        world.ask("start", True)
        until(lambda: arrived(world) > 300, 30, "300 pushes", saw=lambda: seen(world))
        deploy(world)
        until(lambda: arrived(world) > 1200, 30, "1200 pushes", saw=lambda: seen(world))
        deploy(world)
        until(lambda: finished(world), 60, "finished", saw=lambda: seen(world))
        assert everything_adds_up(world) == 0
        unknown = "SELECT count(*) FROM campaigns_delivery WHERE outcome = 'unknown'"
        assert world.query(unknown) == [(0,)]  # with "never twice" whoever a kill leaves in doubt is given up
