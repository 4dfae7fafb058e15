"""A restored backup, a worker that was away, a second machine on SQLite: nothing leaves without a person's word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test import Client

from campaigns import control
from campaigns.compose import release
from campaigns.management.commands.runworker import SILENT, refuse_second_host
from campaigns.models import Campaign, MoveRefused, Worker
from campaigns.monitor import stats
from campaigns.pipeline import sending, tasks
from campaigns.pipeline.planning import GRACE
from campaigns.upkeep import housekeeping, restored
from devices.common.clock import now
from tests.campaigns.conftest import House
from tests.campaigns.test_pages import browser, marketer, page

__all__ = ["browser", "marketer"]  # fixtures
Status = Campaign.Status


def scheduled(house: House, after: timedelta) -> Campaign:
    campaign = house.campaign()
    release.schedule(campaign, house.person("send"), now() + after)
    return campaign


def status(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.status


@pytest.mark.faults(39)
def test_a_restored_database_is_noticed_and_nothing_leaves_without_a_click(house: House, clock: Any) -> None:
    house.phones("ok")
    sending_now, missed, future = house.campaign(), *(scheduled(house, timedelta(hours=n)) for n in (1, 9))
    release.start(sending_now, None)
    tasks.note_worker("watchdog")  # the backup is made here
    restored.remember(now() + timedelta(hours=2))  # and here the machine is lost
    clock.advance(timedelta(hours=2, minutes=1))
    restored.hold_if_restored()
    housekeeping.tick()
    house.run()
    assert house.ledger() == []
    assert status(sending_now) == Status.PAUSED
    assert "was restored" in stats.standstill(sending_now)
    assert (status(missed), status(future)) == (Status.DRAFT, Status.SCHEDULED)
    control.resume(sending_now)
    restored.remember(tasks.note_worker("watchdog"))
    restored.hold_if_restored()
    house.run()
    assert len(house.ledger()) == 1


def test_a_worker_that_was_away_for_days_finds_the_database_as_it_left_it(house: House, clock: Any) -> None:
    house.phones("ok")
    release.start(campaign := house.campaign(), None)
    restored.remember(tasks.note_worker("watchdog"))
    clock.advance(timedelta(days=30))
    tasks.forget_workers()
    restored.hold_if_restored()
    assert status(campaign) == Status.PREPARING


@pytest.mark.parametrize("content", [None, "", "yesterday", "\0"])
def test_without_a_memory_of_the_database_nothing_is_held(house: House, var: Path, content: str | None) -> None:
    if content is not None:
        (var / "last_beat").write_text(content)
    release.start(campaign := house.campaign(), None) if house.phones("ok") else None
    restored.hold_if_restored()
    assert status(campaign) == Status.PREPARING


@pytest.mark.faults(44)
def test_a_time_that_passed_while_nothing_ran_is_kept_within_the_hour(house: House, clock: Any) -> None:
    house.phones("ok")
    campaign = scheduled(house, timedelta(hours=1))
    clock.advance(timedelta(hours=1) + GRACE - timedelta(minutes=1))
    sending.sweep()
    house.run()
    assert status(campaign) == Status.FINISHED
    assert campaign.late is not None
    assert GRACE - timedelta(minutes=2) < campaign.late < GRACE


@pytest.mark.faults(44)
def test_after_the_hour_a_person_is_asked(house: House, browser: Client, clock: Any) -> None:
    house.phones("ok")
    campaign = scheduled(house, timedelta(hours=1))
    assert "do/start" not in browser.get(page(campaign)).content.decode()
    clock.advance(timedelta(hours=1, minutes=1) + GRACE)
    sending.sweep()
    house.run()
    assert (status(campaign), house.ledger()) == (Status.SCHEDULED, [])
    shown = browser.get(page(campaign)).content.decode()
    assert "Its time came while no worker was running" in shown
    assert "do/start" in shown
    browser.post(page(campaign, "do/start/"))
    house.run()
    assert (status(campaign), len(house.ledger())) == (Status.FINISHED, 1)
    assert "1 hour late" in browser.get(page(campaign)).content.decode()


def test_only_what_is_scheduled_can_be_started_late(house: House, browser: Client) -> None:
    house.phones("ok")
    draft = house.campaign()
    with pytest.raises(MoveRefused):
        release.start_missed(draft, None)
    assert status(draft) == Status.DRAFT


@pytest.mark.faults(37)
def test_a_second_machine_on_sqlite_is_refused_with_a_sentence(db: None, clock: Any) -> None:
    Worker.objects.create(name="elsewhere:7", role="watchdog", started_at=now(), seen_at=now())
    if connection.vendor != "sqlite":
        refuse_second_host()
        return
    with pytest.raises(CommandError, match="elsewhere works on this SQLite database already"):
        refuse_second_host()
    clock.advance(SILENT + timedelta(seconds=1))
    refuse_second_host()


def test_workers_of_last_week_are_forgotten_but_for_the_last(db: None, clock: Any) -> None:
    for name in ("a:1", "b:2"):
        Worker.objects.create(name=name, role="sender", started_at=now(), seen_at=now())
    clock.advance(timedelta(hours=2))
    tasks.forget_workers()
    assert Worker.objects.get().name == "b:2"
