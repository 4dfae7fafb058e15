"""What answers show of a device is kept for the address they are about, and written only when it is news."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.pipeline import recording
from campaigns.pipeline.retry import Decision
from campaigns.pipeline.values import Answered, Claim
from campaigns.upkeep import pruning
from devices.common.clock import now
from devices.models import Contact, Device, mark
from devices.push.base import Outcome, Verdict
from tests.campaigns.conftest import House


def hear(device: Device, verdict: Verdict) -> None:
    """Record one answer to a push to the present address of a device, by a sender that knew nothing of it."""
    answer = Answered(device.pk, verdict, 200, 1, now(), address_digest=device.address_digest)
    claim: Any = Claim.__new__(Claim)
    claim.campaign = 1
    recording._mark_devices(claim, [(answer, Decision(verdict.outcome, 1))], {}, now())


def test_what_is_not_told_keeps_its_place_until_the_address_changes(house: House) -> None:
    (phone,) = house.phones("ok")
    hear(phone, Verdict(Outcome.ACCEPTED, connection="connected"))
    hear(phone, Verdict(Outcome.RETRY, connection="inactive"))
    first = Contact.objects.get()
    assert (first.connection, first.accepted_at is not None, first.mark) == (
        "inactive",
        True,
        mark(phone.address_digest),
    )
    hear(phone, Verdict(Outcome.ACCEPTED))
    assert Contact.objects.get().connection == "inactive"
    phone.address_digest = "f" * 64
    phone.save(update_fields=["address_digest"])
    fresh = Device.objects.get(pk=phone.pk)
    assert (fresh.heard.connection, fresh.heard.accepted_at) == ("", None)  # of this address nothing was heard yet
    hear(phone, Verdict(Outcome.RETRY, connection="connected"))
    moved = Device.objects.get(pk=phone.pk).heard
    assert (moved.connection, moved.accepted_at) == ("connected", None)


def test_an_erased_device_leaves_no_contact(house: House) -> None:
    (phone,) = house.phones("ok")
    house.send()
    assert Contact.objects.count() == 1
    Device.objects.filter(pk=phone.pk).delete()
    assert Contact.objects.count() == 0
    hear(phone, Verdict(Outcome.ACCEPTED, connection="connected"))  # an answer that comes too late
    assert Contact.objects.count() == 0


def test_nothing_is_written_that_is_there_already(house: House, clock: Any) -> None:
    house.phones(*["ok"] * 3)
    house.send()
    before = dict(Contact.objects.values_list("device_id", "accepted_at"))
    with CaptureQueriesContext(connection) as asked:
        house.send()
    assert not [query for query in asked.captured_queries if "devices_contact (" in query["sql"]]
    assert dict(Contact.objects.values_list("device_id", "accepted_at")) == before
    clock.advance(recording.FRESH + timedelta(minutes=1))
    house.send()
    after = dict(Contact.objects.values_list("device_id", "accepted_at"))
    assert not set(after.values()) & set(before.values())


def test_what_was_written_while_a_device_was_erased_goes_within_the_hour(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(pruning, "LOOKED", {})
    (phone,) = house.phones("ok")
    house.send()
    Contact.objects.create(device_id=phone.pk + 1, mark="x" * 16, connection="connected")  # as if it had just come
    pruning.forget_orphans()
    assert [contact.device_id for contact in Contact.objects.all()] == [phone.pk]
    Contact.objects.create(device_id=phone.pk + 1, mark="x" * 16)
    pruning.forget_orphans()  # not again so soon
    assert Contact.objects.count() == 2
