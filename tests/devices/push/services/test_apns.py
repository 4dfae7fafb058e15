"""APNs, held to docs/push-services/apns.md: what goes onto the wire, and what is brought to its door."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.push.adaptive import AdaptiveTile, Badge
from devices.push.apple_key import Credentials
from devices.push.base import AddressRefused, Payload, Request, Target
from devices.push.fields import MessageInvalid
from devices.push.message import Message, Raw, Toast
from devices.push.services import find
from devices.push.services.apns import Options
from tests.devices.push.services.hard import TEXTS

SERVICE = find("apns")
MESSAGE_ID = "01234567-89ab-8def-8123-456789abcdef"
TOKEN = "5a" * 32
TARGET, SANDBOXED = Target(TOKEN), Target(f"sandbox:{TOKEN}")
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CREDENTIALS = Credentials("org.example.shop", "TEAM123456", "KEY1234567", PEM)


def pushed(message: Message, options: Options | None = None, target: Target = TARGET, token: str = "jwt-1") -> Request:
    """Return what is sent to one device."""
    return SERVICE.build(target, SERVICE.encode(message, "", options), MESSAGE_ID, CREDENTIALS, token)


def told(message: Message, options: Options | None = None) -> dict[str, Any]:
    """Return the payload as the device reads it, without our id."""
    shown: dict[str, Any] = json.loads(pushed(message, options).body)
    assert shown.pop("mid") == MESSAGE_ID
    return shown


def headers_of(message: Message, options: Options | None = None) -> dict[str, str]:
    """Return the headers that are sent; no name twice, all in lower case."""
    headers = pushed(message, options).all_headers
    assert len(dict(headers)) == len(headers)
    assert all(name == name.lower() for name, _ in headers)
    return dict(headers)


# Addresses


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (TOKEN, TOKEN),
        (TOKEN.upper(), TOKEN),
        (f"sandbox:{TOKEN.upper()}", f"sandbox:{TOKEN}"),
        ("0a", "0a"),
        ("ab" * 100, "ab" * 100),
    ],
)
def test_a_device_token_is_kept_in_lower_case(raw: str, kept: str) -> None:
    assert SERVICE.clean_address(raw) == kept
    assert SERVICE.clean_address(kept) == kept


HOSTILE = [
    *("", " ", "a", "abc", "ab" * 101, "g" * 64, f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}\n", f"{TOKEN}\r\nx: 1"),
    *(f"{TOKEN}\0", f"<{TOKEN}>", "5a5a5a5a 5a5a5a5a", "5a-5a", "5a:5a", "0x5a5a", "５ａ" * 32, "٥a" * 32),
    *("5а" * 32, "5a" * 31 + "\u212a" * 2, "sandbox:", "sandbox:sandbox:5a", f"SANDBOX:{TOKEN}", '5a"}'),
    *(f"sandbox: {TOKEN}", f"sandbox:{TOKEN}\n", f"production:{TOKEN}", f"{TOKEN}/../x", f"../{TOKEN}"),
    *(f"{TOKEN}?x", f"{TOKEN}#x", f"{TOKEN}%0d%0a", f"{TOKEN}\\", f"{TOKEN}@evil.example", "\ud800\ud800"),
    *("https://api.push.apple.com/3/device/5a", "http://127.0.0.1/5a", "//evil.example/5a", "file:///etc/passwd"),
    *("dKj3x:APA91bF-_x" + "Z" * 48, "ad.example.com", "127.0.0.1", "[::1]"),
]  # fmt: skip


@pytest.mark.threats(1, 2, 3, 5)
@pytest.mark.parametrize("raw", HOSTILE)
def test_what_is_no_device_token_is_refused(raw: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        SERVICE.clean_address(raw, extra_hosts=frozenset({"127.0.0.1:443"}))
    assert str(refusal.value).endswith(".")


# What is sent


@pytest.mark.threats(11)
def test_our_token_goes_to_apple_alone_by_the_devices_environment() -> None:
    for target, host in ((TARGET, "api.push.apple.com"), (SANDBOXED, "api.sandbox.push.apple.com")):
        request = pushed(Toast(title="A"), target=target)
        assert request.url == f"https://{host}/3/device/{TOKEN}"
        assert (request.method, request.http2, request.authenticated) == ("POST", True, True)
        assert dict(request.all_headers)["authorization"] == "bearer jwt-1"
        assert request.certificate is None
    here = Credentials("org.example.shop", "TEAM123456", "KEY1234567", PEM, server="https://127.0.0.1:9443")
    payload = SERVICE.encode(Toast(title="A"), "")
    urls = [SERVICE.build(target, payload, MESSAGE_ID, here, "t").url for target in (TARGET, SANDBOXED)]
    assert urls == [f"https://127.0.0.1:9443/3/device/{TOKEN}", f"https://localhost:9443/3/device/{TOKEN}"]


@pytest.mark.threats(38)
@pytest.mark.parametrize("token", ["a\r\nx-evil: 1", "a\nb", "a\0", "é"])
def test_our_token_with_a_line_end_is_no_header(token: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        pushed(Toast(title="A"), token=token)


@pytest.mark.threats(38)
def test_an_address_with_a_line_end_is_no_path() -> None:
    with pytest.raises(ValueError, match="line end"):
        pushed(Toast(title="A"), target=Target(f"{TOKEN}\r\nx-evil: 1"))


def test_the_headers_are_those_of_the_table() -> None:
    before = int(time.time())
    headers = headers_of(Toast(title="A"))
    assert before + 604_800 <= int(headers.pop("apns-expiration")) <= time.time() + 604_800
    assert headers == {
        "apns-push-type": "alert",
        "apns-priority": "10",
        "content-type": "application/json",
        "apns-topic": "org.example.shop",
        "authorization": "bearer jwt-1",
        "apns-id": MESSAGE_ID,
        "apns-collapse-id": MESSAGE_ID,
    }
    assert len(headers["apns-collapse-id"].encode()) <= 64


@pytest.mark.parametrize("priority", ["10", "5", "1"])
def test_a_background_push_always_has_priority_5(priority: str) -> None:
    headers = headers_of(Raw(body="x"), Options(priority=priority))
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert headers_of(Toast(title="A"), Options(priority=priority))["apns-priority"] == priority
    assert headers_of(Badge(count=1), Options(priority=priority))["apns-priority"] == priority


@pytest.mark.parametrize(
    ("kept", "most", "expected"),
    [(0, None, 0), (3600, None, 3600), (3600, 60, 60), (3600, 7200, 3600), (3600, 0, 0), (3600, -5, 0), (0, 60, 0)],
)
def test_it_is_kept_until_a_moment_or_not_at_all(kept: int, most: int | None, expected: int) -> None:
    payload = SERVICE.encode(Toast(title="A"), "", Options(kept=kept))
    if most is not None:
        payload = SERVICE.kept_at_most(payload, most)
    before = int(time.time())
    request = SERVICE.build(TARGET, payload, MESSAGE_ID, CREDENTIALS, "t")
    (spelled,) = [value for name, value in request.all_headers if name == "apns-expiration"]
    if expected:
        assert before + expected <= int(spelled) <= int(time.time()) + expected
    else:
        assert spelled == "0"


def test_a_second_copy_takes_the_place_of_the_first() -> None:
    for message in (Toast(title="A"), Badge(count=1), Raw(body="x")):
        first, second = headers_of(message), headers_of(message)
        assert first["apns-id"] == second["apns-id"] == MESSAGE_ID
        assert first["apns-collapse-id"] == second["apns-collapse-id"] == MESSAGE_ID
    assert headers_of(Toast(title="A"), Options(collapse="storm"))["apns-collapse-id"] == "storm"


def test_a_notification_is_told_as_alert() -> None:
    assert told(Toast(title="Storm", text="Gusts", link="/coast")) == {
        "aps": {"alert": {"title": "Storm", "body": "Gusts"}, "sound": "default"},
        "url": "/coast",
    }
    assert told(Toast(text="Only text"))["aps"]["alert"] == {"title": "Only text"}


def test_every_option_arrives() -> None:
    options = Options(
        subtitle="Coast",
        badge=0,
        sound="bell.caf",
        image="https://example.org/i.png",
        category="STORM",
        thread="weather",
        level="time-sensitive",
        target="window-1",
        collapse="x" * 64,
        priority="5",
        kept=3600,
    )
    assert told(Toast(title="A", text="B"), options) == {
        "aps": {
            "alert": {"title": "A", "subtitle": "Coast", "body": "B"},
            "badge": 0,
            "sound": "bell.caf",
            "category": "STORM",
            "thread-id": "weather",
            "interruption-level": "time-sensitive",
            "target-content-id": "window-1",
            "mutable-content": 1,
        },
        "image": "https://example.org/i.png",
    }
    assert told(Toast(title="A"), Options(mutable=True))["aps"]["mutable-content"] == 1
    assert "sound" not in told(Toast(title="A"), Options(sound=""))["aps"]
    assert told(Toast(title="A"), Options(level="passive"))["aps"]["interruption-level"] == "passive"
    critical = told(Toast(title="A"), Options(level="critical", sound=""))["aps"]
    assert critical["sound"] == {"critical": 1, "name": "default", "volume": 1.0}
    assert critical["interruption-level"] == "critical"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"subtitle": "x" * 201}, "subtitle"),
        ({"badge": -1}, "badge"),
        ({"badge": "many"}, "badge"),
        ({"badge": 100_000}, "badge"),
        ({"sound": "x" * 201}, "sound"),
        ({"image": "http://example.org/i.png"}, "image"),
        ({"image": "https://"}, "image"),
        ({"image": "https://a b/"}, "image"),
        ({"category": "x" * 201}, "category"),
        ({"thread": "x" * 201}, "thread"),
        ({"level": "loud"}, "level"),
        ({"target": "x" * 201}, "target"),
        ({"collapse": "x" * 65}, "collapse"),
        ({"collapse": "é"}, "collapse"),
        ({"collapse": "a\r\nx-evil: 1"}, "collapse"),
        ({"priority": "7"}, "priority"),
        ({"kept": 7}, "kept"),
        ({"kept": "1 day"}, "kept"),
        ({"kept": True}, "kept"),
    ],
)
def test_wrong_options_name_their_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Options(**wrong)
    assert [problem.field for problem in refusal.value.problems] == [field]


@pytest.mark.threats(25)
@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    shown = told(Toast(title=text, text=text), Options(subtitle=text, thread=text, category=text))["aps"]
    assert shown["alert"] == {"title": text, "subtitle": text, "body": text}
    assert (shown["thread-id"], shown["category"]) == (text, text)
    assert told(Raw(body=json.dumps({"k": text, text: "v"}))) == {"aps": {"content-available": 1}, "k": text, text: "v"}
    assert told(Raw(body=text)) == {"aps": {"content-available": 1}, "body": text}


@pytest.mark.parametrize("count", [0, 7, 9999])
def test_a_badge_is_a_number(count: int) -> None:
    assert told(Badge(count=count)) == {"aps": {"badge": count}}
    assert headers_of(Badge(count=count))["apns-push-type"] == "alert"


def test_a_sign_is_not_for_apple_and_keeps_nobody_else_from_it() -> None:
    """In a mixed audience Windows shows it: whoever cannot is left out with a reason."""
    (problem,) = SERVICE.problems(Badge(glyph="alert"))
    assert (problem.field, problem.level) == ("glyph", "warning")
    with pytest.raises(MessageInvalid, match="no sign"):
        SERVICE.encode(Badge(glyph="alert"), "")


def test_half_a_surrogate_pair_is_left_out_of_a_raw_message() -> None:
    assert told(Raw(body='{"a":"x\\ud800y"}'))["a"] == "xy"


@pytest.mark.parametrize("name", ["aps", "mid"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    (problem,) = SERVICE.problems(Raw(body=json.dumps({name: "x"})))
    assert (problem.field, problem.level) == ("body", "error")
    assert SERVICE.problems(Raw(body=f'{{"{name}2":"x"}}')) == []


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_the_largest_message_fits_and_one_byte_more_does_not(letter: str) -> None:
    room = 4046 - (len(SERVICE.encode(Toast(text="x"), "").body) - 1)
    largest = letter * (room // len(letter.encode()))
    largest += "x" * (room - len(largest.encode()))
    assert SERVICE.problems(Toast(text=largest)) == []
    assert [problem.level for problem in SERVICE.problems(Toast(text=largest + "x"))] == ["error"]
    assert 4080 < len(pushed(Toast(text=largest)).body) <= 4096


def test_what_apple_devices_cannot_show_is_none_of_theirs() -> None:
    with pytest.raises(LookupError):
        SERVICE.encode(AdaptiveTile(title="A"), "")
    assert [problem.level for problem in SERVICE.problems(AdaptiveTile(title="A"))] == ["error"]


def test_a_sample_shows_nobody_who_we_are() -> None:
    for message in (Toast(title="A"), Raw(body="x"), Badge(count=1)):
        (target,) = SERVICE.samples
        assert SERVICE.clean_address(target.address) == target.address
        request = SERVICE.build(target, SERVICE.encode(message, ""), MESSAGE_ID, None)
        assert not request.authenticated
        assert not {"authorization", "apns-topic"} & set(dict(request.all_headers))
        assert json.loads(request.body)["mid"] == MESSAGE_ID


def test_devices_are_told_what_they_will_not_do() -> None:
    assert [note.field for note in SERVICE.notes(Toast(title="A", link="/x"), "")] == ["link"]
    assert [note.field for note in SERVICE.notes(Raw(body="x"), "")] == ["body"]
    assert SERVICE.notes(Toast(title="A"), "") == []


def test_what_fails_together_is_a_key_in_an_environment() -> None:
    assert SERVICE.circuit(TARGET, CREDENTIALS) == "apns:production KEY1234567"
    assert SERVICE.circuit(SANDBOXED, CREDENTIALS) == "apns:sandbox KEY1234567"
    assert SERVICE.circuit(TARGET) == "apns:production"


def test_a_payload_is_never_broken_by_our_id() -> None:
    request = SERVICE.build(TARGET, Payload(b'{"aps":{}}', (("apns-expiration", "0"),)), MESSAGE_ID, CREDENTIALS, "t")
    assert json.loads(request.body) == {"aps": {}, "mid": MESSAGE_ID}
