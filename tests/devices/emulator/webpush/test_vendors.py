"""What each vendor's service checks and how it words what it refuses, over real sockets."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.devices.emulator.sender import Answer, push
from tests.devices.emulator.webpush.sender import (
    HELLO,
    HOMES,
    Vapid,
    counts,
    encrypt,
    messages,
    origin_of,
    prepared,
    send,
    subscribe,
)
from tests.emulator import EmulatorProcess

MONTH = 30 * 86_400
VENDORS = tuple(HOMES)


def told(answer: Answer) -> Any:
    """Return the part of an answer that says what was wrong, as each vendor writes it."""
    if answer.headers.get("content-type") == "application/json":
        body = json.loads(answer.body)
        return body["errno"] if "errno" in body else body["reason"]
    return answer.headers.get("x-wns-error-description", answer.body.decode().strip())


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_message_arrives(emulator: EmulatorProcess, vapid: Vapid, vendor: str) -> None:
    subscription = subscribe(emulator, vendor, key=vapid.public)
    assert subscription["endpoint"].startswith(emulator.url + HOMES[vendor])
    assert subscription["expirationTime"] is None
    answer = send(subscription, vapid, Topic="news", Urgency="high")
    assert (answer.status, answer.body, answer.headers["ttl"]) == (201, b"", "60")
    assert answer.headers["location"].startswith(f"{emulator.url}/m/")
    (message,) = messages(emulator, subscription)
    assert message["plaintext"] == HELLO.decode()
    assert (message["ttl"], message["topic"], message["urgency"]) == (60, "news", "high")
    assert (message["delivered"], message["undecryptable"]) == (True, "")
    assert message["headers"]["content-encoding"] == "aes128gcm"
    (line,) = [line for line in emulator.ledger() if emulator.url + line["channel"] == subscription["endpoint"]]
    assert (line["service"], line["id"], line["kind"]) == ("webpush", "news", "web")
    assert (line["answer"], line["taken"], line["bytes"]) == ("201", True, message["bytes"])


def test_the_newer_address_of_chrome_is_served(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator, "google", names=["browser"])
    subscription["endpoint"] = subscription["endpoint"].replace("/fcm/send/", "/wp/")
    assert send(subscription, vapid).status == 201
    assert messages(emulator, subscription)[0]["plaintext"] == HELLO.decode()


# status and wording of each fault, by vendor
NO_TTL: dict[str, str | None] = {"TTL": None}
BAD_TTL: dict[str, str | None] = {"TTL": "1.5"}
CONFLICT = "Ttl value conflicts with X-WNS-Cache-Policy."
REFUSED: dict[str, dict[str, tuple[dict[str, str | None], int, Any]]] = {
    "mozilla": {
        "no TTL": (NO_TTL, 400, 111), "bad TTL": (BAD_TTL, 400, 112), "TTL below zero": ({"TTL": "-1"}, 400, 112),
        "bad Urgency": ({"Urgency": "urgent"}, 400, 999), "two Urgencies": ({"Urgency": "low, high"}, 400, 999),
        "long Topic": ({"Topic": "a" * 33}, 400, 113), "bad Topic": ({"Topic": "a.b"}, 400, 113),
        "empty Topic": ({"Topic": ""}, 400, 113), "old encoding": ({"Content-Encoding": "aesgcm"}, 400, 110),
        "no encoding": ({"Content-Encoding": None}, 400, 110), "unsigned": ({"Authorization": None}, 401, 109),
        "bad token": ({"Authorization": "vapid t=a.b.c, k=d"}, 401, 109),
    },
    "google": {
        "no TTL": (NO_TTL, 400, "Time-to-live in header must be specified."),
        "bad TTL": (BAD_TTL, 400, "Time-to-live in header must be a number of seconds."),
        "bad Urgency": ({"Urgency": "Normal"}, 400, "Bad Request"), "bad Topic": ({"Topic": "ä"}, 400, "Bad Request"),
        "old encoding": ({"Content-Encoding": "aesgcm"}, 400, "Bad Request"),
        "unsigned": ({"Authorization": None}, 403, "missing VAPID credentials in the authorization header."),
        "bad token": ({"Authorization": "vapid t=a.b.c, k=d"}, 403, "invalid JWT provided"),
    },
    "apple": {
        "no TTL": (NO_TTL, 400, "BadWebPushRequest"), "bad Urgency": ({"Urgency": "0"}, 400, "BadWebPushRequest"),
        "bad Topic": ({"Topic": "a b"}, 400, "BadWebPushTopic"),
        "old encoding": ({"Content-Encoding": "aesgcm"}, 400, "BadWebPushRequest"),
        "unsigned": ({"Authorization": None}, 403, "BadAuthorizationHeader"),
        "bad token": ({"Authorization": "vapid t=a.b.c, k=d"}, 403, "BadJwtToken"),
    },
    "microsoft": {
        "no TTL": (NO_TTL, 400, CONFLICT),
        "TTL of zero": ({"TTL": "0"}, 400, CONFLICT),
        "zero, cached": ({"TTL": "0", "X-WNS-Cache-Policy": "cache"}, 400, CONFLICT),
        "unsigned": ({"Authorization": None}, 401, ""), "bad token": ({"Authorization": "vapid t=a.b.c, k=d"}, 401, ""),
    },
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "fault"), [(vendor, fault) for vendor in REFUSED for fault in REFUSED[vendor]])
def test_a_bad_request_is_refused_in_the_vendors_manner(
    emulator: EmulatorProcess, vapid: Vapid, vendor: str, fault: str
) -> None:
    headers, status, words = REFUSED[vendor][fault]
    subscription = subscribe(emulator, vendor)
    answer = send(subscription, vapid, headers=headers)
    assert (answer.status, told(answer)) == (status, words)
    assert messages(emulator, subscription) == []
    assert emulator.control("state")["refusal_notes"][-1]["channel"] in subscription["endpoint"]
    assert emulator.ledger()[-1]["taken"] is False


@pytest.mark.parametrize(
    ("vendor", "status", "words"),
    [("mozilla", 401, 109), ("google", 403, "credentials used to create the subscriptions"),
     ("apple", 400, "VapidPkHashMismatch"), ("microsoft", 401, "")],
)  # fmt: skip
def test_another_senders_key_is_refused_in_the_vendors_manner(
    emulator: EmulatorProcess, vapid: Vapid, vendor: str, status: int, words: Any
) -> None:
    subscription = subscribe(emulator, vendor, key=vapid.public)
    answer = send(subscription, Vapid())
    assert answer.status == status
    assert words in told(answer) if vendor == "google" else told(answer) == words
    assert send(subscription, vapid).status == 201


def test_without_a_key_the_first_sender_binds(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    assert send(subscription, vapid, Topic="a b").status == 400  # not by a push that is refused
    assert [send(subscription, sender).status for sender in (Vapid(), vapid)] == [201, 401]


@pytest.mark.parametrize(
    ("vendor", "status", "words"), [("mozilla", 404, 102), ("google", 404, "A valid push subscription endpoint"),
    ("apple", 404, "BadPath"), ("microsoft", 404, "Not Found")],
)  # fmt: skip
def test_nobody_lives_there(emulator: EmulatorProcess, vapid: Vapid, vendor: str, status: int, words: Any) -> None:
    answer = send({**subscribe(emulator), "endpoint": f"{emulator.url}{HOMES[vendor]}nobody"}, vapid, TTL=None)
    assert answer.status == status
    assert words in told(answer) if vendor == "google" else told(answer) == words


@pytest.mark.parametrize(
    ("vendor", "words"), [("mozilla", 106), ("google", "push subscription has unsubscribed or expired."),
    ("apple", "Unregistered"), ("microsoft", "Gone")],
)  # fmt: skip
def test_somebody_left(emulator: EmulatorProcess, vapid: Vapid, vendor: str, words: Any) -> None:
    answer = send(subscribe(emulator, vendor, behaviour="gone"), vapid, TTL=None)
    assert (answer.status, told(answer)) == (410, words)
    assert answer.headers.get("cache-control") == ("max-age=86400" if vendor == "mozilla" else None)


@pytest.mark.parametrize(("vendor", "status"), [("mozilla", 429), ("google", 429), ("apple", 429), ("microsoft", 406)])
def test_throttling_has_two_numbers(emulator: EmulatorProcess, vapid: Vapid, vendor: str, status: int) -> None:
    answer = send(subscribe(emulator, vendor, behaviour="throttled"), vapid)
    assert (answer.status, answer.headers["retry-after"]) == (status, "1")


@pytest.mark.parametrize(("vendor", "status"), [("mozilla", 401), ("google", 403), ("apple", 403), ("microsoft", 401)])
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "http://127.0.0.1"},
        {"aud": None},
        {"exp": 1},
        {"exp": int(time.time()) + 2 * 86_400},
        {"exp": "2000000000"},
    ],
)
def test_a_token_that_is_not_for_here_and_now_is_refused(
    emulator: EmulatorProcess, vapid: Vapid, vendor: str, status: int, claims: dict[str, Any]
) -> None:
    subscription = subscribe(emulator, vendor)
    authorization = vapid.authorization(origin_of(subscription["endpoint"]), **claims)
    assert send(subscription, vapid, Authorization=authorization).status == status


@pytest.mark.parametrize("subject", [None, "mailto: <ops@example.org>", "mailto:ops@localhost", "https://a.local"])
def test_only_apple_insists_on_a_plausible_contact(
    emulator: EmulatorProcess, vapid: Vapid, subject: str | None
) -> None:
    authorization = vapid.authorization(emulator.url, sub=subject)
    got = {v: send(subscribe(emulator, v), vapid, Authorization=authorization) for v in VENDORS}
    assert {v: answer.status for v, answer in got.items()} == {
        "mozilla": 201, "google": 201, "apple": 403, "microsoft": 201,
    }  # fmt: skip
    assert told(got["apple"]) == "BadJwtToken"


def test_the_audience_is_the_origin_as_it_was_dialled(emulator: EmulatorProcess, vapid: Vapid) -> None:
    dialled = emulator.url.replace("127.0.0.1", "localhost")
    subscription = subscribe(emulator)
    authorization = vapid.authorization(dialled)
    assert send(subscription, vapid, Authorization=authorization).status == 401
    host = dialled.removeprefix("http://")
    answer = send(subscription, vapid, Authorization=authorization, Host=host)
    assert (answer.status, answer.headers["location"].startswith(dialled)) == (201, True)


def test_a_name_that_is_not_this_machines_is_misdirected(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    authorization = vapid.authorization("http://push.example.org")
    assert send(subscription, vapid, Authorization=authorization, Host="push.example.org").status == 421


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_largest_body_is_taken_and_one_byte_more_is_not(
    emulator: EmulatorProcess, vapid: Vapid, vendor: str
) -> None:
    subscription = subscribe(emulator, vendor)
    assert send(subscription, vapid, b"x" * 3993).status == 201
    assert send(subscription, vapid, b"x" * 3994).status == 413


def test_a_message_without_payload_is_taken(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    assert send(subscription, vapid, body=b"", Content_Encoding=None).status == 201
    (message,) = messages(emulator, subscription)
    assert (message["plaintext"], message["encoding"], message["undecryptable"]) == ("", "", "")


def test_what_cannot_be_decrypted_is_taken_and_flagged(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription, other = subscribe(emulator), subscribe(emulator)
    assert send(subscription, vapid, body=encrypt(HELLO, other["keys"])).status == 201
    assert send(subscription, vapid, body=b"plain text").status == 201
    first, second = messages(emulator, subscription)
    assert (first["plaintext"], "tag" in first["undecryptable"]) == (None, True)
    assert (second["plaintext"], "no head" in second["undecryptable"]) == (None, True)
    assert counts(emulator)["undecryptable"] == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_senders_own_key_must_not_encrypt(emulator: EmulatorProcess, vapid: Vapid, vendor: str) -> None:
    subscription = subscribe(emulator, vendor)
    assert send(subscription, vapid, body=encrypt(HELLO, subscription["keys"], vapid.private)).status == 400


@pytest.mark.parametrize(("vendor", "granted"), [("mozilla", MONTH), ("google", MONTH + 1)])
def test_firefox_keeps_nothing_longer_than_a_month(
    emulator: EmulatorProcess, vapid: Vapid, vendor: str, granted: int
) -> None:
    answer = send(subscribe(emulator, vendor), vapid, TTL=str(MONTH + 1))
    assert (answer.status, answer.headers["ttl"]) == (201, str(granted))


def test_edge_takes_a_ttl_of_zero_with_its_own_header(emulator: EmulatorProcess, vapid: Vapid) -> None:
    answer = send(subscribe(emulator, "microsoft"), vapid, TTL="0", X_WNS_Cache_Policy="no-cache")
    assert (answer.status, answer.headers["x-wns-status"]) == (201, "received")
    assert send(subscribe(emulator), vapid, TTL="0").status == 201  # nobody else minds


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_pushes(emulator: EmulatorProcess, vapid: Vapid, method: str) -> None:
    answer = send(subscribe(emulator), vapid, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_header_that_comes_twice_counts_twice(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    body, headers = prepared(subscription, vapid, Urgency="low")
    assert push(subscription["endpoint"], body, headers).status == 201
    assert push(subscription["endpoint"], body, {**headers, "urgency": "high"}).status == 400
