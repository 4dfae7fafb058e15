"""Campaigns to Android, iPhones and Windows, and to all of them at once, against the emulated push services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Breaker, Campaign
from campaigns.monitor import stats
from campaigns.pipeline import sending
from campaigns.pipeline.journal import answer_of, spelled
from campaigns.pipeline.values import Answered
from devices.common import clock as times
from devices.models import BearerToken, Credential, Device
from devices.push.base import Outcome, TokenRefused, Verdict
from devices.push.services import find
from devices.registration import Registration, change
from tests.campaigns.fleet import Fleet, outcomes_of, set_to

pytestmark = pytest.mark.django_db(transaction=True)
Status = Campaign.Status


def test_one_notification_reaches_phones_and_computers_of_every_service(fleet: Fleet) -> None:
    fleet.devices("fcm", *["ok"] * 30)
    fleet.devices("apns", *["ok"] * 30)
    fleet.devices("apns", "ok", "ok", sandbox=True)
    fleet.devices("wns", *["ok"] * 30)
    fleet.phones("ok", "ok")
    campaign = fleet.send()
    assert campaign.status == Status.FINISHED, campaign.paused_because
    counted = {("fcm", "accepted"): 30, ("apns", "accepted"): 32, ("wns", "accepted"): 30, ("mpns", "accepted"): 2}
    assert outcomes_of(campaign) == counted
    for service, count in (("fcm", 30), ("apns", 32), ("wns", 30)):
        taken = [line["channel"] for line in fleet.ledger_of(service) if line["taken"]]
        assert len(taken) == len(set(taken)) == count


def test_a_server_that_takes_one_stream_at_first_gets_one_and_then_all(fleet: Fleet) -> None:
    fleet.devices("apns", *["ok"] * 300)
    with set_to(fleet, "apns/settings", first_streams=1):
        campaign = fleet.send()
    assert outcomes_of(campaign) == {("apns", "accepted"): 300}
    assert len([line for line in fleet.ledger_of("apns") if line["taken"]]) == 300


# Which devices are given up, and which are not


@pytest.mark.parametrize(
    ("service", "behaviour", "outcome", "retired"),
    [
        ("fcm", "unregistered", "gone", True),
        ("fcm", "malformed-token", "gone", True),
        ("fcm", "html", "retry", False),
        ("fcm", "unavailable", "retry", False),
        ("fcm", "third-party-auth-error", "denied", False),
        ("fcm", "sender-id-mismatch", "denied", False),
        ("apns", "expired-token", "gone", True),
        ("apns", "unregistered", "gone", True),
        ("apns", "unregistered-86400", "gone", False),  # dead a day ago, and registered since
        ("apns", "bad-device-token", "denied", False),
        ("apns", "not-for-topic", "denied", False),
        ("apns", "too-many-requests", "retry", False),
        ("wns", "gone", "gone", True),
        ("wns", "unknown", "gone", True),
        ("wns", "dropped", "dropped", False),
        ("wns", "throttled", "retry", False),
        ("wns", "other-app", "denied", False),
    ],
)
def test_an_answer_ends_what_it_is_about_and_nothing_else(
    fleet: Fleet, service: str, behaviour: str, outcome: str, retired: bool
) -> None:
    fleet.devices(service, *["ok"] * 40)
    (odd,) = fleet.devices(service, behaviour)
    campaign = fleet.send()
    odd.refresh_from_db()
    assert outcomes_of(campaign) == {(service, "accepted"): 40, (service, outcome): 1}
    assert (odd.status == Device.Status.RETIRED) == retired, odd.retired_reason
    assert campaign.status in (Status.FINISHED, Status.SENDING)


def test_a_token_that_belongs_elsewhere_is_given_up_when_it_is_refused_once_more(fleet: Fleet, clock: Any) -> None:
    fleet.devices("apns", *["ok"] * 40)
    (odd,) = fleet.devices("apns", "bad-device-token")
    campaign = fleet.send()
    for _ in range(3):
        clock.advance(timedelta(minutes=40))
        fleet.run()
    odd.refresh_from_db()
    assert outcomes_of(campaign)["apns", "gone"] == 1
    assert odd.status == Device.Status.RETIRED


def test_when_all_tokens_belong_elsewhere_the_campaign_pauses_and_no_device_is_lost(fleet: Fleet) -> None:
    fleet.devices("apns", *["ok"] * 30, sandbox=True)
    for device in Device.objects.all():
        Device.objects.filter(pk=device.pk).update(address=device.address.removeprefix("sandbox:"))
    campaign = fleet.send()
    assert campaign.status == Status.PAUSED
    assert "environment" in campaign.paused_because
    assert not Device.objects.filter(status=Device.Status.RETIRED).exists()


def test_a_journal_keeps_since_when_an_address_is_gone() -> None:
    moment = times.now().replace(microsecond=0)
    answer = Answered(7, Verdict(Outcome.GONE, "Gone.", gone_since=moment), 410, 3, moment, False, "ab")
    assert answer_of(7, spelled(answer).split(" ", 2)[2]) == answer


# Quotas


def test_a_project_over_its_quota_rests_as_a_whole_and_others_go_on(
    fleet: Fleet, clock: Any, admin_client: Client
) -> None:
    fleet.devices("fcm", *["ok"] * 600)
    fleet.devices("wns", *["ok"] * 20)
    with set_to(fleet, "fcm/settings", quota_per_minute=100):
        campaign = fleet.send()
        counted = outcomes_of(campaign)
        assert counted["wns", "accepted"] == 20
        assert 100 <= counted["fcm", "accepted"] < 200
        assert counted["fcm", "retry"] <= 64 * 2, "only what was on the wire heard of it"
        rest = Breaker.objects.get()
        assert rest.circuit == "fcm:fleet-shop"
        assert rest.open_until - times.now() > timedelta(seconds=30)
        told = stats.standstill(campaign)
        assert told.startswith("Android (FCM) (fleet-shop) is left alone until"), told
        assert "sends more than its quota allows" in told
        assert 'id="nearly-head"' not in admin_client.get("/").content.decode()
    for _ in range(8):
        clock.advance(timedelta(minutes=6))
        fleet.run()
    assert outcomes_of(campaign)["fcm", "accepted"] == 600
    taken = [line["channel"] for line in fleet.ledger_of("fcm") if line["taken"]]
    assert len(taken) == len(set(taken)) == 600


# Kinds that only some can show


def test_a_badge_goes_to_those_who_have_one_and_the_others_are_counted_before(fleet: Fleet) -> None:
    fleet.devices("fcm", *["ok"] * 3)
    fleet.devices("apns", *["ok"] * 4)
    fleet.devices("wns", *["ok"] * 5)
    campaign = fleet.send("badge", {"count": 7})
    assert campaign.status == Status.FINISHED
    assert outcomes_of(campaign) == {("fcm", "skipped"): 3, ("apns", "accepted"): 4, ("wns", "accepted"): 5}


def test_before_anything_is_sent_the_pages_count_who_is_left_out(fleet: Fleet, admin_client: Client) -> None:
    fleet.devices("fcm", *["ok"] * 3)
    fleet.devices("apns", *["ok"] * 4)
    query = f"app={fleet.app.pk}&segment=&message="
    composer = admin_client.get(f"/campaigns/campaign/reach/?{query}badge").content.decode()
    assert "<b>4</b> devices can be reached: iPhone (APNs)" in composer
    assert "3 devices are left out: Android (FCM) cannot show this (badge)." in composer
    assert "left out" not in admin_client.get(f"/campaigns/campaign/reach/?{query}toast").content.decode()
    page = admin_client.get(f"/campaigns/campaign/{fleet.campaign('badge', {'count': 7}).pk}/confirm/").content.decode()
    assert "3 devices are left out. Android (FCM) cannot carry a badge." in page
    assert "Send to 4 devices" in page


def test_a_tile_of_an_older_phone_is_an_adaptive_one_on_windows(fleet: Fleet) -> None:
    (computer,) = fleet.devices("wns", "ok")
    fleet.send("flip_tile", {"title": "Front", "back_title": "Back", "back_content": "More", "count": 3})
    (message,) = fleet.emulator.control(f"wns/messages?channel={computer.address}")["messages"]
    assert "<text" in str(message)
    assert "Back" in str(message)


def test_a_campaign_that_nobody_here_can_be_shown_is_not_sent(fleet: Fleet) -> None:
    fleet.devices("fcm", "ok")
    campaign = fleet.campaign("badge", {"count": 7})
    with pytest.raises(NotReady):
        release.start(campaign, None)


def test_an_app_registration_of_entra_serves_as_a_package_of_the_store_does(fleet: Fleet) -> None:
    given = fleet.emulator.control("wns/apps", {"app": "entra"})
    ids = {"client_id": given["client_id"], "secret": given["client_secret"], "tenant_id": given["tenant_id"]}
    Credential.objects.filter(service="wns").update(secret={**ids, "server": fleet.emulator.url})
    fleet.devices("wns", *["ok"] * 5)
    assert outcomes_of(fleet.send()) == {("wns", "accepted"): 5}
    row = BearerToken.objects.get()
    assert row.ends_at is not None
    assert row.ends_at - times.now() > timedelta(hours=23), "expires_in is a text there"


def test_a_device_that_changes_its_service_gets_one_push_by_the_new_one(fleet: Fleet) -> None:
    (device,) = fleet.devices("fcm", "ok")
    campaign = fleet.campaign()
    release.start(campaign, None)
    while sending.prepare_some():
        pass
    address = find("apns").emulated_address("ok.changed", "")
    said = {"service": "apns", "address": address, "installation": device.installation, "time_zone": "UTC"}
    change(device, Registration.read(said, device))
    fleet.run()
    assert outcomes_of(campaign) == {("apns", "skipped"): 1}, "this campaign was frozen for the other service"
    assert outcomes_of(fleet.send()) == {("apns", "accepted"): 1}
    assert fleet.ledger_of("fcm") == []


def test_a_certificate_serves_in_place_of_a_key(fleet: Fleet) -> None:
    given = fleet.emulator.control("apns/certificates", {"topic": "org.example.fleet"})
    secret = {**given, "server": fleet.emulator.secure_url}
    Credential.objects.filter(service="apns").update(secret=secret)
    fleet.devices("apns", *["ok"] * 5)
    assert outcomes_of(fleet.send()) == {("apns", "accepted"): 5}
    assert not BearerToken.objects.exists()


def test_credentials_without_a_service_behind_them_are_refused_in_words() -> None:
    for slug in ("fcm", "apns", "wns"):
        with pytest.raises(TokenRefused):
            find(slug).authorize(None)
