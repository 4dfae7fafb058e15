"""What becomes of the batches of the dead: known answers are kept, doubt is marked, the rest goes back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from campaigns import control, sending, settling
from campaigns.journal import Answered, Journal
from campaigns.models import Batch, Campaign, Delivery, unpack
from campaigns.recording import LEASE, Claim, Fenced, Window, record
from campaigns.transfer import ALONE
from devices.clock import now
from devices.models import Device
from devices.push.base import Outcome, Verdict
from tests.campaigns.conftest import House, outcomes

TAKEN = Verdict(Outcome.ACCEPTED)


def claimed(house: House, count: int, **more: Any) -> tuple[Campaign, Claim, Journal]:
    """Start a campaign to ``count`` phones and claim its one batch."""
    house.phones(*["ok"] * count)
    campaign = house.campaign(**more)
    control.start(campaign, None)
    sending.prepare_some()
    journal = Journal(sending.journal_folder())
    claim = sending.claim_next(journal)
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
def test_what_was_answered_is_recorded_by_the_heir_and_the_untouched_go_back(house: House) -> None:
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
    again = sending.claim_next(heir := Journal(sending.journal_folder()))
    assert again is not None
    heir.sending([victim])
    die(heir)
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
        sending.claim_next(journal)
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
    heir = Journal(sending.journal_folder())
    with pytest.raises(sending.Crowded):
        sending.claim_next(heir, alone=False)
    heir.close()
    house.run()
    assert len(house.ledger()) == 4


@pytest.mark.faults(13)
def test_a_told_sender_gives_back_what_it_did_not_start(house: House) -> None:
    house.phones(*["slow-300"] * 200)
    campaign = house.campaign()
    control.start(campaign, None)
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
    control.start(campaign, None)
    house.run()
    at = dict(Delivery.objects.filter(campaign=campaign).values_list("device_id", "at"))
    slow = {phone.pk for phone in Device.objects.filter(app=house.app, address__contains="slow-")}
    last_quick = max(moment for device, moment in at.items() if device not in slow)
    assert last_quick < min(at[device] for device in slow)


@pytest.mark.faults(55)
def test_two_senders_never_get_the_same_batch(house: House) -> None:
    _, first, journal = claimed(house, 600)
    other = Journal(sending.journal_folder())
    second = sending.claim_next(other)
    assert second is not None
    assert not set(first.pending) & set(second.pending)
    assert sending.claim_next(other) is None
    assert first.token != second.token != uuid.UUID(int=0)
    journal.close()
    other.close()


def test_claims_go_round_the_campaigns(house: House) -> None:
    large, _, journal = claimed(house, 1600)
    small = house.campaign()
    control.start(small, None)
    while sending.prepare_some():
        pass
    turns = [claim.campaign for _ in range(4) if (claim := sending.claim_next(journal))]
    assert turns == [small.pk, large.pk, small.pk, large.pk]
    journal.close()
