"""From the click to the history: real pushes to the emulator, real rows, one process."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from campaigns import control
from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Batch, Campaign, Delivery, MoveRefused
from campaigns.monitor import stats
from campaigns.packing import unpack
from campaigns.pipeline import sending
from campaigns.pipeline.recording import COUNTERS, record
from campaigns.pipeline.sending import Sender
from campaigns.pipeline.values import Claim
from devices import registration
from devices.common.clock import now
from devices.models import Credential, Device, Segment
from tests.campaigns.conftest import House, outcomes

Status = Campaign.Status
HOSTILE = "]]> <&\"' \x0b 👩\u200d🚀 שלום \u202eabc"


def latest(campaign: Campaign, phone: Device) -> Delivery:
    return Delivery.objects.get(campaign=campaign, device=phone.pk, latest=True)


def test_every_device_gets_one_push_and_every_answer_is_kept(house: House) -> None:
    phones = house.phones("ok", "temp-disconnected", "suppressed", "expired", "row-2")
    campaign = house.send()
    assert set(house.copies().values()) == {1}
    assert Delivery.objects.filter(campaign=campaign).count() == len(phones) == len(house.ledger())
    kept = latest(campaign, phones[0])
    assert kept.outcome == "accepted"
    assert kept.http_status == 200
    assert kept.words.startswith("X-NotificationStatus: Received; X-DeviceConnectionStatus: Connected")
    assert str(kept.message_id) in {line["id"] for line in house.ledger()}


def test_a_campaign_finishes_when_all_is_final_and_its_counts_are_its_rows(house: House) -> None:
    house.phones(*["ok"] * 300, *["suppressed"] * 7, *["expired"] * 3)
    campaign = house.send()
    assert campaign.status == Status.FINISHED
    progress = stats.progress(campaign)
    assert (progress.final, progress.waiting, progress.percent) == (310, 0, 100)
    assert outcomes(campaign) == {"accepted": 300, "dropped": 7, "gone": 3}
    assert {outcome.value: n for outcome, n in progress.counts.items() if n} == outcomes(campaign)


@pytest.mark.faults(28)
def test_an_expired_channel_is_retired_with_the_campaign_that_showed_it(house: House) -> None:
    (phone,) = house.phones("expired")
    campaign = house.send()
    phone.refresh_from_db()
    assert phone.status == Device.Status.RETIRED
    assert phone.retired_by == campaign.pk
    assert "expired" in phone.retired_reason.lower()
    with pytest.raises(NotReady, match="no device that can be reached"):
        release.start(house.campaign(), None)


@pytest.mark.parametrize("behaviour", ["queue-full-1", "unavailable-1", "flap-1"])
def test_a_busy_service_is_asked_again_in_minutes_and_the_campaign_waits(
    house: House, clock: Any, behaviour: str
) -> None:
    house.phones(behaviour, "ok")
    campaign = house.send()
    assert campaign.status == Status.SENDING
    assert outcomes(campaign) == {"accepted": 1, "retry": 1}
    (again,) = Batch.objects.filter(campaign=campaign, status=Batch.Status.QUEUED)
    assert timedelta(minutes=3) < again.due_at - now() < timedelta(minutes=6)
    assert house.run() == 0
    clock.advance(timedelta(minutes=7))
    assert house.run() == 1
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    assert outcomes(campaign) == {"accepted": 2, "retry": 1}
    assert set(house.copies().values()) == {1}


@pytest.mark.parametrize("behaviour", ["inactive", "daily-limit-0"])
def test_412_and_406_hold_the_device_for_an_hour_also_for_the_next_campaign(
    house: House, clock: Any, behaviour: str
) -> None:
    (phone,) = house.phones(behaviour)
    first = house.send()
    phone.refresh_from_db()
    assert phone.hold_until is not None
    assert timedelta(minutes=59) < phone.hold_until - now() <= timedelta(hours=1)
    second = house.send()
    assert len(house.ledger()) == 1
    assert outcomes(second) == {}
    assert stats.progress(second).waiting == 1
    clock.advance(timedelta(minutes=50))
    assert house.run() == 0
    clock.advance(timedelta(minutes=20))
    assert house.run() >= 1
    assert first.pk != second.pk


@pytest.mark.faults(27)
def test_a_refused_credential_pauses_at_once_and_costs_nobody_a_delivery(house: House) -> None:
    house.phones("forbidden-1", *["ok"] * 5)
    campaign = house.send()
    assert campaign.status == Status.PAUSED
    assert "403" in campaign.paused_because or "credential" in campaign.paused_because.lower()
    control.resume(campaign)
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    assert sum(house.copies().values()) == 6
    assert stats.progress(campaign).counts["accepted"] == 6  # type: ignore[index]  # StrEnum


@pytest.mark.faults(60)
def test_a_credential_that_cannot_be_decrypted_pauses_before_anything_leaves(house: House, settings: Any) -> None:
    house.phones(*["ok"] * 5)
    stored: Any = {"certificate": "x", "key": "y"}
    Credential.objects.create(app=house.app, service="mpns", secret=stored)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    campaign = house.send()
    assert campaign.status == Status.PAUSED
    assert "encryption key" in campaign.paused_because
    assert not house.ledger()
    Credential.objects.all().delete()
    control.resume(campaign)
    house.run()
    assert set(house.copies().values()) == {1}
    assert outcomes(campaign) == {"accepted": 5}


def test_the_first_ones_all_rejected_pause_the_campaign(house: House) -> None:
    house.phones(*["status-400"] * 700)
    campaign = house.send()
    assert campaign.status == Status.PAUSED
    assert "rejected" in campaign.paused_because
    assert len(house.ledger()) < 700


def test_a_rejection_of_all_is_told_also_when_there_was_but_one_window(house: House) -> None:
    house.phones(*["status-400"] * 25)
    campaign = house.send()
    assert campaign.status == Status.PAUSED
    assert campaign.paused_because.startswith("The first 25 pushes were all rejected")


@pytest.mark.faults(20)
def test_a_lost_answer_is_sent_once_more_and_marked(house: House, clock: Any) -> None:
    (phone,) = house.phones("reset-after")
    campaign = house.send()
    assert latest(campaign, phone).outcome == "retry"
    clock.advance(timedelta(minutes=2))
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    last = latest(campaign, phone)
    assert (last.outcome, last.attempt, last.copies) == ("unknown", 2, 2)
    assert len(house.ledger()) == 2


def test_never_twice_lists_a_lost_answer_as_unknown(house: House, clock: Any) -> None:
    (phone,) = house.phones("reset-after")
    campaign = house.send(never_twice=True)
    assert campaign.status == Status.FINISHED
    assert (latest(campaign, phone).outcome, latest(campaign, phone).copies) == ("unknown", 1)
    assert len(house.ledger()) == 1


def test_what_cannot_be_taken_in_time_is_expired(house: House) -> None:
    (phone,) = house.phones("queue-full")
    campaign = house.send(expires_after=timedelta(minutes=3))
    assert campaign.status == Status.FINISHED
    assert latest(campaign, phone).outcome == "expired"


@pytest.mark.faults(56)
def test_a_device_erased_or_retired_meanwhile_is_skipped(house: House) -> None:
    erased, retired, _ = house.phones("ok", "ok", "ok")
    campaign = house.campaign()
    release.start(campaign, None)
    sending.prepare_some()
    Device.objects.filter(pk=erased.pk).delete()
    Device.objects.filter(pk=retired.pk).update(status=Device.Status.RETIRED)
    house.run()
    assert outcomes(campaign) == {"accepted": 1, "skipped": 2}
    assert len(house.ledger()) == 1


@pytest.mark.threats(45)
def test_who_is_erased_or_opts_out_while_the_batch_is_being_sent_gets_no_push(
    house: House, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUSH_CONCURRENCY = 1
    first, erased, retired, moved, last = house.phones(*["slow-300"] * 5)
    address = house.emulator.uri(f"ok.{house.mark}-moved")
    gather = Sender.gather

    def meanwhile(sender: Sender, timeout: float) -> None:
        gather(sender, timeout)
        if len(house.ledger()) == 1 and Device.objects.filter(pk=erased.pk).exists():  # one is on the wire, four wait
            registration.forget(erased)
            registration.retire(retired, "The person opted out.")
            change = registration.Registration.read({"address": address}, moved)
            registration.change(moved, change)

    monkeypatch.setattr(Sender, "gather", meanwhile)
    campaign = house.send()
    pushed = sorted(line["channel"].rpartition("/")[2] for line in house.ledger())
    assert pushed == sorted(uri.rpartition("/")[2] for uri in (first.address, address, last.address))
    reasons = {row.device_id: row.reason for row in Delivery.objects.filter(campaign=campaign, outcome="skipped")}
    assert set(reasons) == {erased.pk, retired.pk}
    assert "erased" in reasons[erased.pk]
    assert "retired" in reasons[retired.pk]


def test_text_arrives_at_the_phone_as_typed(house: House) -> None:
    house.emulator.control("reset", {})  # makes room on the wall
    house.phones("ok")
    house.send(content={"title": HOSTILE, "text": "zwei\nZeilen"})
    (shown,) = [phone for phone in house.emulator.control("phones?since=0")["phones"] if house.mark in phone["name"]]
    # XML 1.0 has no way to carry \x0b; everything else arrives.
    assert shown["toasts"] == [{"Text1": HOSTILE.replace("\x0b", ""), "Text2": "zwei\nZeilen"}]


def test_an_empty_segment_is_refused_with_a_sentence_and_nothing_is_sent(house: House) -> None:
    house.phones("ok", language="de")
    nobody = Segment.objects.create(
        app=house.app,
        name="Esperanto",
        rule={"match": "all", "conditions": [{"field": "language", "op": "is", "value": "eo"}]},
    )
    campaign = house.campaign(segment=nobody)
    with pytest.raises(NotReady, match="Esperanto"):
        release.start(campaign, None)
    campaign.refresh_from_db()
    assert campaign.status == Status.DRAFT
    assert house.ledger() == []


def test_only_the_segment_is_sent_to(house: House) -> None:
    german = house.phones("ok", "ok", language="de")
    house.phones("ok", language="fr")
    rule = {"match": "all", "conditions": [{"field": "language", "op": "is", "value": "de"}]}
    house.send(segment=Segment.objects.create(app=house.app, name="German", rule=rule))
    assert {line["channel"] for line in house.ledger()} == {
        phone.address.removeprefix(house.emulator.url) for phone in german
    }


@pytest.mark.faults(56)
def test_the_audience_is_frozen_when_the_campaign_starts(house: House) -> None:
    house.phones("ok")
    campaign = house.campaign()
    release.start(campaign, None)
    sending.prepare_some()
    house.phones("ok")
    house.run()
    campaign.refresh_from_db()
    assert campaign.audience == 1
    assert len(house.ledger()) == 1


@pytest.mark.faults(53)
def test_pause_keeps_what_is_left_and_resume_sends_exactly_that(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = house.phones(*["slow-20"] * 1300)  # three batches
    campaign = house.campaign()
    release.start(campaign, None)

    paused: list[bool] = []

    def pausing(*given: Any, **more: Any) -> None:
        record(*given, **more)
        if not paused:
            control.pause(campaign)
            paused.append(True)

    with monkeypatch.context() as patched:
        patched.setattr("campaigns.pipeline.transfer.record", pausing)
        house.run()
    out = house.copies()
    assert 0 < len(out) < 400  # of the first batch of 500: what was on the wire came home, the rest stayed
    assert outcomes(campaign) == {"accepted": len(out)}
    assert stats.standstill(campaign) == "Paused by hand."
    assert house.run() == 0
    assert house.copies() == out
    control.resume(campaign)
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    assert len(house.copies()) == len(phones)
    assert set(house.copies().values()) == {1}


def test_cancel_is_for_good(house: House) -> None:
    house.phones("ok")
    campaign = house.campaign()
    release.start(campaign, None)
    control.cancel(campaign)
    house.run()
    assert house.ledger() == []
    with pytest.raises(MoveRefused, match="cancelled"):
        control.resume(campaign)


def test_send_again_reaches_the_failed_and_nobody_else(house: House, clock: Any) -> None:
    phones = house.phones("ok", "status-400")
    campaign = house.send()
    assert campaign.status == Status.FINISHED
    house.emulator.control("behaviour", {"channel": phones[1].address, "behaviour": "ok"})
    assert control.send_again(campaign, "failed") == 1
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED
    assert latest(campaign, phones[1]).outcome == "accepted"
    assert len(house.ledger()) == 3
    progress = stats.progress(campaign)
    assert (progress.final, progress.percent) == (2, 100)
    with pytest.raises(NotReady, match="nobody left"):
        control.send_again(campaign, "failed")
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED


def test_a_scheduled_campaign_starts_by_itself(house: House, clock: Any) -> None:
    house.phones("ok")
    campaign = house.campaign()
    release.schedule(campaign, house.person("send"), now() + timedelta(hours=2))
    house.run()
    assert house.ledger() == []
    clock.advance(timedelta(hours=2, seconds=1))
    sending.sweep()
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == Status.FINISHED


def test_at_any_time_a_batch_adds_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked at after every window: counters, deliveries and who is moved tell the same of one that is being sent."""
    monkeypatch.setattr("campaigns.pipeline.planning.BATCH", 500)
    house.phones(*["ok"] * 600, *["queue-full"] * 3, *["inactive"] * 2)
    house.phones("ok", hold_until=now() + timedelta(hours=1))
    looks: list[str] = []

    def looking(claim: Claim, *given: Any, **more: Any) -> None:
        record(claim, *given, **more)
        row = Batch.objects.get(pk=claim.batch)
        written = set(Delivery.objects.filter(batch=row.pk).values_list("device_id", flat=True))
        counted = sum(int(getattr(row, name)) for name in [*COUNTERS.values(), "deferred"])
        assert counted == len(written) + row.deferred
        assert row.size == counted + len(claim.pending)
        if row.status == Batch.Status.SENDING:  # the ids stay as they were claimed; what is settled, the rows tell
            assert set(claim.pending) == set(unpack(row.ids)) - written - set(unpack(row.moved))
        else:
            assert set(claim.pending) == set(unpack(row.ids))
        looks.append(row.status)

    monkeypatch.setattr("campaigns.pipeline.transfer.record", looking)
    campaign = house.send()
    assert looks.count(Batch.Status.SENDING) >= 2
    assert looks.count(Batch.Status.DONE) == 2
    for batch in Batch.objects.filter(campaign=campaign):
        counted = sum(int(getattr(batch, name)) for name in [*COUNTERS.values(), "deferred"])
        assert batch.size == counted + len(unpack(batch.ids))


@pytest.mark.threats(1, 10)
@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/throttledthirdparty/01.00/x", "http://127.0.0.1:1/x", "gopher://x", "", "http://\u00e9/"],
)
def test_an_address_that_found_another_way_into_the_database_is_never_dialled(house: House, address: str) -> None:
    bad, _ = house.phones("ok", "ok")
    Device.objects.filter(pk=bad.pk).update(address=address)
    campaign = house.send()
    assert latest(campaign, bad).outcome == "rejected"
    assert latest(campaign, bad).http_status is None
    assert outcomes(campaign) == {"accepted": 1, "rejected": 1}


def test_whoever_puts_the_credential_right_and_goes_on_at_once_is_believed(house: House) -> None:
    """What was read of a campaign is kept for two seconds, and not beyond the pause for a refused credential."""
    house.phones(*["forbidden"] * 30)
    campaign = house.campaign()
    release.start(campaign, None)
    sender = Sender.create()
    try:
        sender.run(lambda: False, time.monotonic() + 30)
        campaign.refresh_from_db()
        assert campaign.status == Status.PAUSED
        assert sender.renderers == {}
    finally:
        sender.close()
