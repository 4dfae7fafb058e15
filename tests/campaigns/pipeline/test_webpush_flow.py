"""Campaigns to browsers, and to browsers and phones at once, against the emulated push services of four vendors."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from campaigns import control
from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Breaker, Campaign, Delivery
from campaigns.monitor import stats
from campaigns.pipeline.reports import read
from campaigns.pipeline.values import message_id
from campaigns.upkeep.reconciling import Ledger, reconcile
from devices.common import clock as times
from devices.common.secrets import digest
from devices.models import Credential, Device
from devices.push import vapid
from tests.campaigns.conftest import House
from tests.devices.browsers.conftest import PUBLIC, key_for

pytestmark = pytest.mark.django_db(transaction=True)
VENDORS = ("mozilla", "google", "apple", "microsoft")


def browsers(house: House, *behaviours: str, vendor: str = "mozilla", key: str = PUBLIC) -> list[Device]:
    """Make one browser for each behaviour, of subscriptions that the emulator holds."""
    made = []
    for behaviour in behaviours:
        name = f"{house.mark}-{uuid.uuid4().hex[:8]}"
        wishes = {"vendor": vendor, "behaviour": behaviour, "names": [name], "key": key}
        (one,) = house.emulator.control("webpush/subscriptions", wishes)["subscriptions"]
        address = one["endpoint"]
        more: Any = {"keys": one["keys"]}
        row = Device(app=house.app, service="webpush", address=address, address_digest=digest(address), **more)
        row.secret_digest, row.seen_at, row.installation = digest(address), times.now(), f"{vendor} {behaviour}"
        made.append(row)
    return Device.objects.bulk_create(made)


def outcomes(campaign: Campaign) -> dict[str, str]:
    """Return the last outcome by installation."""
    rows = Delivery.objects.filter(campaign=campaign, latest=True).select_related("device")
    return {row.device.installation: row.outcome for row in rows}


def received(house: House, device: Device) -> list[dict[str, Any]]:
    """Return what the emulated browser has got."""
    found: list[dict[str, Any]] = house.emulator.control(f"webpush/messages?endpoint={device.address}")["messages"]
    return found


def test_one_notification_reaches_phones_and_browsers_of_every_vendor(house: House) -> None:
    key_for(house.app)
    house.phones("ok", "ok", "suppressed")
    rows = [browsers(house, "ok", vendor=vendor)[0] for vendor in VENDORS]
    campaign = house.send()
    assert stats.progress(campaign).counts["accepted"] == 6  # type: ignore[index]  # StrEnum
    parts = {part.label: (part.devices, part.final) for part in stats.by_service(campaign)}
    assert parts == {"Browsers (Web Push)": (4, 4), "Windows Phone (MPNS)": (3, 3)}
    for row in rows:
        (message,) = received(house, row)
        shown = json.loads(message["plaintext"])
        assert (shown["title"], shown["body"], shown["v"]) == ("Storm on Saturday", "Gusts up to 110 km/h.", 1)
        assert read(shown["report"]) == (campaign.pk, row.pk)
        assert shown["id"] == message_id(campaign.pk, row.pk).replace("-", "")
    report = reconcile(campaign, Ledger(house.emulator.ledger_file))
    assert report.violations == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_a_vendor_answers_becomes_what_happens_to_the_device(house: House, clock: Any, vendor: str) -> None:
    key_for(house.app)
    gone, unknown = browsers(house, "gone", "unknown", vendor=vendor)
    browsers(house, "ok", "too-large", "500-1", "throttled-1", vendor=vendor)
    campaign = house.send()
    clock.advance(timedelta(minutes=30))
    house.run()
    found = {name.partition(" ")[2]: outcome for name, outcome in outcomes(campaign).items()}
    assert found == {
        "gone": "gone",
        "unknown": "gone",
        "ok": "accepted",
        "too-large": "rejected",
        "500-1": "accepted",
        "throttled-1": "accepted",
    }
    for device in (gone, unknown):
        device.refresh_from_db()
        assert (device.status, device.retired_by) == ("retired", campaign.pk)
    again = house.send()
    assert set(outcomes(again)) == {f"{vendor} ok", f"{vendor} too-large", f"{vendor} 500-1", f"{vendor} throttled-1"}


@pytest.mark.parametrize("vendor", ["google", "apple"])
def test_a_subscription_bound_to_another_key_is_retired_where_the_vendor_says_so(house: House, vendor: str) -> None:
    key_for(house.app)
    (foreign,) = browsers(house, "ok", vendor=vendor, key=vapid.public_key(vapid.new_key()))
    browsers(house, "ok", vendor=vendor)
    campaign = house.send()
    foreign.refresh_from_db()
    assert foreign.status == "retired"
    assert "another key than ours" in foreign.retired_reason
    assert Counter(Delivery.objects.filter(campaign=campaign).values_list("outcome", flat=True)) == {
        "gone": 1,
        "accepted": 1,
    }


def test_one_that_cannot_be_told_from_our_own_fault_holds_up_nobody(house: House) -> None:
    key_for(house.app)
    browsers(house, *["ok"] * 60)
    browsers(house, "ok", key=vapid.public_key(vapid.new_key()))
    campaign = house.send()
    campaign.refresh_from_db()
    counts = Counter(Delivery.objects.filter(campaign=campaign, latest=True).values_list("outcome", flat=True))
    assert counts == {"accepted": 60, "denied": 1}
    assert campaign.status == "sending"


def test_whoever_is_refused_twice_while_others_are_accepted_is_retired(house: House, clock: Any) -> None:
    key_for(house.app)
    browsers(house, *["ok"] * 60)
    (foreign,) = browsers(house, "ok", key=vapid.public_key(vapid.new_key()))
    campaign = house.send()
    clock.advance(timedelta(hours=1))
    house.run()
    campaign.refresh_from_db()
    foreign.refresh_from_db()
    tried = Delivery.objects.filter(campaign=campaign, device=foreign.pk).values_list("outcome", flat=True)
    assert sorted(tried) == ["denied", "gone"]
    assert (campaign.status, foreign.status, foreign.retired_by) == ("finished", "retired", campaign.pk)


def test_a_signature_that_nobody_takes_pauses_and_retires_nobody(house: House, clock: Any) -> None:
    key_for(house.app)
    rows = browsers(house, *["bad-token"] * 30)
    campaign = house.send()
    for _ in range(3):
        campaign.refresh_from_db()
        assert campaign.status == "paused"
        control.resume(campaign, None)
        clock.advance(timedelta(hours=1))
        house.run()
    assert Device.objects.filter(pk__in=[row.pk for row in rows], status="active").count() == 30


@pytest.mark.parametrize(("lasts", "ttl"), [(None, 604_800), (timedelta(hours=2), 7200), (timedelta(seconds=20), 60)])
def test_a_service_keeps_nothing_for_longer_than_the_campaign_is_to_last(
    house: House, lasts: timedelta | None, ttl: int
) -> None:
    key_for(house.app)
    (device,) = browsers(house, "offline")
    house.send(expires_after=lasts)
    (message,) = received(house, device)
    assert ttl - 5 <= int(message["ttl"]) <= ttl


def test_an_answer_that_is_lost_brings_a_second_copy_with_the_same_topic(house: House, clock: Any) -> None:
    key_for(house.app)
    (device,) = browsers(house, "reset-after")
    campaign = house.send()
    clock.advance(timedelta(minutes=30))
    house.run()
    assert outcomes(campaign) == {"mozilla reset-after": "unknown"}
    lines = [line for line in house.emulator.ledger() if line["channel"] in device.address]
    assert [line["taken"] for line in lines] == [True, True]
    assert {line["id"] for line in lines} == {message_id(campaign.pk, device.pk).replace("-", "")}
    assert Delivery.objects.get(campaign=campaign, latest=True).copies == 2


def test_browsers_that_are_down_hold_up_no_phone_and_burn_no_attempt(house: House, clock: Any) -> None:
    key_for(house.app)
    rows = browsers(house, *["503-21"] * 2, *["ok"] * 60)
    house.phones(*["ok"] * 30)
    try:
        house.emulator.control("webpush/behaviour", {"everyone": "500"})
        campaign = house.send()
        parts = {part.label: part.final for part in stats.by_service(campaign)}
        assert parts == {"Browsers (Web Push)": 0, "Windows Phone (MPNS)": 30}
        circuit = Breaker.objects.get()
        assert circuit.circuit == f"webpush:{house.emulator.url}"
        tried = Delivery.objects.filter(campaign=campaign, device__in=rows).count()
        assert tried <= 62
    finally:
        house.emulator.control("webpush/behaviour", {"everyone": ""})
    for _ in range(12):
        clock.advance(timedelta(minutes=10))
        house.run()
    assert {part.label: part.counts["accepted"] for part in stats.by_service(campaign)}["Browsers (Web Push)"] >= 60  # type: ignore[index]
    assert not Breaker.objects.exists()


def test_without_a_key_nothing_is_sent_and_the_page_says_what_to_do(house: House) -> None:
    browsers(house, "ok")
    campaign = house.campaign()
    with pytest.raises(NotReady, match="make one on the App's page"):
        release.start(campaign, None)
    key_for(house.app)
    release.start(campaign, None)
    Credential.objects.all().delete()
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert "make one on the App's page" in campaign.paused_because
    assert not house.emulator.control(f"webpush/messages?endpoint={Device.objects.get().address}")["messages"]


@pytest.mark.threats(3, 11)
def test_no_signature_of_ours_goes_to_an_address_that_came_into_the_database_otherwise(house: House) -> None:
    key_for(house.app)
    (device,) = browsers(house, "ok")
    hostile = house.emulator.url.replace("127.0.0.1", "localhost") + "/wpush/v2/ok.stranger"
    Device.objects.filter(pk=device.pk).update(address=hostile, address_digest=digest(hostile))
    before = len(house.emulator.ledger())
    campaign = house.send()
    assert set(outcomes(campaign).values()) <= {"skipped", "rejected"}
    assert len(house.emulator.ledger()) == before


def test_keys_that_cannot_be_read_pause_and_lose_nobody(house: House) -> None:
    key_for(house.app)
    (device,) = browsers(house, "ok")
    campaign = house.campaign()
    release.start(campaign, None)
    Device.objects.filter(pk=device.pk).update(keys=None)
    house.run()
    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert not Delivery.objects.filter(campaign=campaign).exclude(outcome="denied").exists()
