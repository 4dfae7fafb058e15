"""A database that is full, torn by others or changed under way, and clocks that jump: nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.db.backends.signals import connection_created

from campaigns.compose import release
from campaigns.models import Batch, Campaign, Delivery
from campaigns.pipeline import claiming, sending, settling
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import LEASE
from devices.common import clock as database_clock
from devices.models import Device
from tests.campaigns.conftest import House, never, outcomes
from tests.waiting import ended, until

pytestmark = pytest.mark.django_db(transaction=True)
postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="what PostgreSQL alone can do")
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON campaigns_delivery EXECUTE FUNCTION full_disk();
"""


@contextmanager
def full_disk() -> Iterator[None]:
    """Let the database have no room for another delivery, as every connection sees it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(FULL)
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP FUNCTION full_disk CASCADE")
        return

    def limit(connection: Any, **more: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1")  # SQLite takes it as "no more than there are"

    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # pages that earlier tests have freed would be room
    connection_created.connect(limit)
    limit(connection)
    try:
        yield
    finally:
        connection_created.disconnect(limit)
        connection.close()


def beside(work: Callable[[], object]) -> threading.Thread:
    """Do ``work`` in a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run, name=work.__name__, daemon=True)
    thread.start()
    return thread


@pytest.mark.faults(47)
def test_with_a_full_disk_nothing_goes_out_unrecorded_and_it_goes_on_by_itself(house: House) -> None:
    house.phones(*["ok"] * 1500)
    campaign = house.campaign()
    release.start(campaign, None)
    while sending.prepare_some():
        pass
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.1):  # as the cluster does: the bell rings again
            with suppress(DatabaseError):
                house.run()
            connection.close()

    runner = None
    try:
        with full_disk():
            runner = beside(send)
            time.sleep(1.5)
            out = len(house.ledger())
            time.sleep(1.0)
            assert len(house.ledger()) == out  # it has stopped
            released = sum(Batch.objects.values_list("released", flat=True))
            assert out <= released < 1500
            assert out > 0 or connection.vendor == "sqlite"  # SQLite takes not even the claim
            assert outcomes(campaign) == {}
        seen = partial(outcomes, campaign)
        until(lambda: seen() == {"accepted": 1500}, 30, "every answer", saw=seen, every=0.1)
    finally:
        over.set()
        if runner is not None:
            ended(runner, within=30)
    assert outcomes(campaign) == {"accepted": 1500}
    assert set(house.copies().values()) == {1}


@postgresql
@pytest.mark.faults(33)
def test_deadlocks_with_somebody_who_writes_the_same_devices_are_nobodys_business(house: House) -> None:
    house.phones(*["ok"] * 1500)
    campaign = house.campaign()
    release.start(campaign, None)
    over, torn = threading.Event(), []

    def disturb() -> None:
        order = list(Device.objects.order_by("-pk").values_list("pk", flat=True))
        while not over.is_set():
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SET LOCAL deadlock_timeout = '20ms'")
                    for device in order[::50]:
                        cursor.execute("UPDATE devices_device SET model = 'x' WHERE id = %s", [device])
            except DatabaseError as error:
                torn.append(type(error).__name__)

    other = beside(disturb)
    try:
        house.run()
    finally:
        over.set()
        ended(other)
    assert outcomes(campaign) == {"accepted": 1500}
    assert set(house.copies().values()) == {1}
    assert set(torn) <= {"OperationalError"}


@pytest.mark.faults(38)
def test_the_next_versions_column_arrives_while_a_campaign_is_sent(house: House) -> None:
    house.phones(*["ok"] * 1500)
    campaign = house.campaign()
    release.start(campaign, None)

    def migrate() -> None:
        until(Delivery.objects.exists, 30, "the first delivery", every=0.005)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE campaigns_delivery ADD COLUMN of_next_version varchar(9) DEFAULT ''")
            cursor.execute("ALTER TABLE devices_device ADD COLUMN of_next_version varchar(9) DEFAULT ''")

    other = beside(migrate)
    try:
        house.run()
        ended(other)
        assert outcomes(campaign) == {"accepted": 1500}
        assert set(house.copies().values()) == {1}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE campaigns_delivery DROP COLUMN of_next_version")
            cursor.execute("ALTER TABLE devices_device DROP COLUMN of_next_version")


@postgresql
@pytest.mark.faults(40)
@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_machine_whose_clock_jumps_neither_loses_nor_steals_a_batch(house: House, jump: timedelta) -> None:
    house.phones(*["ok"] * 20)
    release.start(house.campaign(), None)
    sending.prepare_some()
    journal = Journal(sending.journal_folder())
    claim = claiming.claim_next(journal)
    assert claim is not None
    before = database_clock.now()
    with time_machine.travel(before + jump):
        row = Batch.objects.get(pk=claim.batch)
        assert row.lease_until is not None
        assert timedelta(0) < row.lease_until - database_clock.now() <= LEASE
        assert settling.take_over_expired(sending.journal_folder()) == 0
        assert not claiming.due_work()
    journal.abandon()
    settling.adopt_journals(sending.journal_folder())
    with time_machine.travel(before + jump):
        sender = sending.Sender.create()
        sender.run(never, time.monotonic() + 20)
        sender.close()
    assert Campaign.objects.get().status == Campaign.Status.FINISHED
    assert set(house.copies().values()) == {1}
