"""Web Push against the vectors of its RFCs, every row of what services answer, and what is brought to its door."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from devices.push import vapid
from devices.push.base import AddressRefused, Answer, Lost, Outcome, Target
from devices.push.fields import MessageInvalid
from devices.push.message import Message, Raw, Toast
from devices.push.services import find
from devices.push.services.webpush import FOREIGN_KEY, OWN_ROOM, Credentials, Options
from tests.devices.push.vector import AUTH, UA_PUBLIC, claims, decrypted, raw

SERVICE = find("webpush")
MOZILLA = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABexample"
MESSAGE_ID = "01234567-89ab-8def-8123-456789abcdef"


# The key of these tests. It signs nothing anywhere else.
CREDENTIALS = Credentials("mailto:ops@example.org", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE")
TARGET = Target(MOZILLA, (), {"p256dh": UA_PUBLIC, "auth": AUTH})


# Addresses and keys


ENDPOINTS = (
    "https://fcm.googleapis.com/fcm/send/dKj3x:APA91bF-_x",
    "https://fcm.googleapis.com/wp/dKj3x:APA91bF-_x",
    MOZILLA,
    "https://web.push.apple.com/QGuQyavXutnMH_-x",
    "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAC%2fQnP%2BAb%3d%3d",
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_is_kept_as_the_browser_gave_it(endpoint: str) -> None:
    assert SERVICE.clean_address(endpoint) == endpoint


@pytest.mark.threats(1, 2, 3)
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://updates.push.services.mozilla.com/wpush/v2/x",
        "https://push.example.net/x",
        "https://evil-fcm.googleapis.com.evil.example/x",
        "https://fcm.googleapis.com.evil.example/fcm/send/x",
        "https://notify.windows.com.evil.example/w/?token=x",
        "https://evilnotify.windows.com/w/?token=x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://fcm.googleapis.com:8443/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://fcm.googleapis.com/x#y",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nHost: evil",
        "https://fcm.googleapis.com\\@evil.example/",
        "https://fcm.googleapis.com/%zz",
        "ftp://fcm.googleapis.com/x",
        "//fcm.googleapis.com/x",
        "https://fcm.googleapis.com/" + "x" * 2048,
    ],
)
def test_an_endpoint_elsewhere_is_refused(endpoint: str) -> None:
    with pytest.raises(AddressRefused):
        SERVICE.clean_address(endpoint)


def test_http_is_for_the_emulator_alone() -> None:
    here = frozenset({"127.0.0.1:9100"})
    assert SERVICE.clean_address("http://127.0.0.1:9100/wpush/v2/x", extra_hosts=here)
    with pytest.raises(AddressRefused, match="must begin with https"):
        SERVICE.clean_address("http://fcm.googleapis.com/x", extra_hosts=here)


def test_keys_are_tolerated_with_padding_and_in_the_other_alphabet() -> None:
    standard = base64.b64encode(raw(UA_PUBLIC)).decode()
    assert "+" in standard or "/" in standard
    assert SERVICE.clean_keys({"p256dh": standard, "auth": AUTH + "=="}) == {"p256dh": UA_PUBLIC, "auth": AUTH}


@pytest.mark.threats(51)
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"p256dh": UA_PUBLIC}, "exactly: p256dh, auth"),
        ({"p256dh": UA_PUBLIC, "auth": AUTH, "more": "x"}, "exactly: p256dh, auth"),
        ({"p256dh": vapid.encoded(raw(UA_PUBLIC)[:64]), "auth": AUTH}, "64 bytes"),
        ({"p256dh": vapid.encoded(raw(UA_PUBLIC)[:64] + b"\x0f"), "auth": AUTH}, "no point"),
        ({"p256dh": vapid.encoded(b"\x02" + raw(UA_PUBLIC)[1:]), "auth": AUTH}, "no point"),
        ({"p256dh": UA_PUBLIC, "auth": vapid.encoded(b"x" * 15)}, "15 bytes"),
        ({"p256dh": "Не ключ", "auth": AUTH}, "base64url"),
    ],
)
def test_other_keys_get_a_sentence(keys: dict[str, str], told: str) -> None:
    with pytest.raises(AddressRefused, match=told):
        SERVICE.clean_keys(keys)


# What is sent


def told(message: Message, options: Options | None = None, report: str = "r" * 43) -> dict[str, Any]:
    """Return what the browser reads."""
    request = SERVICE.build(TARGET, SERVICE.encode(message, "", options), MESSAGE_ID, CREDENTIALS, "", report)
    shown: dict[str, Any] = json.loads(decrypted(request.body))
    return shown


def test_the_headers_are_those_of_the_rfcs() -> None:
    request = SERVICE.build(TARGET, SERVICE.encode(Toast(title="A"), "", None), MESSAGE_ID, CREDENTIALS)
    headers = dict(request.all_headers)
    assert (request.method, request.url, request.authenticated) == ("POST", MOZILLA, True)
    assert list(headers) == ["TTL", "Urgency", "Content-Encoding", "Content-Type", "Topic", "Authorization"]
    assert (headers["TTL"], headers["Urgency"]) == ("604800", "normal")
    assert (headers["Content-Encoding"], headers["Content-Type"]) == ("aes128gcm", "application/octet-stream")
    assert headers["Topic"] == MESSAGE_ID.replace("-", "")
    assert claims(headers["Authorization"])[1]["aud"] == "https://updates.push.services.mozilla.com"


def test_a_toast_is_told_as_title_text_and_what_opens() -> None:
    assert told(Toast(title="Storm “Ada”", text="Gusts", link="https://example.org/a")) == {
        "v": 1,
        "title": "Storm “Ada”",
        "body": "Gusts",
        "url": "https://example.org/a",
        "id": MESSAGE_ID.replace("-", ""),
        "report": "r" * 43,
    }
    assert told(Toast(text="Only text"), report="") == {
        "v": 1,
        "title": "Only text",
        "id": MESSAGE_ID.replace("-", ""),
    }
    assert "url" not in told(Toast(title="A", link="?area=coast"))


def test_every_option_arrives() -> None:
    options = Options(
        link="/coast",
        icon="https://example.org/i.png",
        image="https://example.org/l.png",
        badge="/b.png",
        button_1="Map",
        button_1_link="/map",
        button_2="Later",
        tag="storm",
        stays=True,
        silent=True,
        urgency="high",
        kept=3600,
    )
    shown = told(Toast(title="A", link="https://example.org/"), options)
    assert shown["url"] == "/coast"
    assert shown["buttons"] == [{"title": "Map", "url": "/map"}, {"title": "Later", "url": ""}]
    assert [shown[name] for name in ("icon", "image", "badge")] == [options.icon, options.image, options.badge]
    assert (shown["tag"], shown["stays"], shown["silent"]) == ("storm", True, True)
    headers = dict(SERVICE.encode(Toast(title="A"), "", options).headers)
    assert (headers["TTL"], headers["Urgency"]) == ("3600", "high")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"link": "javascript:alert(1)"}, "link"),
        ({"link": "//evil.example/x"}, "link"),
        ({"link": "/\\evil.example/x"}, "link"),
        ({"icon": "//"}, "icon"),
        ({"button_1": "Map", "button_1_link": "//evil.example"}, "button_1_link"),
        ({"link": "https://" + "x" * 1024}, "link"),
        ({"icon": "http://example.org/i.png"}, "icon"),
        ({"image": "data:image/png;base64,AA"}, "image"),
        ({"badge": "b.png"}, "badge"),
        ({"button_1_link": "/map"}, "button_1"),
        ({"button_2": "Later"}, "button_1"),
        ({"button_1": "x" * 61}, "button_1"),
        ({"button_1": "Map", "button_1_link": "data:text/html,x"}, "button_1_link"),
        ({"tag": "x" * 101}, "tag"),
        ({"urgency": "urgent"}, "urgency"),
        ({"kept": 7}, "kept"),
        ({"kept": "1 day"}, "kept"),
    ],
)
def test_wrong_options_name_their_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Options(**wrong)
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_what_is_too_long_is_refused_and_what_is_long_is_told() -> None:
    def levels(count: int) -> list[str]:
        return [problem.level for problem in SERVICE.problems(Toast(text="x" * count))]

    around = len(SERVICE.encode(Toast(text="x"), "", None).body) - 1
    assert levels(2700 - OWN_ROOM - around) == []
    assert levels(2701 - OWN_ROOM - around) == levels(3993 - OWN_ROOM - around) == ["warning"]
    assert levels(3994 - OWN_ROOM - around) == ["error"]
    largest = Toast(text="x" * (3993 - OWN_ROOM - around))
    request = SERVICE.build(TARGET, SERVICE.encode(largest, "", None), MESSAGE_ID, CREDENTIALS, "", "r" * 64)
    assert len(request.body) == 4096


def test_what_browsers_cannot_show_is_none_of_theirs() -> None:
    with pytest.raises(LookupError):
        SERVICE.encode(Raw(body="x"), "", None)
    assert [problem.level for problem in SERVICE.problems(Raw(body="x"))] == ["error"]


def test_nothing_leaves_signed_without_a_key() -> None:
    request = SERVICE.build(TARGET, SERVICE.encode(Toast(title="A"), "", None), MESSAGE_ID, None)
    assert not request.authenticated
    assert "Authorization" not in dict(request.all_headers)
    assert SERVICE.credentials_needed


def test_a_key_that_changes_loses_its_browsers() -> None:
    other = Credentials("ops@example.org", vapid.new_key())
    assert SERVICE.binds_devices
    assert CREDENTIALS.fingerprint == CREDENTIALS.public != other.fingerprint
    assert Credentials("other@example.org", CREDENTIALS.private).fingerprint == CREDENTIALS.fingerprint


def test_what_fails_together_is_one_vendor() -> None:
    assert [SERVICE.circuit(Target(endpoint)).partition(":")[2] for endpoint in ENDPOINTS] == [
        "https://fcm.googleapis.com",
        "https://fcm.googleapis.com",
        "https://updates.push.services.mozilla.com",
        "https://web.push.apple.com",
        "https://wns2-par02p.notify.windows.com",
    ]


# What comes back


def mozilla(code: int, errno: int, message: str = "") -> bytes:
    return json.dumps({"code": code, "errno": errno, "error": "x", "message": message}).encode()


ROWS: list[tuple[int, dict[str, str], bytes, Outcome]] = [
    (201, {"location": "https://push.example.net/m/1"}, b"", Outcome.ACCEPTED),
    (201, {"location": "/m/1", "ttl": "2592000"}, b"", Outcome.ACCEPTED),
    (200, {}, b"", Outcome.ACCEPTED),
    (202, {}, b"", Outcome.ACCEPTED),
    (204, {}, b"", Outcome.ACCEPTED),
    (201, {"x-wns-status": "received"}, b"", Outcome.ACCEPTED),
    (201, {"x-wns-status": "dropped"}, b"", Outcome.DROPPED),
    (200, {"x-wns-notificationstatus": "channelthrottled"}, b"", Outcome.RETRY),
    (301, {"location": "https://evil.example/"}, b"", Outcome.REJECTED),
    (307, {"location": "https://evil.example/"}, b"", Outcome.REJECTED),
    (308, {}, b"", Outcome.REJECTED),
    (400, {}, mozilla(400, 111), Outcome.REJECTED),
    (400, {}, b'{"reason":"BadWebPushTopic"}', Outcome.REJECTED),
    (400, {}, b'{"reason":"VapidPkHashMismatch"}', Outcome.GONE),
    (400, {"x-wns-error-description": "Ttl value conflicts with X-WNS-Cache-Policy."}, b"", Outcome.REJECTED),
    (401, {}, mozilla(401, 109), Outcome.DENIED),
    (401, {}, b"", Outcome.DENIED),
    (403, {}, b'{"reason":"BadJwtToken"}', Outcome.DENIED),
    (403, {}, f"the VAPID credentials in the authorization header {FOREIGN_KEY}s.\n".encode(), Outcome.GONE),
    (403, {}, b"permission denied: invalid JWT provided", Outcome.DENIED),
    (404, {}, mozilla(404, 102), Outcome.GONE),
    (404, {}, b"<html>Not found</html>", Outcome.GONE),
    (410, {}, mozilla(410, 106), Outcome.GONE),
    (410, {}, b"push subscription has unsubscribed or expired.\n", Outcome.GONE),
    (413, {}, mozilla(413, 104), Outcome.REJECTED),
    (406, {"retry-after": "60"}, b"", Outcome.RETRY),
    (429, {"retry-after": "60"}, b'{"reason":"TooManyRequests"}', Outcome.RETRY),
    (429, {}, b"", Outcome.RETRY),
    (500, {}, b"", Outcome.RETRY),
    (502, {}, mozilla(502, 901), Outcome.RETRY),
    (503, {"retry-after": "120"}, mozilla(503, 201), Outcome.RETRY),
    (504, {}, b"", Outcome.RETRY),
    (405, {}, b"", Outcome.REJECTED),
    (418, {}, b"", Outcome.REJECTED),
]


@pytest.mark.parametrize(("status", "headers", "body", "outcome"), ROWS)
def test_every_answer_has_its_meaning(status: int, headers: dict[str, str], body: bytes, outcome: Outcome) -> None:
    verdict = SERVICE.interpret(Answer(status, headers, body), authenticated=True)
    assert verdict.outcome is outcome
    assert verdict.reason
    assert not verdict.ambiguous


def test_the_services_own_words_are_kept_and_cut() -> None:
    verdict = SERVICE.interpret(Answer(401, {}, mozilla(401, 109, "VAPID " + "x" * 500)))
    assert verdict.words[0] == ("errno", "109")
    assert max(len(word) for _, word in verdict.words) == 200
    said = SERVICE.interpret(Answer(400, {"apns-id": "A-1"}, b'{"reason":"BadWebPushRequest"}'))
    assert said.words == (("apns-id", "A-1"), ("reason", "BadWebPushRequest"))
    assert SERVICE.interpret(Answer(403, {}, b"  two\n words ")).words == (("body", "two words"),)
    assert SERVICE.interpret(Answer(400, {}, b"[" * 60_000)).outcome is Outcome.REJECTED


def test_what_a_service_says_when_it_takes_a_push_is_kept_and_where_it_put_the_message_is_not() -> None:
    for granted, place in (("604800", "/m/1"), ("60", "/m/2"), ("604800", "/m/3")):
        verdict = SERVICE.interpret(Answer(201, {"ttl": granted, "location": place}))
        assert (verdict.outcome, verdict.words) == (Outcome.ACCEPTED, (("ttl", granted),))
    assert SERVICE.interpret(Answer(201, {"location": "/m/4"})).words == ()


def test_a_wish_to_wait_is_honoured_where_another_try_follows() -> None:
    assert SERVICE.interpret(Answer(503, {"retry-after": "120"})).retry_after == timedelta(seconds=120)
    dated = SERVICE.interpret(Answer(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    assert dated.retry_after == timedelta(seconds=1)
    assert SERVICE.interpret(Answer(410, {"retry-after": "120"})).retry_after is None


def test_no_answer_is_told_by_whether_the_push_may_have_left() -> None:
    assert SERVICE.interpret(Answer(0, lost=Lost.NOT_SENT, error="no route")).outcome is Outcome.RETRY
    verdict = SERVICE.interpret(Answer(0, lost=Lost.AMBIGUOUS, error="reset"))
    assert (verdict.outcome, verdict.ambiguous) == (Outcome.UNKNOWN, True)
