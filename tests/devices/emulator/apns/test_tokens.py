"""Who may push: provider tokens, how old they may be and how often they may change."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.devices.emulator.apns.sender import Key, Sender, reason
from tests.emulator import EmulatorProcess

HOUR = 3600
INVALID = (403, "InvalidProviderToken")


def push(emulator: EmulatorProcess, key: Key, token: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Push with this token on a connection of its own."""
    with Sender(emulator, key, host=host) as sender:
        sender.token = token
        return reason(sender.push("ok.sandbox-1" if host == "localhost" else "ok.phone-1"))


WRONG: dict[str, Callable[[Key], str]] = {
    "another algorithm": lambda key: key.token(head={"alg": "HS256", "kid": key.key_id}),
    "none": lambda key: key.token(head={"alg": "none", "kid": key.key_id}),
    "no key": lambda key: key.token(head={"alg": "ES256"}),
    "an unknown key": lambda key: key.token(head={"alg": "ES256", "kid": "ABCDEFGHIJ"}),
    "a head that is a list": lambda key: key.token(head=[1]),
    "claims that are a list": lambda key: key.token(claims=[1]),
    "no team": lambda key: key.token(claims={"iat": int(time.time())}),
    "another team": lambda key: key.token(claims={"iss": "X" * 10, "iat": int(time.time())}),
    "no time": lambda key: key.token(claims={"iss": key.team_id}),
    "a time that is a text": lambda key: key.token(claims={"iss": key.team_id, "iat": str(int(time.time()))}),
    "a time that is true": lambda key: key.token(claims={"iss": key.team_id, "iat": True}),
    "another's signature": lambda key: key.token(sign_with=Key("", "", ec.generate_private_key(ec.SECP256R1()))),
    "a cut signature": lambda key: key.token()[:-4],
    "a changed claim": lambda key: key.token().replace(".", ".A", 1),
    "no JSON": lambda key: "bm90.anNvbg.eA",
    "two parts": lambda key: key.token().rpartition(".")[0],
    "four parts": lambda key: f"{key.token()}.x",
    "the future": lambda key: key.token(age=-120),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_token_is_refused(emulator: EmulatorProcess, key: Key, wrong: str) -> None:
    assert push(emulator, key, WRONG[wrong](key)) == INVALID


@pytest.mark.parametrize(
    ("age", "wanted"),
    [(0, (200, "")), (-30, (200, "")), (HOUR - 30, (200, "")), (HOUR + 5, (403, "ExpiredProviderToken"))],
)
def test_a_token_is_good_for_an_hour(emulator: EmulatorProcess, key: Key, age: int, wanted: tuple[int, str]) -> None:
    assert push(emulator, key, key.token(age=age)) == wanted


def test_a_token_that_was_verified_ages_all_the_same(emulator: EmulatorProcess, key: Key, sender: Sender) -> None:
    """Its signature is checked once; the emulator has to look at its age every time."""
    sender.token = key.token(age=HOUR - 2)
    assert sender.push("ok.phone-1").status == 200
    time.sleep(2.5)
    assert reason(sender.push("ok.phone-1")) == (403, "ExpiredProviderToken")


def test_the_scheme_is_read_in_any_case(sender: Sender) -> None:
    assert sender.push("ok.phone-1", authorization=f"Bearer {sender.token}").status == 200
    assert sender.push("ok.phone-1").status == 200  # and it is the same token


def test_a_token_that_changes_too_soon_is_refused(emulator: EmulatorProcess, key: Key) -> None:
    first, second, third = key.token(age=3), key.token(age=2), key.token(age=1)
    assert push(emulator, key, first) == (200, "")
    assert push(emulator, key, second) == (429, "TooManyProviderTokenUpdates")
    assert push(emulator, key, first) == (200, "")
    emulator.control("clock", {"advance": 1199})
    assert push(emulator, key, second) == (429, "TooManyProviderTokenUpdates")
    emulator.control("clock", {"advance": 2})
    assert push(emulator, key, second) == (200, "")
    assert push(emulator, key, first) == (200, "")  # was accepted, and has not expired
    assert push(emulator, key, third) == (429, "TooManyProviderTokenUpdates")
    assert emulator.control("state")["apns"]["tokens"][key.key_id] == {"distinct": 3, "refused_updates": 3}


def test_each_key_has_its_own_token(emulator: EmulatorProcess, key: Key) -> None:
    other = Key.registered(emulator, "OTHERKEY01")
    assert push(emulator, key, key.token()) == (200, "")
    assert push(emulator, other, other.token()) == (200, "")


def test_a_connection_speaks_for_one_key(emulator: EmulatorProcess, key: Key, sender: Sender) -> None:
    same_team = Key.registered(emulator, "SAMETEAM01", key.team_id)
    stranger = Key.registered(emulator, "STRANGER01")
    token = same_team.token()
    assert sender.push("ok.phone-1").status == 200
    assert reason(sender.push("ok.phone-1", authorization=f"bearer {token}")) == (
        403,
        "UnrelatedKeyIdInToken",
    )
    assert reason(sender.push("ok.phone-1", authorization=f"bearer {stranger.token()}")) == INVALID
    assert sender.push("ok.phone-1").status == 200
    assert push(emulator, same_team, token) == (200, "")


@pytest.mark.parametrize(("environment", "host"), [("sandbox", "127.0.0.1"), ("production", "localhost")])
def test_a_key_may_be_for_one_environment(emulator: EmulatorProcess, environment: str, host: str) -> None:
    other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
    key = Key.registered(emulator, "ONLYONEENV", environment=environment)
    token = key.token()
    assert push(emulator, key, token, host) == (403, "BadEnvironmentKeyIdInToken")
    assert push(emulator, key, token, other) == (200, "")


def test_a_key_may_be_for_some_topics(emulator: EmulatorProcess) -> None:
    key = Key.registered(emulator, "SOMETOPICS", topics=["org.example.a", "org.example.b"])
    with Sender(emulator, key) as sender:
        assert sender.push("ok.phone-1", apns_topic="org.example.a").status == 200
        assert sender.push("ok.phone-2", apns_topic="org.example.b.voip", apns_push_type="voip").status == 200
        assert reason(sender.push("ok.phone-3", apns_topic="org.example.c")) == (400, "TopicDisallowed")


def test_a_key_that_was_registered_without_topics_is_for_all(emulator: EmulatorProcess) -> None:
    key = Key.registered(emulator, "ALLTOPICS1")
    with Sender(emulator, key) as sender:
        assert sender.push("ok.phone-1", apns_topic="com.anything").status == 200


def test_a_key_that_is_registered_again_takes_the_place_of_the_first(emulator: EmulatorProcess) -> None:
    old = Key.registered(emulator, "REPLACED01")
    token = old.token()
    assert push(emulator, old, token) == (200, "")
    Key.registered(emulator, "REPLACED01")
    assert push(emulator, old, token) == INVALID
