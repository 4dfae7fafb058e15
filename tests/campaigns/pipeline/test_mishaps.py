"""One campaign, journal, batch or query that fails: the others go on, and nothing becomes doubtful by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django_q.exceptions import TimeoutException

from campaigns import control
from campaigns.compose import release
from campaigns.models import Batch, Campaign
from campaigns.packing import pack, unpack
from campaigns.pipeline import claiming, sending, settling, tasks
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import LEASE
from campaigns.pipeline.sending import Sender
from campaigns.pipeline.values import Answered, message_id
from devices.common.clock import now
from devices.models import Segment
from devices.push.base import Outcome, Verdict
from devices.push.engine import Engine
from tests.campaigns.conftest import House, never, outcomes

Status = Campaign.Status


def refreshed(campaign: Campaign) -> Campaign:
    campaign.refresh_from_db()
    return campaign


def failing(function: Callable[..., Any], times: int, error: Exception) -> Callable[..., Any]:
    """Return ``function`` that fails the first ``times`` times."""
    left = [error] * times

    def sometimes(*given: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return function(*given, **more)

    return sometimes


def test_a_rule_that_cannot_be_read_pauses_its_campaign_and_no_other(house: House) -> None:
    house.phones("ok")
    broken, sound = house.campaign(), house.campaign()
    for campaign in (broken, sound):
        release.start(campaign, None)
    rule = {"match": "all", "conditions": [{"field": "shoe_size", "op": "is", "value": "44"}]}
    Campaign.objects.filter(pk=broken.pk).update(rule=rule)  # a field that the next version has no more
    house.run()
    assert refreshed(sound).status == Status.FINISHED
    assert refreshed(broken).status == Status.PAUSED
    assert broken.paused_because.startswith("Its audience cannot be prepared: RuleInvalid: There is no field")


def test_a_campaign_that_cannot_be_started_pauses_and_the_next_one_starts(house: House, clock: Any) -> None:
    house.phones("ok")
    person = house.person("send")
    broken = house.campaign(expires_after=timedelta(days=99_999_999))  # ends after the year 9999
    sound = house.campaign(segment=Segment.objects.create(app=house.app, name="All"))
    for campaign in (broken, sound):
        release.schedule(campaign, person, now() + timedelta(minutes=1))
    clock.advance(timedelta(minutes=2))
    sending.sweep()
    house.run()
    assert refreshed(sound).status == Status.FINISHED
    assert refreshed(broken).status == Status.PAUSED
    assert broken.paused_because.startswith("It could not be started: OverflowError")


def left_behind(house: House, milliseconds: int) -> tuple[Campaign, int]:
    """Start a campaign to one phone and die after its answer, which took so long."""
    campaign = house.campaign()
    release.start(campaign, None)
    while sending.prepare_some():
        pass
    journal = Journal(sending.journal_folder())
    claim = claiming.claim_next(journal)
    assert claim is not None
    journal.sending(claim.pending)
    journal.answered([Answered(claim.pending[0], Verdict(Outcome.ACCEPTED), 200, milliseconds, now())])
    journal.abandon()
    return campaign, claim.batch


def test_a_journal_that_cannot_be_settled_is_set_aside_and_its_batch_settled_by_the_lease(
    house: House, clock: Any
) -> None:
    house.phones("ok")
    broken, batch = left_behind(house, -1)  # no database takes that
    sound, _ = left_behind(house, 5)
    sending.sweep()
    assert refreshed(sound).status == Status.FINISHED
    assert refreshed(broken).status == Status.PAUSED
    assert broken.paused_because.startswith("What a sender left could not be settled")
    assert [path.suffix for path in sending.journal_folder().iterdir()] == [".aside"]
    clock.advance(LEASE + timedelta(seconds=1))
    sending.sweep()
    assert Batch.objects.get(pk=batch).status == Batch.Status.QUEUED
    assert unpack(Batch.objects.get(pk=batch).doubtful) == unpack(Batch.objects.get(pk=batch).ids)


def test_a_batch_that_cannot_be_settled_holds_up_no_other(house: House, clock: Any, monkeypatch: Any) -> None:
    house.phones("ok")
    broken, batch = left_behind(house, 5)
    sound, other = left_behind(house, 5)
    for path in sending.journal_folder().iterdir():
        path.unlink()
    clock.advance(LEASE + timedelta(seconds=1))
    real = settling.settle

    def settle(pk: int, *more: Any) -> bool:
        if pk == batch:
            raise ValueError("a mistake of ours")
        return real(pk, *more)

    monkeypatch.setattr(settling, "settle", settle)
    sending.sweep()
    assert refreshed(broken).status == Status.PAUSED
    assert refreshed(sound).status == Status.SENDING
    assert Batch.objects.get(pk=other).status == Batch.Status.QUEUED
    row = Batch.objects.get(pk=batch)
    assert row.lease_until is not None
    assert row.lease_until > now()  # not at every sweep


def test_a_budget_is_kept_also_with_devices_that_go_one_at_a_time(house: House) -> None:
    phones = house.phones(*["slow-500"] * 12)
    campaign = house.campaign()
    release.start(campaign, None)
    sending.prepare_some()
    Batch.objects.update(doubtful=pack(phone.pk for phone in phones))
    sender = Sender.create()
    began = time.monotonic()
    sender.run(never, began + 0.5)
    sender.close()
    assert time.monotonic() - began < 2.0  # one or two of them, not twelve
    assert 1 <= len(house.ledger()) <= 2
    (row,) = Batch.objects.filter(campaign=campaign, status=Batch.Status.QUEUED)
    assert len(unpack(row.ids)) == 12 - len(house.ledger())
    house.run()
    assert set(house.copies().values()) == {1}


def test_a_sender_that_django_q2_ends_leaves_its_journals_to_others(house: House, monkeypatch: Any) -> None:
    house.phones(*["ok"] * 5)
    campaign = house.campaign()
    release.start(campaign, None)

    def too_long(self: Any) -> None:
        raise TimeoutException("Task exceeded maximum timeout value")  # a SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("campaigns.pipeline.transfer.Transfer.record_if_due", too_long)
        with pytest.raises(TimeoutException):
            tasks.pump()
    assert settling.adopt_journals(sending.journal_folder()) == 1
    assert Batch.objects.get(campaign=campaign).status in {Batch.Status.QUEUED, Batch.Status.DONE}


@pytest.mark.parametrize(
    "called",
    [
        "campaigns.pipeline.transfer.campaign_status",
        "campaigns.pipeline.transfer.record",
        "campaigns.pipeline.sending.finish",
        "campaigns.pipeline.sending.prepare_some",
    ],
)
@pytest.mark.faults(29)
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_makes_nothing_doubtful(
    house: House, monkeypatch: Any, called: str
) -> None:
    house.phones(*["slow-20"] * 700)
    campaign = house.campaign()
    release.start(campaign, None)
    sending.prepare_some()
    sender = Sender.create()
    module, _, name = called.rpartition(".")
    real = getattr(__import__(module, fromlist=[name]), name)

    def once_something_is_out(*given: Any, **more: Any) -> Any:
        if sender.transfers and away:
            raise away.pop()
        return real(*given, **more)

    away = [OperationalError("the connection is lost")] * 3
    monkeypatch.setattr(called, once_something_is_out)
    sender.run(never, time.monotonic() + 30)
    sender.close()
    assert outcomes(campaign) == {"accepted": 700}
    assert refreshed(campaign).status == Status.FINISHED
    assert set(house.copies().values()) == {1}
    assert len(away) < 3
    assert list(sending.journal_folder().iterdir()) == []


@pytest.mark.faults(33, 36)
@pytest.mark.parametrize(("times", "goes_on"), [(4, True), (5, False)])
def test_a_lock_that_somebody_holds_is_waited_for_a_few_times(
    house: House, monkeypatch: Any, times: int, goes_on: bool
) -> None:
    house.phones("ok")
    campaign = house.campaign()
    release.start(campaign, None)
    locked = OperationalError("database is locked")
    monkeypatch.setattr(claiming, "claim_next", failing(claiming.claim_next, times, locked))
    if goes_on:
        house.run()
    else:
        with pytest.raises(OperationalError, match="locked"):
            house.run()
        house.run()
    assert outcomes(campaign) == {"accepted": 1}


def test_a_push_that_cannot_be_started_pauses_its_campaign_and_no_other(house: House, monkeypatch: Any) -> None:
    phones = house.phones(*["ok"] * 5)
    broken, sound = house.campaign(), house.campaign()
    for campaign in (broken, sound):
        release.start(campaign, None)
    real, culprit = Engine.start, message_id(broken.pk, phones[2].pk)

    def start(self: Any, request: Any, tag: Any) -> None:
        if ("X-MessageID", culprit) in request.own:
            raise UnicodeEncodeError("ascii", "é", 0, 1, "not in range")
        real(self, request, tag)

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "start", start)
        began = time.monotonic()
        house.run()
        assert time.monotonic() - began < 10
    assert refreshed(sound).status == Status.FINISHED
    assert refreshed(broken).status == Status.PAUSED
    assert "UnicodeEncodeError" in broken.paused_because
    sending.sweep()
    control.resume(broken)
    house.run()
    assert refreshed(broken).status == Status.FINISHED
    assert outcomes(broken)["accepted"] == 5
    assert max(house.copies().values()) <= 3  # one of each campaign, and the possible second that is marked
