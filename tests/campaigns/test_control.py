"""What a person may do once a campaign is on its way: go on after its end, send again, leave out, try the parked."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns import control
from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Batch, Campaign, Delivery, MoveRefused
from campaigns.monitor import stats
from campaigns.packing import unpack
from campaigns.pipeline import claiming, planning, sending, settling
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.transfer import ALONE
from campaigns.upkeep.reconciling import reconcile
from devices.common.clock import now
from devices.models import Device
from tests.campaigns.conftest import House, outcomes
from tests.campaigns.test_pages import browser, marketer, page

__all__ = ["browser", "marketer"]  # fixtures
Status = Campaign.Status


def status(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.status


# The end


def test_going_on_after_the_end_asks_for_a_new_one_and_gives_nobody_up(house: House, clock: Any, browser: Any) -> None:
    house.phones(*["ok"] * 30)
    campaign = house.campaign(expires_after=timedelta(hours=1))
    release.start(campaign, None)
    sending.prepare_some()
    control.pause(campaign)
    assert "Go on for" not in browser.get(page(campaign)).content.decode()
    clock.advance(timedelta(hours=2))
    with pytest.raises(NotReady, match="everybody who is left would be given up"):
        control.resume(campaign)
    assert "Go on for" in browser.get(page(campaign)).content.decode()
    told = browser.post(page(campaign, "do/resume/"), follow=True).content.decode()
    assert "Say how long it may still go on" in told
    assert status(campaign) == Status.PAUSED
    browser.post(page(campaign, "do/resume/"), {"hours": "6"})
    house.run()
    assert status(campaign) == Status.FINISHED
    assert outcomes(campaign) == {"accepted": 30}
    assert campaign.expires_at is not None
    assert timedelta(hours=5) < campaign.expires_at - now() <= timedelta(hours=6)


# The pace


@pytest.mark.parametrize(
    ("devices", "per_minute", "hours", "least"),
    [
        (100, None, 1, ""),
        (60, 1, 1, ""),
        (61, 1, 1, "2 a minute"),
        (10_000, 100, 1, "167 a minute"),
        (6000, 100, 1, ""),
    ],
)
def test_a_pace_that_cannot_reach_everybody_is_told_with_the_one_that_can(
    devices: int, per_minute: int | None, hours: int, least: str
) -> None:
    told = planning.too_slow(devices, per_minute, timedelta(hours=hours))
    assert (least in told) if least else told == ""


def test_a_pace_that_cannot_reach_everybody_is_refused(house: House, browser: Any) -> None:
    house.phones(*["ok"] * 7)
    campaign = house.campaign(per_minute=1, expires_after=timedelta(minutes=5))
    with pytest.raises(NotReady, match="at least 2 a minute"):
        release.start(campaign, None)
    with pytest.raises(NotReady, match="at least 2 a minute"):
        release.schedule(campaign, house.person("send"), now() + timedelta(hours=1))
    assert "at least 2 a minute" in browser.get(page(campaign, "confirm/")).content.decode()
    assert status(campaign) == Status.DRAFT


# Send again


def test_sending_again_keeps_the_pace_and_is_prepared_by_the_senders(
    house: House, clock: Any, monkeypatch: Any, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 8)
    phones = house.phones(*["status-400"] * 19, "ok")
    campaign = house.send()
    Campaign.objects.update(per_minute=60)  # five at once
    campaign.refresh_from_db()
    for phone in phones:
        house.emulator.control("behaviour", {"channel": phone.address, "behaviour": "ok"})
    with django_assert_max_num_queries(10):
        assert control.send_again(campaign, "failed") == 19
    assert Batch.objects.filter(attempt=2).count() == 0  # not in the request
    control.pause(campaign)
    control.resume(campaign)
    assert status(campaign) == Status.PREPARING
    while sending.prepare_some():
        pass
    assert sorted(len(unpack(batch.ids)) for batch in Batch.objects.filter(attempt=2)) == [3, 3, 3, 5, 5]
    assert reconcile(campaign).violations == []
    for _ in range(8):
        house.run()
        clock.advance(timedelta(seconds=6))
    assert status(campaign) == Status.FINISHED
    assert stats.progress(campaign).counts["accepted"] == 20  # type: ignore[index]  # StrEnum
    assert reconcile(campaign).violations == []


def test_sending_again_at_a_pace_that_cannot_reach_everybody_is_refused(house: House) -> None:
    house.phones(*["status-400"] * 7)
    campaign = house.send(expires_after=timedelta(minutes=5))
    Campaign.objects.update(per_minute=1)
    campaign.refresh_from_db()
    with pytest.raises(NotReady, match="at least 2 a minute"):
        control.send_again(campaign, "failed")
    assert status(campaign) == Status.FINISHED


def test_counters_of_many_batches_follow_in_one_statement(
    house: House, monkeypatch: Any, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(planning, "BATCH", 1)
    house.phones(*["status-400"] * 15)
    campaign = house.send()
    control.send_again(campaign, "failed")
    with django_assert_max_num_queries(10):
        planning.freeze_some(campaign.pk)
    assert list(Batch.objects.filter(attempt=1).values_list("rejected", "retry")) == [(0, 1)] * 15


def test_only_those_are_offered_whom_it_would_reach(house: House, clock: Any, browser: Any) -> None:
    house.phones("reset-after", "reset-after", "status-400")
    campaign = house.send()
    clock.advance(timedelta(minutes=2))
    house.run()
    assert status(campaign) == Status.FINISHED
    assert outcomes(campaign)["unknown"] == 2  # with two copies possible already: nobody may get a third
    assert stats.repeatable(campaign, stats.progress(campaign)) == {"failed": 1}
    shown = browser.get(page(campaign)).content.decode()
    assert "Send again to the 1 failed" in shown
    assert "not known" not in shown.partition("campaign-buttons")[2].partition("</section>")[0].partition("Progress")[0]
    assert "no answer is known" in shown
    assert "sender stopped" not in shown


@pytest.mark.django_db(transaction=True)
def test_two_who_send_again_at_once_send_once(house: House) -> None:
    house.phones(*["status-400"] * 3)
    campaign = house.send()
    told: list[object] = []
    together = threading.Barrier(4)

    def press() -> None:
        try:
            mine = Campaign.objects.get(pk=campaign.pk)
            together.wait(timeout=20)
            told.append(control.send_again(mine, "failed"))
        except (MoveRefused, NotReady) as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    people = [threading.Thread(target=press) for _ in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=60)
    assert len([one for one in told if one == 3]) == 1, told
    house.run()
    assert Delivery.objects.filter(campaign=campaign).count() == 6


# A credential that is refused for a few


def test_a_few_phones_that_refuse_our_credential_hold_nobody_up(house: House, clock: Any, browser: Any) -> None:
    house.phones(*["ok"] * 300, *["forbidden"] * 6, *["ok"] * 300)
    campaign = house.send()
    assert status(campaign) == Status.SENDING
    assert outcomes(campaign) == {"accepted": 600, "denied": 6}
    shown = browser.get(page(campaign)).content.decode()
    assert "does not take our credentials for 6 devices" in shown
    assert "?outcome=denied" in shown
    assert f"/devices/app/{house.app.pk}/change/" in shown
    for _ in range(2):  # again and again, ever more slowly, and never pausing
        clock.advance(timedelta(minutes=10))
        house.run()
    assert status(campaign) == Status.SENDING
    assert outcomes(campaign) == {"accepted": 600, "denied": 18}
    browser.post(page(campaign, "do/leave-denied/"))
    sending.finish()
    assert status(campaign) == Status.FINISHED
    assert stats.progress(campaign).failed == 6
    assert reconcile(campaign).violations == []
    left = Delivery.objects.filter(campaign=campaign, latest=True, outcome="rejected").first()
    assert left is not None
    assert left.reason.startswith("Left out by ")
    assert stats.repeatable(campaign, stats.progress(campaign)) == {"failed": 6}


def test_once_left_out_a_refusal_is_final(house: House, browser: Any) -> None:
    house.phones(*["forbidden"] * 5)
    campaign = house.send()
    assert status(campaign) == Status.PAUSED
    browser.post(page(campaign, "do/leave-denied/"))
    house.run()
    assert status(campaign) == Status.FINISHED
    assert stats.progress(campaign).counts["rejected"] == 5  # type: ignore[index]  # StrEnum


# Parked


def parked(house: House, **more: Any) -> tuple[Campaign, int]:
    """Send to four phones, the first of which ends its sender each time; return it."""
    house.phones(*["ok"] * 4)
    campaign = house.campaign(**more)
    release.start(campaign, None)
    sending.prepare_some()
    for _ in range(ALONE + 1):
        journal = Journal(sending.journal_folder())
        claiming.claim_next(journal)
        journal.abandon()
        settling.adopt_journals(sending.journal_folder())
    house.run()
    (batch,) = Batch.objects.filter(status=Batch.Status.PARKED)
    return campaign, unpack(batch.ids)[0]


@pytest.mark.faults(9)
def test_a_parked_device_is_shown_and_tried_again_alone(house: House, browser: Any) -> None:
    campaign, device = parked(house)
    assert status(campaign) == Status.FINISHED
    assert page(campaign, "parked/") in browser.get(page(campaign)).content.decode()
    shown = browser.get(page(campaign, "parked/")).content.decode()
    assert Device.objects.get(pk=device).installation in shown
    browser.post(page(campaign, "do/parked-again/"))
    assert status(campaign) == Status.SENDING
    claim = claiming.claim_next(journal := Journal(sending.journal_folder()))
    assert claim is not None
    assert claim.claims == ALONE
    journal.abandon()  # and once more it ends its sender
    settling.adopt_journals(sending.journal_folder())
    house.run()
    assert Batch.objects.filter(status=Batch.Status.PARKED).count() == 1
    control.try_parked(campaign)
    house.run()
    assert status(campaign) == Status.FINISHED
    assert outcomes(campaign) == {"accepted": 4}
    assert "No device is parked" in browser.get(page(campaign, "parked/")).content.decode()
    assert reconcile(campaign).violations == []


@pytest.mark.parametrize(("doubtful", "outcome"), [(False, "skipped"), (True, "unknown")])
def test_a_parked_device_can_be_given_up(house: House, browser: Any, doubtful: bool, outcome: str) -> None:
    campaign, device = parked(house)
    if doubtful:
        row = Batch.objects.get(status=Batch.Status.PARKED)
        Batch.objects.filter(pk=row.pk).update(doubtful=row.ids)
    browser.post(page(campaign, "do/parked-give-up/"))
    assert Delivery.objects.get(campaign=campaign, device=device).outcome == outcome
    campaign.refresh_from_db()
    assert stats.progress(campaign).percent == 100
    assert reconcile(campaign).violations == []
    told = browser.post(page(campaign, "do/parked-give-up/"), follow=True).content.decode()
    assert "is parked any more" in told


def test_parked_devices_of_a_cancelled_campaign_stay_where_they_are(house: House) -> None:
    campaign, _ = parked(house)
    Campaign.objects.update(status=Status.CANCELLED)
    with pytest.raises(MoveRefused, match="cancelled"):
        control.try_parked(campaign)


# Who may send


@pytest.mark.threats(53)
@pytest.mark.parametrize("lost", ["right", "account", "gone"])
def test_a_schedule_waits_for_somebody_who_may_send(house: House, clock: Any, browser: Any, lost: str) -> None:
    house.phones("ok")
    owner = house.person("send", "view")
    campaign = house.campaign()
    release.schedule(campaign, owner, now() + timedelta(minutes=5))
    if lost == "right":
        owner.user_permissions.clear()
    elif lost == "account":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    else:
        owner.delete()
    assert "may no longer send campaigns" in browser.get(page(campaign)).content.decode()
    clock.advance(timedelta(minutes=6))
    sending.sweep()
    house.run()
    assert (status(campaign), house.ledger()) == (Status.SCHEDULED, [])
    browser.post(page(campaign, "do/start/"))
    house.run()
    assert status(campaign) == Status.FINISHED
    assert len(house.ledger()) == 1
