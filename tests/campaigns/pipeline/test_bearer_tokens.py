"""Bearer tokens: asked for once, shared by all, kept encrypted, renewed early, and shown to nobody else."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from campaigns.compose import release
from campaigns.models import Breaker, Campaign, Delivery
from campaigns.monitor import stats
from campaigns.pipeline.tokens import Tokens
from devices import bearer
from devices.common import clock as times
from devices.models import App, BearerToken, Credential
from devices.push.base import Target
from devices.push.message import Toast
from devices.push.services import find
from devices.trying import credentials_of
from tests.campaigns.fleet import Fleet, handed_out, outcomes_of, set_to
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
Status = Campaign.Status


def grants(fleet: Fleet, service: str) -> int:
    """Return how many tokens the emulator has given for a service."""
    return sum(fleet.emulator.control("state")[service]["grants"].values())


@pytest.mark.faults(25)
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


@pytest.mark.faults(25)
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


@pytest.mark.faults(25)
def test_a_token_endpoint_that_is_down_costs_nobody_an_attempt(fleet: Fleet, clock: Any) -> None:
    fleet.devices("fcm", *["ok"] * 3)
    with set_to(fleet, "fcm/settings", token_status=503):
        campaign = fleet.send()
        assert (campaign.status, Delivery.objects.count()) == (Status.SENDING, 0)
        assert Breaker.objects.get().circuit == f"fcm:app {fleet.app.pk}"
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
