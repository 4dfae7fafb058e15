"""A few kills of every role on each database: nothing lost, nothing twice that is not marked, nothing left behind.

The long run is ``make soak``; docs/reliability.md has its figures.
"""

from __future__ import annotations

import random

import pytest
from django.conf import settings

from tests.rig import chaos
from tests.rig.world import World

SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]


@pytest.mark.timeout(420)
@pytest.mark.faults(1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 29, 36)
def test_every_role_is_killed_and_everything_adds_up() -> None:
    seed = random.randrange(10**6)
    outcome = chaos.run(kills=8 if SQLITE else 9, devices=3000, postgres=not SQLITE, seed=seed)
    print(outcome.table())  # noqa: T201 (shown when it fails, with the seed)
    assert outcome.violations == []
    assert sum(outcome.kills.values()) == (8 if SQLITE else 9)
    assert max(pause for pause, _ in outcome.pauses) < 30


@pytest.mark.timeout(200)
@pytest.mark.skipif(SQLITE, reason="SQLite is for one machine; this is about two")
@pytest.mark.faults(55)
def test_two_machines_share_the_work_and_nobody_gets_it_twice() -> None:
    with World(postgres=True, workers=2) as world:
        world.ask("prepare", "6000", '["ok"]')
        run = chaos.Chaos(world, 0, (), random.Random(1), chaos.Outcome(1))
        outcome = run.run()
        hosts = world.query("SELECT count(DISTINCT name) FROM campaigns_worker WHERE role = 'sender'")
    assert outcome.violations == []
    assert outcome.twice == 0
    assert hosts[0][0] >= 2
