"""A few kills of every role on each database: nothing lost, nothing twice that is not marked, nothing left behind.

The long run is ``make soak``; docs/reliability.md has its figures.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from campaigns.pipeline.recording import LEASE
from tests.rig import chaos
from tests.rig.outcome import Outcome
from tests.rig.world import ROLES, World

SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]


@pytest.mark.timeout(420)
@pytest.mark.faults(1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 29, 36)
def test_every_role_is_killed_and_everything_adds_up() -> None:
    seed = random.randrange(10**6)
    kills = 8 if SQLITE else 9
    outcome = chaos.run(kills=kills, devices=3000, postgres=not SQLITE, seed=seed)
    print(outcome.table())  # noqa: T201 (shown when it fails, with the seed)
    assert outcome.violations == []
    assert set(outcome.kills) == set(outcome.roles) == set(ROLES) - ({"database"} if SQLITE else set())
    assert sum(outcome.kills.values()) == kills


@pytest.mark.timeout(200)
@pytest.mark.skipif(SQLITE, reason="SQLite is for one machine; this is about two")
@pytest.mark.faults(55)
def test_two_machines_share_the_work_and_nobody_gets_it_twice() -> None:
    with World(postgres=True, workers=2) as world:
        world.ask("prepare", 6000, ["slow-20"])
        machines: set[str] = set()

        def look() -> None:
            pids = "SELECT split_part(claimed_by, ' ', 2) FROM campaigns_batch WHERE status = 'sending'"
            machines.update(filter(None, (world.machine_of(int(row[0])) for row in world.query(pids))))

        run = chaos.Chaos(world, 0, random.Random(1), Outcome(1))
        run.watched = look
        outcome = run.run()
    assert outcome.violations == []
    assert outcome.twice == 0
    assert machines == {"machine-0", "machine-1"}


def report(**more: Any) -> dict[str, Any]:
    """Return what "check" says of a campaign in which all went well."""
    told = {"campaign": 1, "audience": 9, "final": 9, "rows": 9, "parked": 0, "taken": 9, "twice": 0, "marked": 0}
    return {**told, "unknown": 0, "violations": [], "never_twice": False, "status": "finished", **more}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kills": Counter(web=1)}, "worker was never killed"),
        ({"missed": Counter(monitor=1)}, "monitor had nobody to be killed"),
        ({"reports": [report(final=8)]}, "1 devices without an outcome"),
        ({"reports": [report(twice=3)]}, "only 2 pushes can have been on the wire"),
        ({"reports": [report(twice=1, never_twice=True)]}, "never twice"),
        ({"reports": [report(violations=["Device 7: 2 pushes arrived"])]}, "Device 7"),
        ({"pauses": [(30.5, "main")]}, "30.5 s without a push after main"),
        ({"left": ["x.log"]}, "left behind: x.log"),
        ({"unfinished": ["(1, 'sending')"]}, "not finished"),
    ],
)
def test_a_run_that_went_wrong_says_so(change: dict[str, Any], told: str) -> None:
    fine: dict[str, Any] = {
        "kills": Counter(web=1, worker=1),
        "on_the_wire": 2,
        "reports": [report()],
        "pauses": [(29.0, "main")],
    }
    assert Outcome(1, ("web", "worker"), **fine).violations == []
    assert told in " ".join(Outcome(1, ("web", "worker"), **{**fine, **change}).violations)


def test_a_role_without_a_victim_ends_the_run_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "VICTIM", 1.0)
    with World(postgres=not SQLITE) as world:
        world.ask("prepare", 50, ["ok"])
        monkeypatch.setattr(world, "processes", lambda role: [])
        outcome = chaos.Chaos(world, 5, random.Random(1), Outcome(1, ("monitor",))).run()
    assert "monitor had nobody to be killed, 1 times" in outcome.violations
    assert outcome.kills.total() == 0
    kept = Path(outcome.kept)
    assert (kept / "ledger.jsonl").exists()
    shutil.rmtree(kept)


def test_a_standstill_until_the_next_kill_is_a_pause_too() -> None:
    run = chaos.Chaos(World(postgres=False), 2, random.Random(1), Outcome(1))
    run._struck("main")
    run._since -= 46.0
    run._struck("web")
    assert [(round(pause), role) for pause, role in run.outcome.pauses] == [(46, "main")]


def test_a_long_freeze_is_longer_than_a_lease() -> None:
    assert LEASE.total_seconds() + 2 < chaos.BEYOND_LEASE
