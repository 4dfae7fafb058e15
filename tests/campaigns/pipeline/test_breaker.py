"""A service that is down, and a campaign that keeps a pace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from campaigns import control
from campaigns.compose import release
from campaigns.models import Batch, Breaker, Campaign, Delivery
from campaigns.monitor import stats
from campaigns.pipeline import breaker, claiming, sending
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.values import Answered
from devices.common.clock import now
from devices.push.base import Outcome, Verdict
from tests.campaigns.conftest import House, outcomes


@pytest.fixture
def outage(house: House) -> Iterator[House]:
    """A house whose push service answers 503 to everybody."""
    house.emulator.control("behaviour", {"everyone": "unavailable"})
    yield house
    house.emulator.control("behaviour", {"everyone": None})


def back(house: House) -> None:
    house.emulator.control("behaviour", {"everyone": None})


@pytest.mark.faults(24)
def test_an_outage_opens_the_breaker_and_most_devices_are_not_even_tried(outage: House) -> None:
    outage.phones(*["ok"] * 2000)
    campaign = outage.send()
    assert campaign.status == Campaign.Status.SENDING
    tried = Delivery.objects.filter(campaign=campaign).count()
    assert breaker.TRIP <= tried <= breaker.TRIP + 64 + 64  # what was on the wire, and what left meanwhile
    row = Breaker.objects.get(circuit="mpns")
    assert row.open_until > now()
    assert outage.run() == 0
    assert "does not answer" in stats.standstill(campaign)


def test_one_push_at_a_time_finds_out_that_it_lasts_and_the_pause_grows(outage: House, clock: Any) -> None:
    outage.phones(*["ok"] * 600)
    campaign = outage.send()
    tried = Delivery.objects.filter(campaign=campaign).count()
    for level in (1, 2, 3):
        clock.advance(breaker.LONGEST)
        outage.run()
        row = Breaker.objects.get(circuit="mpns")
        assert row.level == level
        assert Delivery.objects.filter(campaign=campaign).count() == tried + level
    assert row.open_until - now() <= breaker.LONGEST


@pytest.mark.faults(24)
def test_sending_resumes_by_itself_and_reaches_everybody_once(outage: House, clock: Any) -> None:
    outage.phones(*["ok"] * 600)
    campaign = outage.send()
    back(outage)
    clock.advance(breaker.FIRST + timedelta(seconds=1))
    outage.run()
    assert not Breaker.objects.exists()
    clock.advance(timedelta(minutes=6))
    outage.run()
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.FINISHED
    assert stats.progress(campaign).counts["accepted"] == 600  # type: ignore[index]  # StrEnum
    assert set(outage.copies().values()) == {1}


@pytest.mark.faults(16, 24)
def test_a_service_that_refuses_connections_is_down_too(house: House, settings: Any, emulator: Any) -> None:
    settings.EMULATOR = "127.0.0.1:9"
    phones = house.phones(*["ok"] * 100)
    for phone in phones:
        phone.address = phone.address.replace(emulator.url, "http://127.0.0.1:9")
    type(phones[0]).objects.bulk_update(phones, ["address"])
    campaign = house.send()
    assert Breaker.objects.filter(circuit="mpns").exists()
    assert set(outcomes(campaign)) == {"retry"}
    assert set(Delivery.objects.filter(campaign=campaign).values_list("copies", flat=True)) == {0}


def answers(count: int, verdict: Verdict, status: int) -> list[Answered]:
    return [Answered(number, verdict, status, 1, now()) for number in range(count)]


@pytest.mark.faults(27)
def test_one_apps_refused_certificate_is_not_the_service(house: House) -> None:
    watch = breaker.Watch()
    refused = Verdict(Outcome.DENIED, "Our certificate cannot be used: tlsv1 alert unknown ca")
    watch.hear("mpns", answers(10 * breaker.TRIP, refused, 0))  # in the handshake: there is no status
    assert not watch.tripped
    watch.hear("mpns", answers(breaker.TRIP, Verdict(Outcome.RETRY, "could not be reached"), 0))
    assert set(watch.tripped) == {"mpns"}


def test_a_services_own_wish_makes_a_rest_longer_and_never_shorter(db: None, clock: Any) -> None:
    first = breaker.trip("fcm:shop", "It failed.")
    longer = breaker.trip("fcm:shop", "Its quota.", timedelta(minutes=5))
    assert longer - first > timedelta(minutes=4)
    assert breaker.trip("fcm:shop", "Its quota.", timedelta(minutes=1)) == Breaker.objects.get().open_until
    assert abs(Breaker.objects.get().open_until - longer) < timedelta(seconds=1)


def test_another_service_is_not_held_up(house: House) -> None:
    house.phones("ok")
    campaign = house.campaign()
    release.start(campaign, None)
    Breaker.objects.create(circuit="wns", since=now(), open_until=now() + timedelta(hours=1))
    house.run()
    assert outcomes(campaign) == {"accepted": 1}


def test_a_pace_is_kept(house: House, clock: Any) -> None:
    house.phones(*["ok"] * 100)
    campaign = house.campaign(per_minute=240)  # 20 every five seconds
    release.start(campaign, None)
    house.run()
    for sent in (20, 40, 60):
        assert len(house.ledger()) == sent
        clock.advance(timedelta(seconds=5.1))
        house.run()


def test_a_pause_does_not_save_up_for_a_burst(house: House, clock: Any) -> None:
    house.phones(*["ok"] * 100)
    campaign = house.campaign(per_minute=240)
    release.start(campaign, None)
    house.run()
    control.pause(campaign)
    clock.advance(timedelta(minutes=10))
    control.resume(campaign)
    house.run()
    assert len(house.ledger()) == 40


@pytest.mark.faults(11)
def test_the_first_batches_leave_while_the_audience_is_still_being_frozen(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr("campaigns.pipeline.planning.CHUNK", 10)
    house.phones(*["ok"] * 25)
    campaign = house.campaign()
    release.start(campaign, None)
    sending.prepare_some()
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PREPARING
    journal = Journal(sending.journal_folder())
    assert claiming.claim_next(journal) is not None
    sending.finish()
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PREPARING
    journal.abandon()
    house.run()
    campaign.refresh_from_db()
    assert (campaign.status, campaign.audience) == (Campaign.Status.FINISHED, 25)
    assert Batch.objects.filter(campaign=campaign).count() == 3
    assert len(house.ledger()) == 25
