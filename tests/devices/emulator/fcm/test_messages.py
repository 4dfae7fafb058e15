"""What FCM takes and what it refuses, before any device is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.devices.emulator.fcm.sender import (
    NOTE,
    PROJECT,
    account,
    code,
    error,
    messages,
    post,
    send,
    token_of,
    violations,
)
from tests.devices.emulator.sender import Answer
from tests.emulator import EmulatorProcess

OK: dict[str, Any] = {"token": "ok.a:APA91b-_", **NOTE}


def refused(answer: Answer) -> tuple[str, str]:
    """Return the field and the description of the one violation of a 400."""
    assert (answer.status, error(answer)["status"], code(answer)) == (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    (violation,) = violations(answer)
    assert violation["description"] == error(answer)["message"]
    return violation["field"], violation["description"]


# who may push where


def test_a_push_needs_an_access_token(emulator: EmulatorProcess, bearer: str) -> None:
    path = f"/v1/projects/{PROJECT}/messages:send"
    body = json.dumps({"message": OK}).encode()
    missing = post(emulator, path, body, {"Content-Type": "application/json"})
    assert (missing.status, error(missing)["status"], code(missing)) == (401, "UNAUTHENTICATED", "")
    assert "missing required" in error(missing)["message"]
    for wrong in ("Bearer x", f"Basic {bearer}", bearer, f"Bearer {bearer}x"):
        answer = send(emulator, "", OK, headers={"Authorization": wrong})
        assert (answer.status, error(answer)["status"], code(answer)) == (401, "UNAUTHENTICATED", "")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert send(emulator, "", OK, headers={"Authorization": f"bearer  {bearer}"}).status == 200
    assert [line["answer"] for line in emulator.ledger()[-6:]] == ["401 UNAUTHENTICATED"] * 5 + ["200"]


def test_a_token_is_for_its_own_project(emulator: EmulatorProcess, bearer: str) -> None:
    account(emulator, "another-shop")
    answer = send(emulator, bearer, OK, "another-shop")
    assert (answer.status, error(answer)["status"], code(answer)) == (403, "PERMISSION_DENIED", "")


def test_a_project_that_nobody_has(emulator: EmulatorProcess, bearer: str) -> None:
    answer = send(emulator, bearer, OK, "nobodys-shop")
    assert (answer.status, error(answer)["status"], code(answer)) == (404, "NOT_FOUND", "")


def test_a_disabled_account_pushes_nothing(emulator: EmulatorProcess) -> None:
    who = account(emulator, "closed-shop", disabled=True)
    bearer = token_of(emulator, who)
    answer = send(emulator, bearer, OK, "closed-shop")
    assert (answer.status, error(answer)["status"], code(answer)) == (403, "PERMISSION_DENIED", "")
    account(emulator, "closed-shop", disabled=False)
    assert send(emulator, bearer, OK, "closed-shop").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/batch",
        "/v1/projects/demo-shop/messages",
        "/v1/projects/demo-shop/messages:sendAll",
        "/v1/projects//messages:send",
    ],
)
def test_other_paths_are_not_there(emulator: EmulatorProcess, bearer: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    assert post(emulator, path, json.dumps({"message": OK}).encode(), headers).status == 404
    assert post(emulator, "/v1/projects/demo-shop/messages:send", b"", headers, "GET").status == 404


# what a message may hold


def test_a_message_with_everything_is_taken(emulator: EmulatorProcess, bearer: str) -> None:
    text = dict.fromkeys(("icon", "sound", "tag", "click_action", "channel_id", "image", "ticker"), "x")
    notification: dict[str, Any] = {
        **text, "title": "T2", "color": "#a1B2c3", "sticky": False, "local_only": True, "notification_count": 3,
        "event_time": "2025-01-31T10:00:00.000000Z", "notification_priority": "PRIORITY_HIGH", "visibility": "PUBLIC",
        "title_loc_key": "k", "title_loc_args": ["a"], "vibrate_timings": ["0.5s", "1s"], "default_sound": True,
        "light_settings": {"color": {"red": 1, "alpha": 0.5}, "light_on_duration": "1s", "light_off_duration": "1s"},
        "proxy": "ALLOW", "default_vibrate_timings": False, "default_light_settings": False,
    }  # fmt: skip
    message = {
        **OK,
        "data": {"k": "v", "mid": "c1-7"},
        "android": {
            "priority": "HIGH", "ttl": "86400s", "collapse_key": "c", "restricted_package_name": "org.x",
            "direct_boot_ok": False, "data": {"k": "w"}, "notification": notification,
            "fcm_options": {"analytics_label": "x"},
        },
        "apns": {"headers": {"apns-priority": "10"}, "payload": {"aps": {"badge": 1}}, "fcm_options": {"image": "i"}},
        "webpush": {
            "headers": {"TTL": "86400"}, "data": {}, "notification": {"title": "x", "vibrate": [1]},
            "fcm_options": {"link": "https://example.org"},
        },
        "fcm_options": {"analytics_label": "campaign_42"},
    }  # fmt: skip
    answer = send(emulator, bearer, message)
    assert answer.status == 200
    (received,) = messages(emulator, OK["token"])
    assert received["name"] == json.loads(answer.body)["name"]
    assert received["name"].startswith(f"projects/{PROJECT}/messages/")
    assert received["message"] == message
    shown = received["shown"]
    assert (shown["title"], shown["body"], shown["color"]) == ("T2", "B", "#a1B2c3")
    assert (shown["data"], shown["priority"], shown["ttl"]) == ({"k": "w"}, "HIGH", "86400s")
    line = emulator.ledger()[-1]
    assert (line["service"], line["id"], line["channel"], line["kind"]) == ("fcm", "c1-7", OK["token"], "fcm")
    assert (line["answer"], line["taken"], line["behaviour"]) == ("200", True, "ok")


def test_fields_have_two_spellings(emulator: EmulatorProcess, bearer: str) -> None:
    android = {"collapseKey": "c", "directBootOk": True, "notification": {"clickAction": "x", "channelId": "y"}}
    assert send(emulator, bearer, {**OK, "android": android}, validateOnly=False).status == 200
    (received,) = messages(emulator, OK["token"])
    assert received["message"]["android"]["collapse_key"] == "c"
    assert received["shown"]["click_action"] == "x"
    assert emulator.ledger()[-1]["id"] == "c"


def test_null_is_as_if_it_were_absent(emulator: EmulatorProcess, bearer: str) -> None:
    assert send(emulator, bearer, {**OK, "topic": None, "android": None, "data": None}).status == 200


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("message", {**OK, "datum": 1}),
        ("message.android", {**OK, "android": {"collapse": "x"}}),
        ("message.notification", {**OK, "notification": {"icon": "x"}}),
        ("message", {**OK, "name": "x"}),
        ("message.android.notification", {**OK, "android": {"notification": {"Title": "x"}}}),
        ("message.apns", {**OK, "apns": {"aps": {}}}),
        ("message.webpush.fcm_options", {**OK, "webpush": {"fcm_options": {"url": ""}}}),
    ],
)
def test_an_unknown_field_is_named(emulator: EmulatorProcess, bearer: str, field: str, message: dict[str, Any]) -> None:
    where, why = refused(send(emulator, bearer, message))
    assert where == field
    assert why.startswith('Invalid JSON payload received. Unknown name "')
    assert why.endswith(f"\" at '{field}': Cannot find field.")


def test_an_unknown_field_beside_the_message(emulator: EmulatorProcess, bearer: str) -> None:
    _, why = refused(send(emulator, bearer, OK, registration_ids=["a"]))
    assert why == 'Invalid JSON payload received. Unknown name "registration_ids": Cannot find field.'


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("message.data[0].value", {"data": {"k": 1}}),
        ("message.data[1].value", {"data": {"a": "b", "k": None}}),
        ("message.data", {"data": ["k"]}),
        ("message.data", {"data": {"from": "x"}}),
        ("message.data", {"data": {"message_type": "x"}}),
        ("message.data", {"data": {"google.x": "x"}}),
        ("message.data", {"data": {"gcm.x": "x"}}),
        ("message.android.data", {"android": {"data": {"from": "x"}}}),
        *(
            ("message.android.ttl", {"android": {"ttl": ttl}})
            for ttl in ("86400", 86400, "-1s", "2419201s", "1.0000000001s", "s", "1 s")
        ),
        ("message.android.priority", {"android": {"priority": "URGENT"}}),
        ("message.android.priority", {"android": {"priority": 10}}),
        ("message.android.collapse_key", {"android": {"collapse_key": 7}}),
        ("message.android.direct_boot_ok", {"android": {"direct_boot_ok": "true"}}),
        *(
            ("message.android.notification.color", {"android": {"notification": {"color": color}}})
            for color in ("red", "#fff", "#12345g")
        ),
        ("message.android.notification.notification_count", {"android": {"notification": {"notification_count": 1.5}}}),
        ("message.android.notification.visibility", {"android": {"notification": {"visibility": "HIDDEN"}}}),
        ("message.android.notification.event_time", {"android": {"notification": {"event_time": "today"}}}),
        ("message.android.notification.title_loc_args", {"android": {"notification": {"title_loc_args": "a"}}}),
        (
            "message.android.notification.vibrate_timings[1]",
            {"android": {"notification": {"vibrate_timings": ["1s", "1"]}}},
        ),
        (
            "message.android.notification.light_settings.color.red",
            {"android": {"notification": {"light_settings": {"color": {"red": 2}}}}},
        ),
        ("message.notification", {"notification": "x"}),
        ("message.notification.title", {"notification": {"title": 1}}),
        ("message.fcm_options.analytics_label", {"fcm_options": {"analytics_label": "a b"}}),
        ("message.fcm_options.analytics_label", {"fcm_options": {"analytics_label": "a" * 51}}),
        ("message.webpush.fcm_options.link", {"webpush": {"fcm_options": {"link": "http://example.org"}}}),
        ("message.apns.headers[0].value", {"apns": {"headers": {"apns-priority": 10}}}),
        ("message.apns.payload", {"apns": {"payload": "x"}}),
    ],
)
def test_a_wrong_value_is_named(emulator: EmulatorProcess, bearer: str, field: str, more: dict[str, Any]) -> None:
    assert refused(send(emulator, bearer, {**OK, **more}))[0] == field
    assert messages(emulator, OK["token"]) == []
    line = emulator.ledger()[-1]
    assert (line["channel"], line["answer"], line["taken"]) == (OK["token"], "400 INVALID_ARGUMENT", False)


@pytest.mark.parametrize("ttl", ["0s", "2419200s", "3.5s", "0.000000001s"])
def test_a_good_ttl_is_taken(emulator: EmulatorProcess, bearer: str, ttl: str) -> None:
    assert send(emulator, bearer, {**OK, "android": {"ttl": ttl}}).status == 200


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (NOTE, "message"),
        ({**NOTE, "token": "ok.a", "topic": "news"}, "message"),
        ({**NOTE, "topic": "a b"}, "message.topic"),
        ({**NOTE, "condition": "'a' in topics; drop"}, "message.condition"),
        ({**NOTE, "token": 7}, "message.token"),
        ({**NOTE, "condition": " || ".join(f"'t{n}' in topics" for n in range(6))}, "message.condition"),
        ([], "message"),
    ],
)
def test_there_is_exactly_one_target(emulator: EmulatorProcess, bearer: str, message: object, field: str) -> None:
    assert refused(send(emulator, bearer, message))[0] == field


@pytest.mark.parametrize(
    ("kind", "target"), [("topic", "news-1"), ("condition", "'a' in topics && ('b' in topics || 'c' in topics)")]
)
def test_topics_and_conditions_are_recorded(emulator: EmulatorProcess, bearer: str, kind: str, target: str) -> None:
    assert send(emulator, bearer, {**NOTE, kind: target}).status == 200
    assert [one[kind] for one in messages(emulator, target, kind)] == [target]


@pytest.mark.parametrize(
    "token", ["", "x", "ok", "ok.", ".a", "dance.a", "ok.a b", "ok.ä", "ok-1.a", "slow-x.a", "a" * 200]
)
def test_any_other_token_is_malformed(emulator: EmulatorProcess, bearer: str, token: str) -> None:
    answer = send(emulator, bearer, {**NOTE, "token": token})
    assert refused(answer)[0] == "message.token"


def test_size_is_counted_without_the_target(emulator: EmulatorProcess, bearer: str) -> None:
    room = 4096 - len('{"notification":{"title":"T","body":"B"},"data":{"k":""}}')
    token = "ok." + "a" * 500
    for letter, size in (("x", room), ("é", room // 2)):
        assert send(emulator, bearer, {**NOTE, "token": token, "data": {"k": letter * size}}).status == 200
    where, why = refused(send(emulator, bearer, {**NOTE, "token": token, "data": {"k": "x" * (room + 1)}}))
    assert (where, why) == ("message", "Message is too big")
    assert refused(send(emulator, bearer, {**OK, "data": {"k": "x" * 100_000}}))[1] == "Message is too big"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"{}", b'{"message":{"token":"ok.a"},}', b"\xff", b"[" * 5000]
)
def test_a_body_has_to_be_json(emulator: EmulatorProcess, bearer: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    path = f"/v1/projects/{PROJECT}/messages:send"
    refused(post(emulator, path, body, headers))
    assert emulator.ledger()[-1]["channel"] == path


def test_a_body_has_to_say_that_it_is_json(emulator: EmulatorProcess, bearer: str) -> None:
    refused(send(emulator, bearer, OK, headers={"Content-Type": "text/plain"}))
    assert send(emulator, bearer, OK, headers={"Content-Type": "application/json; UTF-8"}).status == 200


# what is checked and not delivered, and how much


def test_a_dry_run_leaves_no_delivery(emulator: EmulatorProcess, bearer: str) -> None:
    answer = send(emulator, bearer, OK, validate_only=True)
    assert json.loads(answer.body) == {"name": f"projects/{PROJECT}/messages/fake_message_id"}
    assert messages(emulator, OK["token"]) == []
    assert emulator.control("phones")["androids"] == []
    assert emulator.ledger()[-1]["taken"] is False
    refused(send(emulator, bearer, {**OK, "data": {"k": 1}}, validate_only=True))
    refused(send(emulator, bearer, {**OK, "token": "x"}, validate_only=True))


def test_the_quota_of_a_project_is_filled_every_minute(emulator: EmulatorProcess, bearer: str) -> None:
    emulator.control("fcm/settings", {"quota_per_minute": 3})
    got = [send(emulator, bearer, {**NOTE, "token": token}).status for token in ("ok.a", "x", "unregistered.a", "ok.a")]
    assert got == [200, 400, 404, 429]  # what the client did wrong counts too
    answer = send(emulator, bearer, OK)
    assert (answer.status, error(answer)["status"], code(answer)) == (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    other = token_of(emulator, account(emulator, "another-shop"))
    assert send(emulator, other, OK, "another-shop").status == 200
    emulator.control("clock", {"advance": 60})
    assert send(emulator, bearer, OK).status == 200


def test_a_device_gets_so_many_a_minute(emulator: EmulatorProcess, bearer: str) -> None:
    emulator.control("fcm/settings", {"device_per_minute": 0})
    assert code(send(emulator, bearer, OK)) == "QUOTA_EXCEEDED"
    emulator.control("fcm/settings", {"device_per_minute": 2})
    emulator.control("clock", {"advance": 60})
    got = [send(emulator, bearer, OK).status for _ in range(4)]
    assert got[:2] == [200, 200]
    assert 429 in got[2:]
    assert send(emulator, bearer, {**OK, "token": "ok.b"}).status == 200
