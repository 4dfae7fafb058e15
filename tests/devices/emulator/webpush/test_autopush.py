"""What browsers and the emulated push service say to each other, row by row, and what is limited."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from devices.emulator.webpush import autopush
from tests.devices.emulator.webpush.half import Half, Talker, talking
from tests.devices.emulator.webpush.sender import Vapid, b64u, unb64u
from tests.emulator import EmulatorProcess
from tests.waiting import until

KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"  # RFC 8292, section 2.4
CHANNEL, OTHER = "431b4391-c78f-429a-a134-f890b5adc0bb", "e2a8b1d0-1f5c-4c0e-9a51-0d7f6a7d5a11"


@pytest.fixture
def half() -> Iterator[Half]:
    """The service, which must not stumble over anything."""
    with Half() as half:
        yield half
        assert half.failures == []
        with talking(half) as talker:  # whatever happened, it serves the next one
            assert len(talker.hello()) == 32


@pytest.fixture
def client(half: Half) -> Iterator[Talker]:
    """A browser that is connected and has not said hello."""
    with talking(half) as talker:
        yield talker


def away(half: Half) -> None:
    """Wait until nobody is connected."""
    until(lambda: half.do(half.autopush.shown)["connected"] == 0, 5, "everybody to be gone")


def endpoint_of(client: Talker, channel_id: str = CHANNEL, key: str = KEY) -> str:
    answer = client.register(channel_id, key=key)
    assert answer["status"] == 200, answer
    return str(answer["pushEndpoint"])


def test_hello_gives_an_id(client: Talker) -> None:
    answer = client.ask({"messageType": "hello", "uaid": "", "use_webpush": True, "broadcasts": {"x": "y"}})
    uaid = answer.pop("uaid")
    assert re.fullmatch(r"[0-9a-f]{32}", uaid)
    assert answer == {"messageType": "hello", "status": 200, "use_webpush": True, "broadcasts": {}}


def test_hello_without_an_id_at_all(client: Talker) -> None:
    assert len(client.ask({"messageType": "hello", "use_webpush": True})["uaid"]) == 32


def test_an_id_is_kept_and_an_unknown_one_is_replaced(half: Half, client: Talker) -> None:
    uaid = client.hello()
    client.close()
    with talking(half) as again:
        assert again.hello(uaid) == uaid
    with talking(half) as stranger:
        given = stranger.hello("0" * 32)
        assert given not in {"0" * 32, uaid}


def test_register_answers_with_an_endpoint_below_the_address_that_was_dialled(half: Half, client: Talker) -> None:
    client.hello()
    answer = client.register(CHANNEL, key=KEY)
    endpoint = answer.pop("pushEndpoint")
    assert answer == {"messageType": "register", "channelID": CHANNEL, "status": 200}
    assert endpoint.startswith(f"{half.url}/wpush/v2/")
    subscription = half.subscriptions.find(endpoint.removeprefix(half.url).encode())
    assert subscription is not None
    assert subscription.key == KEY


@pytest.mark.parametrize("padding", ["=", ""])
def test_the_key_is_bound_as_senders_write_it(half: Half, client: Talker, padding: str) -> None:
    client.hello()
    endpoint = endpoint_of(client, key=KEY + padding)
    subscription = half.subscriptions.find(endpoint.removeprefix(half.url).encode())
    assert subscription is not None
    assert subscription.key == KEY


def test_a_channel_without_a_key_is_bound_to_none(half: Half, client: Talker) -> None:
    client.hello()
    endpoint = client.register(CHANNEL)["pushEndpoint"]
    subscription = half.subscriptions.find(endpoint.removeprefix(half.url).encode())
    assert subscription is not None
    assert subscription.key == ""


def test_the_same_channel_is_the_same_endpoint_and_another_key_a_conflict(client: Talker) -> None:
    client.hello()
    endpoint = endpoint_of(client)
    assert endpoint_of(client) == endpoint
    assert endpoint_of(client, OTHER) != endpoint
    another = Vapid().public
    assert client.register(CHANNEL, key=another)["status"] == 409


@pytest.mark.parametrize(
    ("channel_id", "key"),
    [
        ("", KEY),
        ("no uuid", KEY),
        (CHANNEL.replace("-", ""), KEY),
        (CHANNEL, "x"),
        (CHANNEL, "="),
        (CHANNEL, KEY[:-4]),
        (CHANNEL, KEY.replace(KEY[40], "!")),
        (CHANNEL, b64u(b"\x04" + b"\x01" * 64)),  # not on the curve
        (CHANNEL, b64u(b"\x02" + unb64u(KEY)[1:33])),  # compressed
    ],
)
def test_what_cannot_be_registered_is_refused(half: Half, client: Talker, channel_id: str, key: str) -> None:
    client.hello()
    answer = client.register(channel_id, key=key)
    assert answer == {"messageType": "register", "channelID": channel_id, "status": 400}
    assert len(half.subscriptions) == 0


def test_a_notification_carries_the_body_as_it_came(half: Half, client: Talker) -> None:
    client.hello()
    endpoint = endpoint_of(client)
    body = bytes(range(256))
    half.push(endpoint, body, ttl=77)
    told = client.hear()
    assert base64.urlsafe_b64decode(told.pop("data") + "==") == body
    assert told.pop("version")
    expected = {"messageType": "notification", "channelID": CHANNEL, "ttl": 77, "headers": {"encoding": "aes128gcm"}}
    assert told == expected


def test_a_notification_without_payload_tells_of_none(half: Half, client: Talker) -> None:
    client.hello()
    half.push(endpoint_of(client), b"")
    told = client.hear()
    assert told.pop("version")
    assert told == {"messageType": "notification", "channelID": CHANNEL, "ttl": 60}


def test_versions_differ_and_channels_are_told_apart(half: Half, client: Talker) -> None:
    client.hello()
    ones = [endpoint_of(client), endpoint_of(client), endpoint_of(client, OTHER)]
    for endpoint in ones:
        half.push(endpoint)
    told = [client.hear() for _ in ones]
    assert [one["channelID"] for one in told] == [CHANNEL, CHANNEL, OTHER]
    assert len({one["version"] for one in told}) == 3


def test_unregister_ends_the_subscription(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint, other = endpoint_of(client), endpoint_of(client, OTHER)
    assert half.push(endpoint)
    client.hear()
    for _ in range(2):  # a second time is no harm
        answer = client.ask({"messageType": "unregister", "channelID": CHANNEL})
        assert answer == {"messageType": "unregister", "channelID": CHANNEL, "status": 200}
        assert not half.push(endpoint)
    assert half.push(other)
    assert client.hear()["channelID"] == OTHER
    client.close()
    away(half)
    with talking(half) as again:
        again.hello(uaid)
        assert again.hear()["channelID"] == OTHER
        assert again.is_quiet()  # what the ended channel had not acknowledged is gone with it


def test_a_ping_is_answered(client: Talker) -> None:
    assert client.ask({}) == {}
    client.hello()
    assert client.ask({}) == {}
    assert client.ask("  { } ") == {}


@pytest.mark.parametrize(
    "message",
    [
        {"messageType": "broadcast_subscribe", "broadcasts": {"x": "y"}},
        {"messageType": "nack", "version": "x", "code": 301},
        {"messageType": "something else"},
    ],
)
def test_what_needs_no_answer_gets_none(client: Talker, message: Any) -> None:
    client.hello()
    client.say(message)
    assert client.is_quiet()


# away and back


def test_what_was_pushed_while_it_was_away_is_sent_after_hello(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint = endpoint_of(client)
    client.close()
    away(half)
    for body, ttl, topic in (
        (b"1", 60, ""),
        (b"old", 60, "t"),
        (b"never", 0, ""),
        (b"new", 60, "t"),
        (b"over", 10, ""),
    ):
        assert half.push(endpoint, body, ttl, topic)
    assert (
        half.do(half.autopush.shown)["unacknowledged"] == 0
    )  # they wait at the subscription, where they can be cancelled
    half.now += 11
    with talking(half) as again:
        assert again.hello(uaid) == uaid
        assert [unb64u(again.hear()["data"]) for _ in range(2)] == [b"1", b"new"]
        assert again.is_quiet()
        half.push(endpoint, b"live")
        assert unb64u(again.hear()["data"]) == b"live"


def test_a_stranger_gets_nothing_of_others(half: Half, client: Talker) -> None:
    client.hello()
    endpoint = endpoint_of(client)
    with talking(half) as stranger:
        stranger.hello("0" * 32)
        half.push(endpoint)
        assert stranger.is_quiet()
    assert unb64u(client.hear()["data"]) == b"secret"


def test_what_was_not_acknowledged_is_sent_again_with_the_same_version(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint = endpoint_of(client)
    for body, ttl, topic in (
        (b"1", 60, ""),
        (b"2", 60, ""),
        (b"now", 0, ""),
        (b"3", 5, ""),
        (b"4", 60, "t"),
        (b"5", 60, "t"),
    ):
        half.push(endpoint, body, ttl, topic)
    told = [client.hear() for _ in range(6)]
    client.acknowledge(told[0])
    assert client.is_quiet()
    client.close()
    away(half)
    half.now += 6
    with talking(half) as again:
        again.hello(uaid)
        assert [again.hear() for _ in range(2)] == [told[1], told[5]]
        assert again.is_quiet()
        again.acknowledge(told[1], told[5])
        assert again.is_quiet()
    assert half.do(half.autopush.shown)["unacknowledged"] == 0


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (100, "delivered"),
        (101, "undecryptable"),
        (102, "undelivered"),
        (7, "unknown"),
        (True, "unknown"),
        ([], "unknown"),
    ],
)
def test_outcomes_are_counted(half: Half, client: Talker, code: Any, outcome: str) -> None:
    client.hello()
    half.push(endpoint_of(client))
    told = client.hear()
    client.acknowledge({**told, "channelID": OTHER}, code=code)  # of a channel that the version is not of
    client.acknowledge({**told, "version": "x"}, code=code)
    assert client.is_quiet()
    assert half.do(half.autopush.shown)["outcomes"] == {}
    client.acknowledge(told, told, code=code)  # twice is once
    assert client.is_quiet()
    assert half.do(half.autopush.shown)["outcomes"] == {outcome: 1}


def test_the_second_connection_of_a_browser_ends_the_first(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint = endpoint_of(client)
    with talking(half) as again:
        assert again.hello(uaid) == uaid
        assert client.ending() == (1001, "connected again")
        client.close()
        half.push(endpoint)
        assert unb64u(again.hear()["data"]) == b"secret"
        assert half.do(half.autopush.shown)["connected"] == 1


def test_a_live_browser_is_counted_apart_and_outlives_a_reset(emulator: EmulatorProcess) -> None:
    port = int(emulator.url.rpartition(":")[2])
    before = emulator.control("state")["live_browsers"]["subscriptions"]
    client = Talker(port)
    try:
        client.hello()
        endpoint = endpoint_of(client)
        emulator.control("reset", {})
        state = emulator.control("state")
        assert state["live_browsers"]["subscriptions"] == before + 1
        assert state["webpush"]["subscriptions"] == 0
        assert endpoint_of(client) == endpoint
        assert emulator.control("webpush/forget", {})["browsers"] >= 1
        assert client.ending() == (1001, "forgotten")
        assert emulator.control("state")["live_browsers"]["subscriptions"] == 0
    finally:
        client.close()


def test_everybody_can_be_forgotten(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint = endpoint_of(client)
    half.do(half.autopush.forget)
    assert client.ending() == (1001, "forgotten")
    assert not half.push(endpoint)
    with talking(half) as again:
        assert again.hello(uaid) != uaid


# limits


def test_no_more_than_a_window_is_sent_before_something_is_acknowledged(
    half: Half, client: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autopush, "MOST_UNACKNOWLEDGED", 3)
    uaid = client.hello()
    one, other = endpoint_of(client), endpoint_of(client, OTHER)
    for number in range(5):
        half.push(one, b"%d" % number)
    half.push(other, b"5")
    told = [client.hear() for _ in range(3)]
    assert client.is_quiet()
    client.acknowledge(told[0], told[1])
    told += [client.hear() for _ in range(2)]
    assert client.is_quiet()
    client.close()
    away(half)
    with talking(half) as again:  # coming again opens no second window
        again.hello(uaid)
        assert [again.hear() for _ in range(3)] == told[2:]
        assert again.is_quiet()
        again.acknowledge(*told)
        assert unb64u(again.hear()["data"]) == b"5"
    assert [unb64u(one["data"]) for one in told] == [b"0", b"1", b"2", b"3", b"4"]


def test_subscriptions_are_limited(half: Half, client: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autopush, "MOST_CHANNELS", 2)
    monkeypatch.setattr(autopush, "MOST_OPENED", 3)
    client.hello()
    endpoint_of(client)
    endpoint_of(client, OTHER)
    assert client.register(str(uuid.uuid4()), key=KEY)["status"] == 503
    assert client.register(CHANNEL, key=KEY)["status"] == 200  # one that is there stays
    client.ask({"messageType": "unregister", "channelID": CHANNEL})
    endpoint_of(client)
    client.ask({"messageType": "unregister", "channelID": CHANNEL})
    assert client.register(CHANNEL, key=KEY)["status"] == 503  # three were made, and one is left


def test_connections_are_limited(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autopush, "MOST_CONNECTED", 1)
    with talking(half) as first:
        with talking(half) as second:
            assert second.refused == 503
        first.hello()
    until(lambda: not half.autopush.sessions, 5, "the first to be gone")


def test_the_browser_that_is_away_for_longest_makes_room(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autopush, "MOST_BROWSERS", 2)
    with talking(half) as connected:
        stays = connected.hello()
        endpoint = endpoint_of(connected)
        with talking(half) as one:
            one.hello()
            gone = endpoint_of(one)
        until(lambda: half.do(half.autopush.shown)["connected"] == 1, 5, "it to be gone")
        with talking(half) as another:
            another.hello()
            assert half.do(half.autopush.shown)["known"] == 2
            assert stays in half.autopush.browsers
            assert half.push(endpoint)
            assert not half.push(gone)
