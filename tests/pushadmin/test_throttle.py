"""Guessing passwords: other spellings, other names, other addresses, floods, and all at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client

from devices.common import limits
from devices.common.limits import Limit
from devices.models import Tally
from pushadmin import throttle
from tests.waiting import ended

HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def ada(db: None) -> User:
    """Somebody with a password."""
    return User.objects.create_superuser("ada", password="right one")


def sign_in(name: str, password: str, address: str = HERE) -> int:
    """Try from an address; return the status."""
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/login/", form).status_code


@pytest.mark.threats(31)
@pytest.mark.parametrize("name", ["ADA", "ａｄａ", "ＡＤＡ", " ada ", "🄰DA", "aＤa", "ada\u2003"])
def test_every_spelling_of_a_name_is_one_name(ada: User, name: str) -> None:
    assert [sign_in("ada", "wrong") for _ in range(5)] == [200] * 5
    assert sign_in(name, "right one") == 429
    assert sign_in("ada", "right one", ELSEWHERE) == 302


@pytest.mark.threats(31)
def test_twenty_names_from_one_address_are_enough_for_all_of_them(ada: User) -> None:
    statuses = [sign_in(f"name{number}", "wrong") for number in range(22)]
    assert statuses == [200] * 20 + [429] * 2
    assert sign_in("ada", "right one") == 429
    assert sign_in("ada", "right one", ELSEWHERE) == 302


@pytest.mark.threats(31)
def test_one_name_from_many_addresses_is_refused_and_so_is_everything_in_the_end(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [sign_in("ada", "wrong", f"198.51.100.{number}") for number in range(21)] == [200] * 20 + [429]
    monkeypatch.setattr(throttle, "OVERALL", Limit("few", 3, 60))
    statuses = [sign_in(f"name{number}", "wrong", f"203.0.113.{number}") for number in range(4)]
    assert statuses == [200] * 3 + [429]


@pytest.mark.threats(31)
def test_no_flood_pushes_a_counter_out(ada: User) -> None:
    for _ in range(5):
        sign_in("ada", "wrong")
    other = Limit("other", 1)
    for number in range(400):  # Django's cache in the database keeps 300 entries and drops a third of them then
        other.exceeded(str(number))
        cache.set(f"junk-{number}", 1)
    assert sign_in("ada", "right one") == 429


@pytest.mark.threats(31)
def test_an_address_of_ipv6_is_its_whole_subscription(ada: User) -> None:
    statuses = [sign_in(f"name{number}", "wrong", f"2001:db8::{number:x}") for number in range(21)]
    assert statuses == [200] * 20 + [429]
    assert sign_in("ada", "right one", "2001:db8:0:1::1") == 302
    assert sign_in("ada", "wrong", "::ffff:198.51.100.7") == 200
    assert Tally.objects.filter(key=throttle.PER_ADDRESS._key(HERE)).exists()


@pytest.mark.threats(31)
def test_signing_in_forgives_ones_own_slips_and_nobody_elses(ada: User) -> None:
    for number in range(17):
        sign_in(f"name{number}", "wrong")
    for _ in range(4):  # an attacker with an account of his own, between his guesses at others
        assert sign_in("ada", "right one") == 302
    assert [sign_in(f"other{number}", "wrong") for number in range(4)] == [200] * 3 + [429]


@pytest.mark.threats(14, 31)
def test_of_forty_at_once_exactly_so_many_pass_as_may(transactional_db: None) -> None:
    limit = Limit("race", 5, 60)
    waits: list[int] = []

    def one() -> None:
        try:
            waits.extend(limit.exceeded("somebody") for _ in range(5))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    ended(*threads)
    assert sorted(waits)[:5] == [0] * 5
    assert len([wait for wait in waits if 1 <= wait <= 61]) == 35


@pytest.mark.threats(14, 31)
def test_a_window_ends_and_a_refused_call_does_not_lengthen_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: dict[str, Any] = {"now": 1000.0}
    monkeypatch.setattr("devices.common.limits.time.time", lambda: clock["now"])
    limit = Limit("window", 2, 60)
    assert [limit.exceeded("x") for _ in range(3)] == [0, 0, 61]
    clock["now"] = 1059.0
    assert limit.exceeded("x") == 2
    assert limits.forget_ended() == 0
    clock["now"] = 1060.0
    assert limit.exceeded("x") == 0
    clock["now"] = 1120.0
    assert limits.forget_ended() == 1
    assert not Tally.objects.exists()


def test_a_counter_tells_nobody_whose_it_is(ada: User) -> None:
    sign_in("ada", "wrong")
    assert Tally.objects.count() == 4
    assert not any("ada" in row.key or HERE in row.key for row in Tally.objects.all())
