"""Campaigns to Android, iPhones and Windows, and to all of them at once, against the emulated push services."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Breaker, Campaign, Delivery
from campaigns.monitor import stats
from campaigns.pipeline import sending
from campaigns.pipeline.journal import answer_of, spelled
from campaigns.pipeline.tokens import Tokens
from campaigns.pipeline.values import Answered
from devices import bearer
from devices.common import clock as times
from devices.models import App, BearerToken, Credential, Device
from devices.push.base import Outcome, Target, TokenRefused, Verdict
from devices.push.message import Toast
from devices.push.services import find
from devices.registration import Registration, change
from devices.trying import credentials_of
from tests.campaigns.fleet import Fleet, handed_out, outcomes_of
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
Status = Campaign.Status


@contextmanager
def set_to(fleet: Fleet, path: str, **settings: Any) -> Iterator[None]:
    """Let the emulator behave otherwise for a while."""
    before = fleet.emulator.control(path, {})
    fleet.emulator.control(path, settings)
    try:
        yield
    finally:
        fleet.emulator.control(path, {name: before[name] for name in settings})


def grants(fleet: Fleet, service: str) -> int:
    """Return how many tokens the emulator has given for a service."""
    return sum(fleet.emulator.control("state")[service]["grants"].values())


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


# Bearer tokens


def test_a_token_is_asked_for_once_by_whoever_needs_it(fleet: Fleet) -> None:
    with set_to(fleet, "fcm/settings", token_delay_ms=300):
        before = grants(fleet, "fcm")
        service, (credentials, _) = find("fcm"), credentials_of(fleet.app.pk, find("fcm"))
        got: list[str] = []
        start = threading.Barrier(8)

        def ask() -> None:
            start.wait(timeout=30)
            got.append(bearer.obtain(service, credentials))
            connection.close()

        racers = [threading.Thread(target=ask) for _ in range(8)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(timeout=30)
    assert (len(got), len(set(got)), grants(fleet, "fcm") - before) == (8, 1, 1)


def test_one_token_of_apple_serves_all_senders_and_all_apps_with_the_same_key(fleet: Fleet) -> None:
    other = App.objects.create(name="Other", slug="other-fleet")
    Credential.objects.create(app=other, service="apns", secret=handed_out(fleet.emulator, "apns"))  # type: ignore[misc]
    for app in (fleet.app, other):
        fleet.app = app
        fleet.devices("apns", "ok")
        for _ in range(2):
            assert outcomes_of(fleet.send()) == {("apns", "accepted"): 1}
    assert BearerToken.objects.count() == 1


def test_apples_token_is_not_changed_within_twenty_minutes_and_our_key_is_blamed(fleet: Fleet) -> None:
    fleet.devices("apns", "ok")
    fleet.send()
    first = BearerToken.objects.get().value
    fleet.devices("apns", *["expired-provider-token"] * 30)
    campaign = fleet.send()
    assert campaign.status == Status.PAUSED
    assert "is the clock right?" in campaign.paused_because
    assert BearerToken.objects.get().value == first


def test_apples_token_is_changed_when_it_is_refused_later(fleet: Fleet, clock: Any) -> None:
    fleet.devices("apns", "ok")
    fleet.send()
    fleet.devices("apns", *["expired-provider-token-1"] * 3)
    first = BearerToken.objects.get().value
    clock.advance(timedelta(minutes=21))
    fleet.emulator.control("clock", {"advance": 21 * 60})
    time.sleep(1.1)  # a token tells the second it was made in, by the real clock
    campaign = fleet.send()
    assert outcomes_of(campaign) == {("apns", "accepted"): 4}
    assert Delivery.objects.filter(campaign=campaign).count() == 4, "no attempt is burnt"
    assert BearerToken.objects.get().value != first


def test_real_credentials_are_not_shown_to_the_emulator(fleet: Fleet) -> None:
    """T11: a channel that an operator's setting lets through gets the emulator's token and no other."""
    fleet.devices("wns", "ok")
    row = Credential.objects.get(app=fleet.app, service="wns")
    credentials = find("wns").credentials
    assert credentials is not None
    secret: Any = row.secret
    real = credentials(**{**secret, "server": ""})
    target = find("wns").emulated_address("ok.pc", fleet.emulator.url.removeprefix("http://"))
    with pytest.raises(ValueError, match=r"to notify\.windows\.com alone"):
        find("wns").build(Target(target), find("wns").encode(Toast(title="x"), ""), "0" * 32, real, "secret-token")


def test_what_is_kept_of_a_token_is_encrypted(fleet: Fleet) -> None:
    fleet.devices("wns", "ok")
    fleet.send()
    value = BearerToken.objects.get().value
    with connection.cursor() as cursor:
        cursor.execute("SELECT value, digest, mark FROM devices_bearertoken")
        (row,) = cursor.fetchall()
    assert value
    assert all(str(value) not in str(part) for part in row)


@pytest.mark.parametrize("service", ["fcm", "wns"])
def test_a_token_that_is_revoked_is_replaced_once_and_no_attempt_is_burnt(fleet: Fleet, service: str) -> None:
    fleet.devices(service, *["ok"] * 80)
    fleet.send()
    before = grants(fleet, service)
    fleet.emulator.control(f"{service}/revoke", {})
    campaign = fleet.send()
    assert outcomes_of(campaign) == {(service, "accepted"): 80}
    assert Delivery.objects.filter(campaign=campaign).count() == 80
    assert grants(fleet, service) - before == 1


def test_while_a_token_is_on_its_way_other_services_go_on(fleet: Fleet) -> None:
    fleet.devices("fcm", *["ok"] * 300)
    fleet.devices("wns", *["ok"] * 300)
    fleet.phones(*["ok"] * 300)
    fleet.run_once_for_token("wns")
    with set_to(fleet, "fcm/settings", token_delay_ms=1500):
        campaign = fleet.send()
    assert outcomes_of(campaign)["fcm", "accepted"] == 300
    first = Delivery.objects.filter(campaign=campaign, device__service="fcm").order_by("at").values_list("at").first()
    others = Delivery.objects.filter(campaign=campaign).exclude(device__service="fcm")
    assert others.filter(at__lt=first[0]).count() == 600  # type: ignore[index]


def test_a_refused_account_pauses_only_what_needs_it(fleet: Fleet) -> None:
    mine, other = fleet.app, App.objects.create(name="Other", slug="other-fleet")
    fleet.show("wns", secret="no-longer-the-secret")
    fleet.devices("wns", *["ok"] * 5)
    refused = fleet.campaign()
    fleet.app = other
    fleet.show("wns")
    fleet.devices("wns", *["ok"] * 5)
    good = fleet.campaign()
    for campaign in (refused, good):
        release.start(campaign, None)
    fleet.run()
    fleet.app = mine
    refused.refresh_from_db()
    good.refresh_from_db()
    assert (refused.status, good.status) == (Status.PAUSED, Status.FINISHED)
    assert "Microsoft gave no token" in refused.paused_because
    assert stats.progress(refused).final == 0


def test_a_token_endpoint_that_is_down_costs_nobody_an_attempt(fleet: Fleet, clock: Any) -> None:
    fleet.devices("fcm", *["ok"] * 3)
    with set_to(fleet, "fcm/settings", token_status=503):
        campaign = fleet.send()
        assert (campaign.status, Delivery.objects.count()) == (Status.SENDING, 0)
        assert Breaker.objects.get().circuit == "fcm"
    for _ in range(3):
        clock.advance(timedelta(minutes=3))
        fleet.run()
    assert outcomes_of(campaign) == {("fcm", "accepted"): 3}


def test_a_token_is_renewed_before_it_ends(fleet: Fleet, clock: Any) -> None:
    fleet.devices("wns", "ok")
    first = fleet.run_once_for_token("wns")
    row = BearerToken.objects.get()
    clock.advance(timedelta(seconds=bearer.SHARE * 86_400 + 60))
    service, (credentials, _) = find("wns"), credentials_of(fleet.app.pk, find("wns"))
    tokens = Tokens()
    assert tokens.get(service, credentials).value == first, "the old one is good while the next one is asked for"
    until(lambda: tokens.settled(row.mark), 10, "the answer")
    assert tokens.get(service, credentials).value not in (None, first)
    assert (row.ends_at or times.now()) > times.now()
    tokens.close()


def test_a_token_is_not_shown_to_a_server_that_nobody_let_through(fleet: Fleet, settings: Any) -> None:
    fleet.devices("fcm", "ok")
    fleet.devices("apns", "ok")
    settings.EMULATOR = settings.EMULATOR_TLS = ""
    before = fleet.emulator.control("state")
    campaign = fleet.send()
    after = fleet.emulator.control("state")
    assert campaign.status == Status.PAUSED
    assert "is not a server that credentials may be shown to" in campaign.paused_because
    assert (after["fcm"]["grants"], after["pushes"]) == (before["fcm"]["grants"], before["pushes"])


# Quotas


def test_a_project_over_its_quota_rests_as_a_whole_and_others_go_on(fleet: Fleet, clock: Any) -> None:
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
