"""Bearer tokens in bad times: an endpoint that is down, a database that is away, a lost key, a killed sender."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from campaigns.compose import release
from campaigns.models import Breaker, Campaign, Delivery
from campaigns.monitor import stats
from campaigns.pipeline import claiming, settling
from campaigns.pipeline.sending import Sender, journal_folder
from campaigns.pipeline.tokens import Bearer, Tokens
from devices import bearer
from devices.common import clock as times
from devices.models import App, BearerToken
from devices.push import tokens as wire
from devices.push.base import Answer, Request, Token
from devices.push.services import find
from devices.trying import credentials_of
from pushadmin import overview
from tests.campaigns.conftest import never
from tests.campaigns.fleet import Fleet, outcomes_of, set_to
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Endpoint:
    """A token endpoint in place of the network. It counts who asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **said: Any) -> None:
        self.status, self.asked = 200, 0
        self.said: dict[str, Any] = {"access_token": "first", "expires_in": 3600, **said}
        monkeypatch.setattr(wire, "exchanged", self.exchanged)

    def exchanged(self, request: Request, *_: object) -> Answer:
        """Answer as ``status`` and ``said`` tell."""
        self.asked += 1
        return Answer(self.status, body=json.dumps(self.said).encode())


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    return Endpoint(monkeypatch)


def shown(fleet: Fleet, tokens: Tokens) -> Bearer:
    """Return what is shown to FCM, when our own answer is there."""
    service = find("fcm")
    found = tokens.get(service, credentials_of(fleet.app.pk, service)[0])
    until(lambda: tokens.settled(found.mark), 10, "the answer")
    return tokens.get(service, credentials_of(fleet.app.pk, service)[0])


@pytest.mark.faults(25)
def test_a_renewal_that_fails_is_not_tried_again_at_every_look(fleet: Fleet, endpoint: Endpoint, clock: Any) -> None:
    """F25: however many batches look for it, the endpoint that is down has some seconds of rest."""
    tokens = Tokens()
    assert shown(fleet, tokens).value == "first"
    clock.advance(timedelta(seconds=3000))
    endpoint.status, endpoint.asked = 503, 0
    for _ in range(6):
        assert shown(fleet, tokens).value == "first", "it is good for ten minutes yet"
    assert endpoint.asked == 1
    clock.advance(bearer.REST + timedelta(seconds=1))
    endpoint.status, endpoint.said["access_token"] = 200, "second"
    assert shown(fleet, tokens).value == "second"
    tokens.close()


@pytest.mark.faults(25)
def test_senders_that_wait_do_not_ask_one_after_the_other_when_nobody_answers(
    fleet: Fleet, endpoint: Endpoint, clock: Any
) -> None:
    several = [Tokens() for _ in range(4)]
    endpoint.status = 503
    for tokens in several:
        with suppress(bearer.TokenAway):
            assert shown(fleet, tokens).waiting
    assert endpoint.asked == 1
    clock.advance(bearer.REST + timedelta(seconds=1))
    endpoint.status = 200
    assert shown(fleet, several[-1]).value == "first"
    for tokens in several:
        tokens.close()


@pytest.mark.parametrize("seconds", [20, 35, 100])
def test_a_token_of_a_short_life_is_shown_for_most_of_it(
    fleet: Fleet, endpoint: Endpoint, clock: Any, seconds: int
) -> None:
    endpoint.said["expires_in"] = seconds
    tokens = Tokens()
    for _ in range(8):  # ends before three quarters of it are over
        assert shown(fleet, tokens).value == "first"
        clock.advance(timedelta(seconds=seconds / 12))
    assert endpoint.asked == 1
    tokens.close()


def test_a_token_is_not_lost_when_the_database_is_away_as_it_comes(
    fleet: Fleet, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    tokens, service = Tokens(), find("fcm")
    credentials, _ = credentials_of(fleet.app.pk, service)
    mark = tokens.get(service, credentials).mark
    until(lambda: tokens.settled(mark), 10, "the answer")
    with monkeypatch.context() as patched:
        patched.setattr(bearer, "keep", away)
        with pytest.raises(OperationalError):
            tokens.get(service, credentials)
    clock.advance(timedelta(minutes=10))
    assert tokens.get(service, credentials).value == "first"
    ends_at = BearerToken.objects.get().ends_at
    assert ends_at is not None
    assert ends_at - times.now() < timedelta(minutes=51), "its life began when it was asked for"
    tokens.close()


def test_a_token_that_could_not_be_dropped_does_not_blame_the_credential(
    fleet: Fleet, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens()
    first = shown(fleet, tokens)
    with monkeypatch.context() as patched:
        patched.setattr(bearer, "drop", away)
        assert all(tokens.refuse(first, (1, device)) for device in (1, 2))
    again = shown(fleet, tokens)
    assert again.value == "first", "the database has it still"
    assert all(tokens.refuse(again, (1, device)) for device in (1, 2)), "it is refused once more, and dropped now"
    endpoint.said["access_token"] = "second"
    second = shown(fleet, tokens)
    assert second.value == "second"
    tokens.taken(second)
    tokens.close()


def test_a_token_that_cannot_be_read_is_asked_for_anew(fleet: Fleet, endpoint: Endpoint) -> None:
    tokens = Tokens()
    assert shown(fleet, tokens).value == "first"
    with connection.cursor() as cursor:  # as after a key of ENCRYPTION_KEYS is taken away
        cursor.execute("UPDATE devices_bearertoken SET value = 'unreadable'")
    endpoint.said["access_token"] = "second"
    other = Tokens()
    assert shown(fleet, other).value == "second"
    for one in (tokens, other):
        one.close()


def test_a_batch_that_waits_for_somebody_elses_answer_does_not_ask_the_database_all_the_time(fleet: Fleet) -> None:
    service = find("fcm")
    mark = bearer.mark_of(service, credentials_of(fleet.app.pk, service)[0])
    assert bearer.take_turn(mark, times.now())
    fleet.devices("fcm", "ok")
    campaign = fleet.campaign()
    release.start(campaign, None)
    sender = Sender.create()
    sender._look(never)
    assert sender._waiting()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(200):  # as often as answers of other services come
            sender._start()
    assert len(queries) < 40
    for transfer in sender.transfers:
        transfer.leaving = True
    sender._record()
    sender.close()


def test_whoever_was_refused_for_an_old_token_is_not_counted_when_the_sender_is_killed_then(fleet: Fleet) -> None:
    fleet.devices("fcm", *["ok"] * 5)
    fleet.send()
    fleet.emulator.control("fcm/revoke", {})
    campaign = fleet.campaign()
    release.start(campaign, None)
    Campaign.objects.filter(pk=campaign.pk).update(leave_denied=True)
    sender = Sender.create()

    def refused() -> bool:
        sender._look(never)
        sender._start()
        sender.gather(0.25)
        return any(transfer.deferred and not transfer.out for transfer in sender.transfers)

    until(refused, 20, "refusals")
    sender.abandon()
    assert settling.adopt_journals(journal_folder()) == 1
    assert not Delivery.objects.filter(campaign=campaign).exists()
    fleet.run()
    assert outcomes_of(campaign) == Counter({("fcm", "accepted"): 5})
    assert set(Delivery.objects.filter(campaign=campaign).values_list("attempt", "copies")) == {(1, 1)}


@pytest.mark.faults(25)
def test_an_app_that_gets_no_token_keeps_nobody_elses_pushes(fleet: Fleet, clock: Any) -> None:
    other = App.objects.create(name="Other", slug="other-fleet")
    fleet.show("wns", secret="of-nobody")
    fleet.devices("wns", *["ok"] * 5)
    without = fleet.campaign()
    mine, fleet.app = fleet.app, other
    fleet.show("wns")
    fleet.run_once_for_token("wns")
    fleet.devices("wns", *["ok"] * 2500)
    good = fleet.campaign()
    with set_to(fleet, "wns/settings", token_status=503):
        release.start(good, None)
        release.start(without, None)
        fleet.run()
        assert outcomes_of(good) == Counter({("wns", "accepted"): 2500})
        assert not Delivery.objects.filter(campaign=without).exists()
        assert Breaker.objects.get().circuit == f"wns:app {mine.pk}"
        assert not claiming.sending_due()
        without.refresh_from_db()
        assert "does not answer since" in stats._waiting(without, times.now())
        (warning,) = overview._breaker_warnings()
        assert "Windows (WNS) (Fleet) is left alone" in warning.sentence
    fleet.app = mine
    fleet.show("wns")
    for _ in range(3):
        clock.advance(timedelta(minutes=3))
        fleet.run()
    assert outcomes_of(without) == Counter({("wns", "accepted"): 5})
    assert not Breaker.objects.exists()


def test_a_signed_token_outlives_a_database_that_was_away(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    """Apple's is made here: when it could not be kept, the turn is over after a while and it is made anew."""
    tokens, service = Tokens(), find("apns")
    credentials, _ = credentials_of(fleet.app.pk, service)
    with monkeypatch.context() as patched:
        patched.setattr(bearer, "keep", away)
        with pytest.raises(OperationalError):
            tokens.get(service, credentials)
    clock.advance(bearer.TURN + timedelta(seconds=1))
    assert not tokens.get(service, credentials).waiting


def away(*_: object, **__: object) -> Token:
    raise OperationalError("the database is away")
