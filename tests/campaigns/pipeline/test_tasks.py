"""The doorbell: losing one or ringing twice changes nothing, and what does not understand it leaves it alone."""

from __future__ import annotations

from typing import Any

import pytest
from django_q.models import OrmQ

from campaigns import control
from campaigns.compose import release
from campaigns.models import Campaign, Delivery
from campaigns.pipeline import planning, sending, tasks
from campaigns.upkeep import housekeeping
from tests.campaigns.conftest import House

Status = Campaign.Status


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LINGER", 0.0)


def test_a_start_rings_once_for_every_sender_and_no_more(
    house: House, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.SENDERS = 2
    house.phones("ok")
    with django_capture_on_commit_callbacks(execute=True):
        release.start(house.campaign(), None)
        release.start(house.campaign(), None)
    assert OrmQ.objects.count() == 2
    assert "Storm" not in str(OrmQ.objects.values_list("payload", flat=True))


@pytest.mark.faults(58)
def test_a_doorbell_of_another_version_does_nothing(house: House, quick: None) -> None:
    house.phones("ok")
    release.start(house.campaign(), None)
    tasks.pump(version=99)
    assert house.ledger() == []
    tasks.pump()
    assert len(house.ledger()) == 1


@pytest.mark.faults(8, 59)
def test_a_lost_doorbell_is_rung_again(house: House) -> None:
    house.phones("ok")
    release.start(house.campaign(), None)
    OrmQ.objects.all().delete()
    housekeeping.tick()
    assert OrmQ.objects.exists()


@pytest.mark.faults(10, 11)
def test_freezing_resumes_at_its_cursor_and_twice_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 10)
    house.phones(*["ok"] * 35)
    campaign = house.campaign()
    release.start(campaign, None)  # and here the web process dies
    assert planning.freeze_some(campaign.pk)
    assert planning.freeze_some(campaign.pk)  # and here the worker
    while sending.prepare_some():
        pass
    assert not planning.freeze_some(campaign.pk)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.audience) == (Status.SENDING, 35)
    house.run()
    assert Delivery.objects.count() == 35
    assert set(house.copies().values()) == {1}


def test_an_error_in_a_sender_leaves_its_claims_to_the_next(
    house: House, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.phones(*["ok"] * 5)
    campaign = house.campaign()
    release.start(campaign, None)

    def broken(self: Any) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr("campaigns.pipeline.transfer.Transfer.record_if_due", broken)
        tasks.pump()
    housekeeping.tick()
    campaign.refresh_from_db()
    assert campaign.status == Status.PAUSED
    assert "RuntimeError: a mistake of ours" in campaign.paused_because
    control.resume(campaign)
    tasks.pump()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    assert Delivery.objects.filter(campaign=campaign, latest=True).count() == 5
    assert max(house.copies().values()) <= 2
