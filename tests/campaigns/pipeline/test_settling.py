"""What becomes of the batches of crashed senders: known answers are kept, doubt is marked, the rest goes back."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from campaigns.compose import release
from campaigns.models import Batch, Campaign, Delivery
from campaigns.packing import unpack
from campaigns.pipeline import claiming, sending, settling
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import LEASE, Fenced, record
from campaigns.pipeline.transfer import ALONE
from campaigns.pipeline.values import Answered, Claim, Window
from campaigns.upkeep.reconciling import reconcile
from devices.common.clock import now
from devices.common.secrets import digest
from devices.models import Device
from devices.push.base import Outcome, Verdict
from devices.registration import Registration, change
from tests.campaigns.conftest import House, outcomes
from tests.campaigns.pipeline.test_journal import room_for

TAKEN = Verdict(Outcome.ACCEPTED)


def claimed(house: House, count: int, **more: Any) -> tuple[Campaign, Claim, Journal]:
    """Start a campaign to ``count`` phones and claim its one batch."""
    house.phones(*["ok"] * count)
    campaign = house.campaign(**more)
    release.start(campaign, None)
    sending.prepare_some()
    journal = Journal(sending.journal_folder())
    claim = claiming.claim_next(journal)
    assert claim is not None
    return campaign, claim, journal


def taken(devices: Iterable[int]) -> list[Answered]:
    return [Answered(device, TAKEN, 200, 1, now()) for device in devices]


def die(journal: Journal) -> None:
    journal.abandon()


def adopt() -> int:
    return settling.adopt_journals(sending.journal_folder())


def doubtful(batch: int) -> list[int]:
    return unpack(Batch.objects.get(pk=batch).doubtful)


@pytest.mark.faults(2)
def test_what_was_answered_is_recorded_by_the_new_owner_and_the_untouched_go_back(house: House) -> None:
    campaign, claim, journal = claimed(house, 6)
    first, second, third, *rest = claim.pending
    journal.sending([first, second, third])
    journal.answered(taken([first, third]))
    die(journal)
    assert adopt() == 1
    assert outcomes(campaign) == {"accepted": 2}
    row = Batch.objects.get(pk=claim.batch)
    assert row.status == Batch.Status.QUEUED
    assert unpack(row.ids) == [second, *rest]
    assert doubtful(claim.batch) == [second]
    house.run()
    copies = {row.device_id: row.copies for row in Delivery.objects.filter(campaign=campaign)}
    assert copies == {first: 1, third: 1, second: 2, **dict.fromkeys(rest, 1)}
    assert Campaign.objects.get(pk=campaign.pk).status == Campaign.Status.FINISHED


def test_an_answer_that_was_recorded_before_the_death_is_not_recorded_twice(house: House) -> None:
    campaign, claim, journal = claimed(house, 3)
    journal.sending(claim.pending)
    journal.answered(taken(claim.pending))
    record(claim, Window(taken(claim.pending[:1]), released=3), now=now())
    die(journal)
    assert adopt() == 1
    assert outcomes(campaign) == {"accepted": 3}
    assert Batch.objects.get(pk=claim.batch).accepted == 3


@pytest.mark.faults(12)
def test_without_a_journal_everything_released_and_without_a_row_is_doubtful(house: House, clock: Any) -> None:
    _, claim, journal = claimed(house, 300)
    record(claim, Window(taken(claim.pending[:10]), released=150), now=now())
    journal.path.unlink()
    die(journal)
    assert settling.take_over_expired(sending.journal_folder()) == 0  # the lease holds
    clock.advance(LEASE + timedelta(seconds=1))
    assert settling.take_over_expired(sending.journal_folder()) == 1
    assert len(doubtful(claim.batch)) == 140
    assert len(unpack(Batch.objects.get(pk=claim.batch).ids)) == 290


def test_a_living_sender_of_this_machine_keeps_its_batch_beyond_the_lease(house: House, clock: Any) -> None:
    _, _, journal = claimed(house, 3)
    clock.advance(LEASE + timedelta(seconds=1))
    assert settling.take_over_expired(sending.journal_folder()) == 0
    clock.advance(settling.PATIENCE)
    assert settling.take_over_expired(sending.journal_folder()) == 1
    journal.close()


@pytest.mark.faults(14)
def test_a_sender_that_lost_its_batch_writes_nothing(house: House, clock: Any) -> None:
    campaign, claim, journal = claimed(house, 3)
    clock.advance(LEASE + settling.PATIENCE + timedelta(seconds=1))
    settling.take_over_expired(sending.journal_folder())
    with pytest.raises(Fenced):
        record(claim, Window(taken(claim.pending), released=3), now=now())
    assert outcomes(campaign) == {}
    journal.close()


@pytest.mark.faults(14)
def test_a_sender_whose_batch_somebody_else_has_writes_nothing(house: House, clock: Any) -> None:
    campaign, claim, journal = claimed(house, 3)
    clock.advance(LEASE + settling.PATIENCE + timedelta(seconds=1))
    settling.take_over_expired(sending.journal_folder())
    other = claiming.claim_next(new_owner := Journal(sending.journal_folder()))
    assert other is not None
    assert (other.batch, other.windows) == (claim.batch, claim.windows)  # only the token tells them apart
    with pytest.raises(Fenced):
        record(claim, Window(taken(claim.pending), released=3), now=now())
    assert outcomes(campaign) == {}
    journal.close()
    new_owner.close()


@pytest.mark.faults(3, 47)
def test_a_sender_that_dies_within_a_record_has_written_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign, claim, journal = claimed(house, 3)
    before = Batch.objects.values().get(pk=claim.batch)
    window = Window(taken(claim.pending[:2]), released=3)

    def ends(*given: Any) -> None:
        raise SystemExit

    for step in ("_insert", "_mark_devices", "_queue_later"):
        with monkeypatch.context() as patched:
            patched.setattr(f"campaigns.pipeline.recording.{step}", ends)
            with pytest.raises(SystemExit):
                record(claim, window, now=now())
        assert Batch.objects.values().get(pk=claim.batch) == before
        assert outcomes(campaign) == {}
    record(claim, window, now=now())
    assert outcomes(campaign) == {"accepted": 2}
    journal.close()


@pytest.mark.faults(2)
def test_never_twice_lists_the_doubtful_as_unknown(house: House) -> None:
    campaign, claim, journal = claimed(house, 5, never_twice=True)
    journal.sending(claim.pending[:2])
    die(journal)
    adopt()
    assert outcomes(campaign) == {"unknown": 2}
    house.run()
    assert outcomes(campaign) == {"unknown": 2, "accepted": 3}
    assert len(house.ledger()) == 3


def test_in_doubt_a_second_time_is_unknown_and_not_sent_again(house: House) -> None:
    campaign, claim, journal = claimed(house, 2)
    victim = claim.pending[0]
    journal.sending([victim])
    die(journal)
    adopt()
    again = claiming.claim_next(new_owner := Journal(sending.journal_folder()))
    assert again is not None
    new_owner.sending([victim])
    die(new_owner)
    adopt()
    assert Delivery.objects.get(campaign=campaign, device=victim).outcome == "unknown"
    house.run()
    assert len(house.ledger()) == 1


@pytest.mark.faults(29)
def test_a_window_whose_confirmation_got_lost_is_not_written_twice(house: House) -> None:
    campaign, claim, journal = claimed(house, 4)
    before = Claim(**{name: getattr(claim, name) for name in claim.__slots__})
    before.pending = list(claim.pending)
    later = now() + timedelta(hours=1)
    window = Window(taken(claim.pending[:1]), [(claim.pending[1], later)], released=4)
    record(claim, window, now=now())
    record(before, window, now=now())
    assert outcomes(campaign) == {"accepted": 1}
    assert Batch.objects.filter(campaign=campaign).count() == 2
    assert Batch.objects.get(pk=claim.batch).accepted == 1
    assert (before.pending, before.windows) == (claim.pending, claim.windows)
    journal.close()


@pytest.mark.faults(9)
def test_a_batch_that_kills_its_senders_is_parked_with_only_its_culprit(house: House) -> None:
    campaign, claim, journal = claimed(house, 4)
    culprit, *rest = claim.pending
    for _ in range(ALONE):
        die(journal)
        adopt()
        journal = Journal(sending.journal_folder())
        claiming.claim_next(journal)
    die(journal)
    adopt()
    house.run()
    parked = Batch.objects.get(campaign=campaign, status=Batch.Status.PARKED)
    assert unpack(parked.ids) == [culprit]
    assert set(Delivery.objects.filter(campaign=campaign).values_list("device_id", flat=True)) == set(rest)


def test_headway_clears_the_suspicion(house: House) -> None:
    _, claim, journal = claimed(house, 4)
    journal.sending(claim.pending[:1])
    journal.answered(taken(claim.pending[:1]))
    die(journal)
    adopt()
    assert Batch.objects.get(pk=claim.batch).claims == 0


def test_a_batch_under_suspicion_waits_until_a_sender_has_nothing_else(house: House) -> None:
    _, claim, journal = claimed(house, 4)
    die(journal)
    adopt()
    Batch.objects.filter(pk=claim.batch).update(claims=ALONE - 1)
    new_owner = Journal(sending.journal_folder())
    with pytest.raises(claiming.Crowded):
        claiming.claim_next(new_owner, alone=False)
    new_owner.close()
    house.run()
    assert len(house.ledger()) == 4


@pytest.mark.faults(13)
def test_a_told_sender_gives_back_what_it_did_not_start(house: House) -> None:
    house.phones(*["slow-300"] * 200)
    campaign = house.campaign()
    release.start(campaign, None)
    sender = sending.Sender.create()
    began = time.monotonic()
    sender.run(lambda: time.monotonic() - began > 0.15, began + 60)
    sender.close()
    assert time.monotonic() - began < 5
    done = Delivery.objects.filter(campaign=campaign).count()
    assert 0 < done < 200
    (row,) = Batch.objects.filter(campaign=campaign, status=Batch.Status.QUEUED)
    assert (len(unpack(row.ids)), len(unpack(row.doubtful))) == (200 - done, 0)
    house.run()
    assert set(house.copies().values()) == {1}
    assert list(sending.journal_folder().iterdir()) == []


def test_slow_phones_of_one_batch_do_not_keep_the_next_one_waiting(house: House) -> None:
    house.phones(*["slow-1500"] * 5, *["ok"] * 1200)
    campaign = house.campaign()
    release.start(campaign, None)
    house.run()
    at = dict(Delivery.objects.filter(campaign=campaign).values_list("device_id", "at"))
    slow = {phone.pk for phone in Device.objects.filter(app=house.app, address__contains="slow-")}
    last_quick = max(moment for device, moment in at.items() if device not in slow)
    assert last_quick < min(at[device] for device in slow)


@pytest.mark.faults(2, 12)
@pytest.mark.parametrize("journal_is_left", [True, False])
@pytest.mark.parametrize("never_twice", [True, False])
def test_a_device_on_hold_that_was_moved_to_a_later_batch_does_not_come_back(
    house: House, clock: Any, journal_is_left: bool, never_twice: bool
) -> None:
    campaign, claim, journal = claimed(house, 6, never_twice=never_twice)
    held, until = claim.pending[1], now() + timedelta(seconds=75)
    Device.objects.filter(pk=held).update(hold_until=until)
    record(claim, Window((), [(held, until)], released=6), now=now())
    die(journal)
    if not journal_is_left:
        journal.path.unlink()
        clock.advance(LEASE + timedelta(seconds=1))
        assert settling.take_over_expired(sending.journal_folder()) == 1
    assert adopt() == journal_is_left
    waiting = [device for batch in Batch.objects.filter(campaign=campaign) for device in unpack(batch.ids)]
    unknown = list(Delivery.objects.filter(campaign=campaign).values_list("device_id", flat=True))
    assert sorted(waiting + unknown) == sorted([*claim.pending, held])
    house.run()
    clock.advance(timedelta(minutes=3))
    house.run()
    assert max(house.copies().values()) == 1
    assert reconcile(Campaign.objects.get(pk=campaign.pk)).violations == []


@pytest.mark.faults(48)
@pytest.mark.parametrize("never_twice", [True, False])
def test_after_a_full_disk_and_a_kill_whatever_may_have_left_is_in_doubt(
    house: House, clock: Any, never_twice: bool
) -> None:
    campaign, claim, journal = claimed(house, 5, never_twice=never_twice)
    journal.sending(claim.pending[:1])
    with room_for(journal.path.stat().st_size + 3):
        journal.sending(claim.pending[1:3])  # these leave, and no line tells of them
    die(journal)
    adopt()
    clock.advance(LEASE + timedelta(seconds=1))
    assert settling.take_over_expired(sending.journal_folder()) == 1
    if never_twice:
        assert outcomes(campaign) == {"unknown": 5}
    else:
        assert set(doubtful(claim.batch)) == set(claim.pending)


EXPIRED = Verdict(Outcome.GONE, "The subscription has expired.", connection="disconnected")
HELD = Verdict(Outcome.RETRY, "412", hold=timedelta(hours=1), connection="inactive")


@pytest.mark.faults(56)
@pytest.mark.parametrize("verdict", [EXPIRED, HELD])
@pytest.mark.parametrize("moved", [True, False])
def test_a_late_answer_judges_only_the_address_that_was_pushed_to(house: House, verdict: Verdict, moved: bool) -> None:
    _, claim, journal = claimed(house, 1)
    phone = Device.objects.get(pk=claim.pending[0])
    journal.sending([phone.pk])
    journal.answered([Answered(phone.pk, verdict, 404, 1, now(), address_digest=phone.address_digest)])
    die(journal)
    if moved:  # days later the app tells its new channel
        change(phone, Registration.read({"address": house.emulator.uri(f"ok.{house.mark}-new")}, phone))
    assert adopt() == 1
    phone.refresh_from_db()
    judged = (phone.status == Device.Status.RETIRED, phone.hold_until is not None, phone.heard.connection != "")
    assert judged == ((False,) * 3 if moved else (verdict is EXPIRED, verdict is HELD, True))


@pytest.mark.faults(56)
def test_a_device_that_registers_between_answer_and_record_is_not_judged(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, other = house.phones("expired", "expired")

    def late(*given: Any, **more: Any) -> None:
        Device.objects.filter(pk=phone.pk).update(address="new", address_digest=digest("new"))
        record(*given, **more)

    monkeypatch.setattr("campaigns.pipeline.transfer.record", late)
    house.send()
    status = dict(Device.objects.values_list("pk", "status"))
    assert (status[phone.pk], status[other.pk]) == (Device.Status.ACTIVE, Device.Status.RETIRED)
