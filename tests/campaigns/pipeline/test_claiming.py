"""Which batch is due and whose it is: nobody else's, in turn, and without looking at those who only wait."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from campaigns.compose import release
from campaigns.models import Batch, Campaign
from campaigns.packing import unpack
from campaigns.pipeline import claiming, sending
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import record
from campaigns.pipeline.values import Claim, Window
from devices.common.clock import now
from tests.campaigns.conftest import House
from tests.campaigns.pipeline.test_settling import claimed, taken


def take_everything(mine: list[Claim], start: threading.Barrier) -> None:
    journal = Journal(sending.journal_folder())
    try:
        start.wait(timeout=20)
        while claim := claiming.claim_next(journal):
            mine.append(claim)
    finally:
        journal.close()
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.faults(55)
def test_senders_that_claim_at_the_same_time_never_get_the_same_batch(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr("campaigns.pipeline.planning.BATCH", 5)
    phones = house.phones(*["ok"] * 200)
    release.start(house.campaign(), None)
    while sending.prepare_some():
        pass
    start = threading.Barrier(4)
    got: list[list[Claim]] = [[] for _ in range(4)]
    racers = [threading.Thread(target=take_everything, args=(mine, start)) for mine in got]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=60)
        assert not racer.is_alive()
    claims = [claim for mine in got for claim in mine]
    assert len([mine for mine in got if mine]) >= 2  # there was a race
    assert len({claim.batch for claim in claims}) == len(claims) == 40
    assert sorted(device for claim in claims for device in claim.pending) == sorted(phone.pk for phone in phones)


def test_claims_go_round_the_campaigns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.pipeline.planning.BATCH", 500)
    large, _, journal = claimed(house, 1600)
    small = house.campaign()
    release.start(small, None)
    while sending.prepare_some():
        pass
    turns = [claim.campaign for _ in range(4) if (claim := claiming.claim_next(journal))]
    assert turns == [small.pk, large.pk, small.pk, large.pk]
    journal.close()


def waiting(house: House, count: int) -> None:
    """Make campaigns that are being sent and have nothing due for an hour."""
    later = now() + timedelta(hours=1)
    for _ in range(count):
        campaign = house.campaign(status=Campaign.Status.SENDING, audience=1)
        Batch.objects.create(campaign=campaign, service="mpns", due_at=later, ids=bytes(8), size=1)


def test_campaigns_with_nothing_due_are_not_looked_at(house: House, django_assert_max_num_queries: Any) -> None:
    waiting(house, 100)
    journal = Journal(sending.journal_folder())
    with django_assert_max_num_queries(2):  # the clock, and who has something due
        assert claiming.claim_next(journal) is None
    house.phones("ok")
    release.start(house.campaign(), None)
    sending.prepare_some()
    with django_assert_max_num_queries(8):
        assert claiming.claim_next(journal) is not None
    journal.close()


def test_a_later_batch_that_somebody_had_is_never_written_over(house: House, clock: Any) -> None:
    """Its ids have shrunk by those that were sent: writing the old list over it would send them again."""
    _, claim, journal = claimed(house, 4)
    first, second, *rest = claim.pending
    moment = now() + timedelta(minutes=1)
    record(claim, Window((), [(first, moment)], released=4), now=now())
    (batch,) = Batch.objects.exclude(pk=claim.batch)
    Batch.objects.filter(pk=batch.pk).update(due_at=now())  # somebody hurries it
    other = Journal(sending.journal_folder())
    borrowed = claiming.claim_next(other)
    assert borrowed is not None
    assert borrowed.pending == [first]
    record(borrowed, Window(taken([first])), now=now(), give_back=True)
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.QUEUED, due_at=moment)  # given back with nobody left
    record(claim, Window((), [(second, moment)], released=4), now=now())
    ids = [unpack(row.ids) for row in Batch.objects.exclude(pk=claim.batch).order_by("pk")]
    assert ids == [[], [second]]
    assert rest
    journal.close()
    other.close()
