"""Making subscriptions, changing them, being away, and taking messages back."""

from __future__ import annotations

import json
import time
import urllib.error
from typing import Any

import pytest

from tests.devices.emulator.sender import push
from tests.devices.emulator.webpush.sender import (
    HOMES,
    Vapid,
    counts,
    messages,
    origin_of,
    send,
    subscribe,
    unb64u,
)
from tests.emulator import EmulatorProcess


def texts(emulator: EmulatorProcess, subscription: dict[str, Any], delivered: bool = True) -> list[str | None]:
    return [m["plaintext"] for m in messages(emulator, subscription) if m["delivered"] is delivered]


def offline(emulator: EmulatorProcess, subscription: dict[str, Any], away: bool) -> int:
    told = emulator.control("webpush/offline", {"endpoint": subscription["endpoint"], "offline": away})
    assert told["offline"] is away
    delivered = told["delivered"]
    assert isinstance(delivered, int)
    return delivered


@pytest.mark.parametrize("vendor", HOMES)
def test_subscriptions_by_name_are_the_same_after_a_restart(vapid: Vapid, vendor: str) -> None:
    shown, answers = [], []
    for _ in range(2):
        with EmulatorProcess() as emulator:
            (made,) = emulator.control(
                "webpush/subscriptions", {"vendor": vendor, "names": ["browser-3"], "behaviour": "throttled-1"}
            )["subscriptions"]
            shown.append({**made, "endpoint": made["endpoint"].removeprefix(emulator.url)})
        with EmulatorProcess() as emulator:  # and exist without having been made
            made["endpoint"] = emulator.url + shown[-1]["endpoint"]
            answers.append([send(made, vapid).status for _ in range(2)][1])
            assert len(texts(emulator, made)) == 1
    assert shown[0] == shown[1]
    assert shown[0]["endpoint"] == f"{HOMES[vendor]}throttled-1.browser-3"
    assert answers == [201, 201]


def test_many_are_made_at_once(emulator: EmulatorProcess) -> None:
    names = [f"browser-{number}" for number in range(5000)]
    made = emulator.control("webpush/subscriptions", {"vendor": "google", "names": names})["subscriptions"]
    assert [one["endpoint"] for one in made] == [f"{emulator.url}/fcm/send/ok.{name}" for name in names]
    assert len({one["keys"]["p256dh"] for one in made}) == len({one["keys"]["auth"] for one in made}) == 5000
    assert counts(emulator)["subscriptions"] == 5000


def test_without_names_everything_is_random(emulator: EmulatorProcess, vapid: Vapid) -> None:
    made = emulator.control("webpush/subscriptions", {"vendor": "apple", "count": 3})["subscriptions"]
    assert len({one["endpoint"] for one in made}) == len({one["keys"]["p256dh"] for one in made}) == 3
    for one in made:
        assert (len(unb64u(one["keys"]["p256dh"])), len(unb64u(one["keys"]["auth"]))) == (65, 16)
        assert send(one, vapid).status == 201
        assert len(texts(emulator, one)) == 1


def test_away_messages_wait_by_ttl_and_topic(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    assert offline(emulator, subscription, away=True) == 0
    for text, headers in (
        (b"never", {"TTL": "0"}),
        (b"short", {"TTL": "10"}),
        (b"old news", {"TTL": "1000", "Topic": "news"}),
        (b"long", {"TTL": "1000"}),
        (b"news", {"TTL": "1000", "Topic": "news"}),
        (b"weather", {"TTL": "1000", "Topic": "weather"}),
    ):
        assert send(subscription, vapid, text, headers=headers).status == 201
    assert len(texts(emulator, subscription, delivered=False)) == 4
    assert texts(emulator, subscription) == []
    emulator.control("clock", {"advance": 11})
    assert offline(emulator, subscription, away=False) == 3
    assert texts(emulator, subscription) == ["long", "news", "weather"]
    assert texts(emulator, subscription, delivered=False) == []
    assert counts(emulator)["dropped"] == 1
    assert [note["body"] for note in emulator.control("phones")["browsers"][0]["notifications"]] == [
        "long", "news", "weather",
    ]  # fmt: skip


def test_the_behaviour_offline_is_being_away(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator, behaviour="offline", names=["browser"])
    send(subscription, vapid, b"wait")
    assert texts(emulator, subscription) == []
    emulator.control("webpush/behaviour", {"endpoint": subscription["endpoint"], "behaviour": "ok"})
    assert texts(emulator, subscription) == ["wait"]


def test_a_message_that_waits_can_be_taken_back(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    offline(emulator, subscription, away=True)
    first, second = (send(subscription, vapid, text).headers["location"] for text in (b"first", b"second"))
    assert [push(first, method="DELETE").status for _ in range(2)] == [204, 404]
    offline(emulator, subscription, away=False)
    assert texts(emulator, subscription) == ["second"]
    assert push(second, method="DELETE").status == 404  # delivered
    assert push(second, method="GET").status == 405


def test_an_expired_message_cannot_be_taken_back(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    offline(emulator, subscription, away=True)
    location = send(subscription, vapid, TTL="5").headers["location"]
    emulator.control("clock", {"advance": 6})
    assert push(location, method="DELETE").status == 404


def test_the_whole_service_goes_down_and_comes_back(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscriptions = [subscribe(emulator), subscribe(emulator, behaviour="gone")]
    emulator.control("webpush/behaviour", {"everyone": "503"})
    assert [send(one, vapid).status for one in subscriptions] == [503, 503]
    assert push(emulator.uri("ok.phone")).status == 200  # other services do not
    emulator.control("webpush/behaviour", {"everyone": None})
    assert [send(one, vapid).status for one in subscriptions] == [201, 410]


def test_reset_forgets(emulator: EmulatorProcess, vapid: Vapid) -> None:
    random, named = subscribe(emulator, key=vapid.public), subscribe(emulator, names=["browser"], key=vapid.public)
    for one in (random, named):
        send(one, vapid)
    emulator.control("reset", {})
    assert counts(emulator) == {
        "delivered": 0, "undecryptable": 0, "dropped": 0, "dead_attempts": 0, "subscriptions": 0, "everyone": None,
    }  # fmt: skip
    assert [send(one, Vapid()).status for one in (random, named)] == [404, 201]
    assert len(texts(emulator, named)) == 1


def test_services_are_counted_apart(emulator: EmulatorProcess, vapid: Vapid) -> None:
    send(subscribe(emulator), vapid)
    send(subscribe(emulator, behaviour="gone"), vapid)
    push(emulator.uri("ok.phone"))
    state = emulator.control("state")
    assert state["services"] == {"webpush": 2, "mpns": 1}
    assert state["answers"] == {"201": 1, "410": 1, "200 Received": 1}
    assert state["kinds"] == {"web": 2, "toast": 1}
    assert state["pushes"] == 3


def test_messages_are_bounded(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    authorization = vapid.authorization(origin_of(subscription["endpoint"]))
    for number in range(55):
        send(subscription, vapid, str(number).encode(), Authorization=authorization)
    assert texts(emulator, subscription) == [str(number) for number in range(5, 55)]


@pytest.mark.parametrize(
    ("path", "wishes", "why"),
    [
        ("subscriptions", {}, "vendor must be one of"),
        ("subscriptions", {"vendor": "opera"}, "vendor must be one of"),
        ("subscriptions", {"vendor": "apple", "key": "AAAA"}, "uncompressed"),
        ("subscriptions", {"vendor": "apple", "key": "ä"}, "base64url"),
        ("subscriptions", {"vendor": "apple", "behaviour": "dance"}, "no such behaviour: dance"),
        ("subscriptions", {"vendor": "apple", "names": "ab"}, "names must be a list"),
        ("subscriptions", {"vendor": "apple", "names": [""]}, "names must be a list"),
        ("subscriptions", {"vendor": "apple", "names": ["a/b"]}, "not a name"),
        ("subscriptions", {"vendor": "apple", "names": ["a"] * 5001}, "at most 5000"),
        ("subscriptions", {"vendor": "apple", "count": 0}, "count must be"),
        ("subscriptions", {"vendor": "apple", "count": 5001}, "count must be"),
        ("subscriptions", {"vendor": "apple", "count": True}, "count must be"),
        ("behaviour", {"endpoint": "/apple/nobody", "behaviour": "ok"}, "no such subscription"),
        ("behaviour", {"endpoint": "/apple/ok.a", "behaviour": "dance"}, "no such behaviour"),
        ("behaviour", {"everyone": "dance"}, "no such behaviour"),
        ("offline", {"endpoint": "/apple/nobody", "offline": True}, "no such subscription"),
        ("offline", {"endpoint": "/apple/ok.a", "offline": "yes"}, "offline must be"),
        ("messages", None, "no such subscription"),
        ("messages?endpoint=/apple/nobody", None, "no such subscription"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_in_words(
    emulator: EmulatorProcess, path: str, wishes: dict[str, object] | None, why: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        emulator.control(f"webpush/{path}", wishes)
    assert refused.value.code == 400
    assert why in json.load(refused.value)["error"]


def test_behaviours_are_told(emulator: EmulatorProcess) -> None:
    rows = emulator.control("webpush/behaviours")
    assert {"name": "gone", "means": "410: unsubscribed. -n: n times, then ok"} in rows


def test_latency_delays_these_answers_too(vapid: Vapid) -> None:
    with EmulatorProcess("--latency-ms", "80") as emulator:
        subscription = subscribe(emulator)
        started = time.monotonic()
        assert send(subscription, vapid).status == 201
        assert time.monotonic() - started >= 0.075
