"""FCM, held to docs/push-services/fcm.md: what goes onto the wire, and what is brought to its door."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.push.adaptive import Badge
from devices.push.base import AddressRefused, Request, Target
from devices.push.fields import MessageInvalid
from devices.push.message import Message, Raw, Toast
from devices.push.service_account import Credentials
from devices.push.services import find
from devices.push.services.fcm import Options
from tests.devices.push.services.hard import TEXTS

SERVICE = find("fcm")
MESSAGE_ID = "01234567-89ab-8def-8123-456789abcdef"
TOKEN = "dKj3x_-example:APA91bF-_x" + "Z" * 120
TARGET = Target(TOKEN)
RSA = rsa.generate_private_key(65537, 2048)
PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
GOOGLE = "https://oauth2.googleapis.com/token"


def account(**changed: Any) -> str:
    """Return a service account's file."""
    told = {
        "type": "service_account",
        "project_id": "example-shop",
        "private_key_id": "k1",
        "private_key": PEM,
        "client_email": "push@example-shop.iam.gserviceaccount.com",
        "token_uri": GOOGLE,
    }
    return json.dumps({name: value for name, value in {**told, **changed}.items() if value is not None})


CREDENTIALS = Credentials(account())


def pushed(message: Message, options: Options | None = None, token: str = "bearer-1") -> Request:
    """Return what is sent to one phone."""
    return SERVICE.build(TARGET, SERVICE.encode(message, "", options), MESSAGE_ID, CREDENTIALS, token)


def told(message: Message, options: Options | None = None) -> dict[str, Any]:
    """Return the message as FCM reads it."""
    parsed: dict[str, Any] = json.loads(pushed(message, options).body)
    assert list(parsed) == ["message"]
    shown: dict[str, Any] = parsed["message"]
    return shown


# Addresses


@pytest.mark.parametrize("token", [TOKEN, "a" * 8, "a" * 2048, "x:y.z_=~-0", "A" * 64 + "g"])
def test_a_registration_token_is_kept_as_it_was_given(token: str) -> None:
    assert SERVICE.clean_address(token) == token


HOSTILE = [
    *("", " ", "a" * 7, "a" * 2049, "a b c d e f", f" {TOKEN}", f"{TOKEN} ", f"{TOKEN}\n", f"{TOKEN}\r\nX: 1"),
    *(f"{TOKEN}\0", f"{TOKEN}\t", f"{TOKEN}\u2028", f"{TOKEN}é", f"{TOKEN}Ａ", f"{TOKEN}٣", "аааааааааа", "\ud800" * 9),
    *(f'{TOKEN}"', f'x","token":"{TOKEN}', f"{TOKEN}\\", f"{TOKEN}{{", f"{TOKEN}/../x", f"{TOKEN}?x", f"{TOKEN}#x"),
    *(f"{TOKEN}%0d%0a", f"{TOKEN}&a", f"{TOKEN}+", f"{TOKEN},", f"{TOKEN};", f"{TOKEN}'", f"{TOKEN}<", f"{TOKEN}@x"),
    *("https://fcm.googleapis.com/fcm/send/x", "http://127.0.0.1/aaaaaaaa", "file:///etc/passwd", "//evil.example/aa"),
    *("/topics/news-of-today", "'a' in topics", "javascript:alert(1)//", "5a" * 32, "5A" * 32),
]  # fmt: skip


@pytest.mark.threats(1, 2, 3, 5)
@pytest.mark.parametrize("raw", HOSTILE)
def test_what_is_no_registration_token_is_refused(raw: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        SERVICE.clean_address(raw, extra_hosts=frozenset({"127.0.0.1:9100"}))
    assert str(refusal.value).endswith(".")


# What is sent


@pytest.mark.threats(11)
def test_the_bearer_token_goes_to_the_projects_own_address_and_nowhere_else() -> None:
    request = pushed(Toast(title="A"))
    assert request.url == "https://fcm.googleapis.com/v1/projects/example-shop/messages:send"
    assert (request.method, request.http2, request.authenticated) == ("POST", True, True)
    headers = dict(request.all_headers)
    assert headers == {"Content-Type": "application/json; UTF-8", "Authorization": "Bearer bearer-1"}
    here = Credentials(account(token_uri="http://127.0.0.1:9100/token"))
    sent = SERVICE.build(TARGET, SERVICE.encode(Toast(title="A"), ""), MESSAGE_ID, here, "t")
    assert sent.url == "http://127.0.0.1:9100/v1/projects/example-shop/messages:send"


@pytest.mark.threats(38)
@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\0", "é"])
def test_a_bearer_token_with_a_line_end_is_no_header(token: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        pushed(Toast(title="A"), token=token)


def test_a_notification_is_told_to_one_token() -> None:
    shown = told(Toast(title="Storm", text="Gusts", link="https://example.org/?a=1&b=2"))
    assert shown == {
        "notification": {"title": "Storm", "body": "Gusts"},
        "android": {
            "priority": "HIGH",
            "ttl": "604800s",
            "notification": {"sound": "default", "tag": MESSAGE_ID},
        },
        "data": {"mid": MESSAGE_ID, "url": "https://example.org/?a=1&b=2"},
        "token": TOKEN,
    }
    assert told(Toast(text="Only text"))["notification"] == {"title": "Only text"}


def test_every_option_arrives() -> None:
    options = Options(
        priority="NORMAL",
        kept=3600,
        collapse_key="storm",
        channel="news",
        icon="ic_storm",
        colour="#2D7D9A",
        image="https://example.org/i.png",
        sound="bell",
        tag="storm-1",
        click_action="OPEN",
        visibility="SECRET",
        count=0,
        apple_badge=0,
        web_link="https://example.org/w",
    )
    shown = told(Toast(title="A"), options)
    assert shown["notification"] == {"title": "A", "image": "https://example.org/i.png"}
    assert shown["android"] == {
        "priority": "NORMAL",
        "ttl": "3600s",
        "collapse_key": "storm",
        "notification": {
            "channel_id": "news",
            "icon": "ic_storm",
            "color": "#2D7D9A",
            "sound": "bell",
            "click_action": "OPEN",
            "visibility": "SECRET",
            "notification_count": 0,
            "tag": "storm-1",
        },
    }
    assert shown["apns"] == {"payload": {"aps": {"badge": 0}}}
    assert shown["webpush"] == {"fcm_options": {"link": "https://example.org/w"}}


def test_with_nothing_to_say_to_android_it_is_still_json() -> None:
    shown = told(Toast(title="A"), Options(sound=""))
    assert shown["android"]["notification"] == {"tag": MESSAGE_ID}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"priority": "high"}, "priority"),
        ({"priority": ""}, "priority"),
        ({"kept": 7}, "kept"),
        ({"kept": "3600s"}, "kept"),
        ({"kept": True}, "kept"),
        ({"kept": 2_419_201}, "kept"),
        ({"collapse_key": "x" * 201}, "collapse_key"),
        ({"channel": "x" * 201}, "channel"),
        ({"icon": "x" * 201}, "icon"),
        ({"colour": "red"}, "colour"),
        ({"colour": "#12345"}, "colour"),
        ({"image": "http://example.org/i.png"}, "image"),
        ({"image": "https://"}, "image"),
        ({"image": "https://example.org/" + "x" * 1024}, "image"),
        ({"image": "data:image/png;base64,AA"}, "image"),
        ({"sound": "x" * 201}, "sound"),
        ({"tag": "x" * 201}, "tag"),
        ({"click_action": "x" * 201}, "click_action"),
        ({"visibility": "public"}, "visibility"),
        ({"count": -1}, "count"),
        ({"count": "many"}, "count"),
        ({"apple_badge": 100_000}, "apple_badge"),
        ({"web_link": "javascript:alert(1)"}, "web_link"),
        ({"web_link": "http://example.org/"}, "web_link"),
    ],
)
def test_wrong_options_name_their_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Options(**wrong)
    assert [problem.field for problem in refusal.value.problems] == [field]


@pytest.mark.threats(25)
@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    shown = told(Toast(title=text, text=text), Options(tag=text, channel=text, sound=text))
    assert shown["notification"] == {"title": text, "body": text}
    android = shown["android"]["notification"]
    assert (android["tag"], android["channel_id"], android["sound"]) == (text, text, text)
    assert (shown["token"], shown["data"]) == (TOKEN, {"mid": MESSAGE_ID})
    raw = told(Raw(body=json.dumps({"k": text, text: "v", "n": {"deep": text}})))
    assert (raw["data"]["k"], raw["data"][text], raw["token"]) == (text, "v", TOKEN)
    assert json.loads(raw["data"]["n"]) == {"deep": text}
    assert told(Raw(body=text))["data"] == {"mid": MESSAGE_ID, "body": text}


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("{}", {}),
        ("[1,2]", {"body": "[1,2]"}),
        ('{"a":1,"b":true,"c":null,"d":[1],"e":"x"}', {"a": "1", "b": "true", "c": "null", "d": "[1]", "e": "x"}),
        ('{"data":"{","token":"t"}', {"data": "{", "token": "t"}),
        ('{"a":"x\\ud800y","\\udfff":1}', {"a": "xy", "": "1"}),
        ('{"a":["\\ud83d\\ude00\\ud83d"]}', {"a": '["😀"]'}),
        ("[" * 50_000, {"body": "[" * 50_000}),
    ],
)
def test_a_raw_message_is_told_as_names_and_texts(body: str, data: dict[str, str]) -> None:
    shown = told(Raw(body=body))
    assert shown["data"] == {"mid": MESSAGE_ID, **data}
    assert "notification" not in shown
    assert shown["android"] == {"priority": "HIGH", "ttl": "604800s"}


@pytest.mark.threats(35)
@pytest.mark.parametrize("depth", [*range(900, 1000, 3), 3000])
def test_no_depth_of_a_raw_message_ends_its_sender(depth: int) -> None:
    body = '{"a":' + "[" * depth + "]" * depth + "}"
    shown = told(Raw(body=body))["data"]
    assert shown in ({"mid": MESSAGE_ID, "a": body[5:-1]}, {"mid": MESSAGE_ID, "body": body})


@pytest.mark.parametrize("name", ["from", "message_type", "google.x", "gcm.x", "gcm.a\nb", "google.", "mid"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    (problem,) = SERVICE.problems(Raw(body=json.dumps({name: "x"})))
    assert (problem.field, problem.level) == ("body", "error")


@pytest.mark.parametrize("name", ["sender", "url", "fromage", "googles", "data"])
def test_other_names_are_free(name: str) -> None:
    assert SERVICE.problems(Raw(body=json.dumps({name: "x"}))) == []


def test_a_second_copy_takes_the_place_of_the_first() -> None:
    first, second = pushed(Toast(title="A")), pushed(Toast(title="A"), token="bearer-2")
    assert first.body == second.body
    assert told(Toast(title="A"), Options(tag="mine"))["android"]["notification"]["tag"] == "mine"


@pytest.mark.parametrize(
    ("seconds", "ttl"), [(700_000, "604800s"), (604_799, "604799s"), (5, "5s"), (0, "0s"), (-9, "0s")]
)
def test_it_is_kept_no_longer_than_the_campaign_goes_on(seconds: int, ttl: str) -> None:
    payload = SERVICE.kept_at_most(SERVICE.encode(Toast(title="👋", link="/x"), ""), seconds)
    request = SERVICE.build(TARGET, payload, MESSAGE_ID, CREDENTIALS, "t")
    shown = json.loads(request.body)["message"]
    assert shown.pop("android") == {
        "priority": "HIGH",
        "ttl": ttl,
        "notification": {"sound": "default", "tag": MESSAGE_ID},
    }
    assert shown == {"notification": {"title": "👋"}, "data": {"mid": MESSAGE_ID, "url": "/x"}, "token": TOKEN}


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_the_largest_message_fits_and_one_byte_more_does_not(letter: str) -> None:
    bare = len(SERVICE.encode(Toast(text="x"), "").body) - 1
    room = 3896 - bare
    largest = letter * (room // len(letter.encode()))
    largest += "x" * (room - len(largest.encode()))
    assert SERVICE.problems(Toast(text=largest)) == []
    assert [problem.level for problem in SERVICE.problems(Toast(text=largest + "x"))] == ["error"]
    body = json.loads(pushed(Toast(text=largest)).body)
    del body["message"]["token"]
    assert len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()) <= 4096


def test_what_phones_cannot_show_is_none_of_theirs() -> None:
    with pytest.raises(LookupError):
        SERVICE.encode(Badge(count=1), "")
    assert [problem.level for problem in SERVICE.problems(Badge(count=1))] == ["error"]


def test_a_sample_shows_nobody_who_we_are() -> None:
    for message in (Toast(title="A"), Raw(body="x")):
        (target,) = SERVICE.samples
        assert SERVICE.clean_address(target.address) == target.address
        request = SERVICE.build(target, SERVICE.encode(message, ""), MESSAGE_ID, None)
        assert not request.authenticated
        assert "Authorization" not in dict(request.all_headers)
        assert json.loads(request.body)["message"]["token"] == target.address


def test_a_link_is_for_the_app_to_find() -> None:
    assert [note.field for note in SERVICE.notes(Toast(title="A", link="/x"), "")] == ["link"]
    assert SERVICE.notes(Toast(title="A", link="/x"), "", Options(click_action="OPEN")) == []


def test_what_fails_together_is_a_project() -> None:
    assert SERVICE.circuit(TARGET, CREDENTIALS) == "fcm:example-shop"
    assert SERVICE.circuit(TARGET) == "fcm"
    assert CREDENTIALS.fingerprint == "example-shop"
