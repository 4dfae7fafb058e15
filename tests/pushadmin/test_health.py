"""Whether the dashboard can do its work: asked by anybody, at any rate, by any name, and not fooled by a backup."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Worker
from campaigns.pipeline import watchdog
from devices.common import clock
from pushadmin import health
from pushadmin.health import Beats, Readiness


@pytest.fixture(autouse=True)
def readiness(db: None, monkeypatch: pytest.MonkeyPatch) -> Readiness:
    """Nothing was asked before."""
    fresh = Readiness()
    monkeypatch.setattr(health, "READINESS", fresh)
    return fresh


@pytest.mark.threats(49)
def test_a_hundred_questions_cost_the_database_no_more_than_one(client: Client) -> None:
    client.get("/readyz")
    with CaptureQueriesContext(connection) as asked:
        answers = {client.get("/readyz").content for _ in range(100)}
    assert len(asked) == 0
    assert len(answers) == 1


@pytest.mark.threats(49)
def test_health_names_nothing_and_nobody(client: Client) -> None:
    beat("machine-a:1")
    assert client.get("/healthz").content == b"ok\n"
    assert set(client.get("/readyz").json()) == {"ready", "database", "migrations", "worker"}


@pytest.mark.threats(41, 49)
@pytest.mark.parametrize("host", ["10.1.2.3", "push.internal:8000", "evil.example"])
def test_a_supervisor_asks_an_address_and_not_a_host(client: Client, settings: Any, host: str) -> None:
    settings.ALLOWED_HOSTS = ["push.example.org"]
    assert client.get("/healthz", headers={"Host": host}).status_code == 200
    assert client.get("/readyz", headers={"Host": host}).status_code == 503
    assert client.get("/login/", headers={"Host": host}).status_code == 400
    assert client.post("/healthz", headers={"Host": host}).status_code == 405


def beat(name: str, ago: float = 0.0) -> None:
    moment = clock.now() - timedelta(seconds=ago)
    values = {"role": "watchdog", "seen_at": moment, "started_at": moment}
    Worker.objects.update_or_create(name=name, defaults=values)


def test_beats_that_lie_in_a_restored_backup_are_not_believed(readiness: Readiness, settings: Any) -> None:
    beat("machine-a:1")
    assert not readiness._workers_beat()
    assert not readiness._workers_beat()  # nothing has moved since
    beat("machine-a:1")
    assert readiness._workers_beat()


def test_of_two_machines_that_should_work_one_is_not_enough(
    readiness: Readiness, settings: Any, admin_client: Client
) -> None:
    settings.WORKERS = 2
    for _ in range(2):
        beat("machine-a:1")
        beat("machine-b:7")
        ready = readiness._workers_beat()
    assert ready
    beat("machine-a:1")
    beat("machine-b:7", ago=watchdog.ABSENT.total_seconds() + 5)
    readiness.beats._moved["machine-b"] -= health.ALIVE + 1
    beat("machine-a:1")
    assert not readiness._workers_beat()
    shown = admin_client.get("/overview/warnings/").content.decode()
    assert "1 of 2 machines give a sign of life" in shown
    settings.WORKERS = 1
    assert readiness._workers_beat()
    assert "machines give" not in admin_client.get("/overview/warnings/").content.decode()


def test_a_beat_that_changed_counts_for_ten_seconds_of_our_own_clock() -> None:
    beats = Beats()
    assert beats.alive({"a": 1, "b": 1}, 0.0) == 0
    assert beats.alive({"a": 2, "b": 1}, 2.0) == 1
    assert beats.alive({"a": 2, "b": 2}, 12.0) == 2
    assert beats.alive({"a": 2, "b": 2}, 12.5) == 1
    assert beats.alive({"a": 2, "b": 2}, 30.0) == 0
