"""What a push must be like, the reason that APNs gives for refusing one, and the order in which it looks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.emulator.apns.answers import REASONS
from devices.emulator.apns.behaviours import BEHAVIOURS
from devices.emulator.apns.checks import SUFFIXES
from tests.devices.emulator.apns.sender import HELLO, Sender, reason, token_of
from tests.emulator import EmulatorProcess

ID = "123e4567-e89b-12d3-a456-42665544000a"
APP = "org.example.demo"
Changed = dict[str, Any]


def line(emulator: EmulatorProcess) -> dict[str, Any]:
    """Return what the last line of the ledger says, without its times."""
    return {name: value for name, value in emulator.ledger()[-1].items() if name not in {"at", "wall"}}


def test_a_good_push_is_accepted_and_reaches_the_device(emulator: EmulatorProcess, sender: Sender) -> None:
    answer = sender.push("ok.phone-1", apns_id=ID)
    assert (answer.status, answer.body, answer.headers["apns-id"]) == (200, b"", ID)
    assert "apns-unique-id" not in answer.headers
    (message,) = emulator.control(f"apns/messages?token={token_of('ok.phone-1')}")["messages"]
    assert (message["payload"], message["apns_id"], message["topic"]) == (HELLO.decode(), ID, APP)
    assert (message["push_type"], message["priority"], message["expiration"]) == ("alert", 10, None)
    assert (message["kind"], message["why"], message["delivered"]) == ("alert", "", True)
    assert "authorization" not in message["headers"]
    assert line(emulator) == {
        "service": "apns", "id": ID, "channel": token_of("ok.phone-1"), "kind": "apns", "bytes": len(HELLO),
        "behaviour": "ok", "answer": "200", "taken": True,
    }  # fmt: skip


def test_an_id_is_made_for_a_push_without_one(emulator: EmulatorProcess, sender: Sender) -> None:
    first, second = (sender.push("ok.phone-1").headers["apns-id"] for _ in range(2))
    assert first != second
    assert len(first) == 36
    assert line(emulator)["id"] == ""


# What is wrong with the head, and the answer. A comment says why where the table of Apple leaves it open.
HEADS: list[tuple[Changed, int, str]] = [
    ({"apns_id": "1"}, 400, "BadMessageId"),
    ({"apns_id": ID.replace("-", "")}, 400, "BadMessageId"),
    ({"apns_id": ""}, 400, "BadMessageId"),
    ({"__method": "GET"}, 405, "MethodNotAllowed"),
    ({"__method": "PUT"}, 405, "MethodNotAllowed"),
    ({"apns_topic": None}, 400, "MissingTopic"),
    ({"apns_topic": ""}, 400, "MissingTopic"),
    ({"apns_topic": "org example"}, 400, "BadTopic"),
    ({"apns_topic": "a" * 256}, 400, "BadTopic"),
    ({"apns_collapse_id": "c" * 65}, 400, "BadCollapseId"),
    ({"apns_collapse_id": "ü" * 33}, 400, "BadCollapseId"),  # 66 bytes
    ({"apns_expiration": "soon"}, 400, "BadExpirationDate"),
    ({"apns_expiration": "-1"}, 400, "BadExpirationDate"),
    ({"apns_expiration": ""}, 400, "BadExpirationDate"),
    ({"apns_priority": "7"}, 400, "BadPriority"),
    ({"apns_priority": "010"}, 400, "BadPriority"),
    ({"apns_push_type": "background"}, 400, "BadPriority"),  # 10, when nothing is said
    ({"apns_push_type": "background", "apns_priority": "10"}, 400, "BadPriority"),
    ({"apns_push_type": "Alert"}, 400, "InvalidPushType"),
    ({"apns_push_type": "voip"}, 400, "BadTopic"),  # without its suffix
    ({"apns_push_type": "liveactivity", "apns_topic": f"{APP}.voip"}, 400, "BadTopic"),
    ({"apns_push_type": "voip", "apns_topic": ".voip"}, 400, "BadTopic"),
    ({"apns_topic": f"{APP}.voip"}, 400, "TopicDisallowed"),  # an alert to an app of that name
    ({"apns_topic": "org.example.other"}, 400, "TopicDisallowed"),
    ({"authorization": None}, 403, "MissingProviderToken"),
    ({"authorization": "bearer x.y.z"}, 403, "InvalidProviderToken"),
    ({"authorization": "basic x"}, 403, "InvalidProviderToken"),
]


@pytest.mark.parametrize(("changed", "status", "wanted"), HEADS)
def test_a_wrong_head_is_refused(
    emulator: EmulatorProcess, sender: Sender, changed: Changed, status: int, wanted: str
) -> None:
    answer = sender.push("ok.phone-1", **changed)
    assert reason(answer) == (status, wanted)
    assert len(answer.headers["apns-id"]) == 36
    assert (line(emulator)["answer"], line(emulator)["taken"]) == (f"{status} {wanted}", False)
    assert emulator.control("state")["refusal_notes"][-1]["why"].startswith(f"{wanted}: ")
    assert emulator.control(f"apns/messages?token={token_of('ok.phone-1')}")["messages"] == []


@pytest.mark.parametrize("name", ["apns-id", "apns-topic", "apns-priority", "authorization"])
def test_a_repeated_field_is_refused(sender: Sender, name: str) -> None:
    answer = sender.push("ok.phone-1", HELLO, (name, "5"), apns_id=ID, apns_priority="5")
    assert reason(answer) == (400, "DuplicateHeaders")


GOOD: list[Changed] = [
    {"apns_id": ID.upper()},
    {"apns_priority": "1"},
    {"apns_priority": "5", "apns_push_type": "background"},
    {"apns_expiration": "0"},
    {"apns_expiration": "2000000000"},
    {"apns_collapse_id": "c" * 64},
    {"apns_push_type": None},
    {"apns_push_type": None, "apns_topic": f"{APP}.voip"},
    *({"apns_push_type": kind, "apns_topic": APP + end, "apns_priority": "5"} for kind, end in SUFFIXES.items()),
]


@pytest.mark.parametrize("changed", GOOD)
def test_a_right_head_is_accepted(sender: Sender, changed: Changed) -> None:
    assert reason(sender.push("ok.phone-1", **changed)) == (200, "")


PATHS: list[tuple[str, int, str]] = [
    ("/3/device/", 400, "MissingDeviceToken"),
    ("/3/device", 400, "MissingDeviceToken"),
    ("/3/devices/aa", 404, "BadPath"),
    ("/3/", 404, "BadPath"),
    ("/3/device/" + "ab" * 32, 400, "BadDeviceToken"),
    ("/3/device/" + b"no-such-behaviour.phone".hex(), 400, "BadDeviceToken"),
    ("/3/device/" + b"ok".hex(), 400, "BadDeviceToken"),
    ("/3/device/" + token_of("ok.phone-1").upper(), 400, "BadDeviceToken"),
    ("/3/device/" + token_of("ok.phone-1") + "0", 400, "BadDeviceToken"),
    ("/3/device/" + token_of("ok.phone-1") + "?x=1", 400, "BadDeviceToken"),
    ("/3/device/" + token_of("ok.phone-1") + "/", 400, "BadDeviceToken"),
    ("/3/device/" + (b"ok." + b"a" * 98).hex(), 400, "BadDeviceToken"),  # 202 characters
    ("/3/device/" + b"ok.a b".hex(), 400, "BadDeviceToken"),
    ("/3/device/" + b"ok.a\0b".hex(), 400, "BadDeviceToken"),
    ("/3/device/" + b"ok.a".hex(), 200, ""),
    ("/3/device/" + (b"ok." + b"a" * 97).hex(), 200, ""),
]


@pytest.mark.parametrize(("path", "status", "wanted"), PATHS)
def test_a_path_names_a_device(sender: Sender, path: str, status: int, wanted: str) -> None:
    assert reason(sender.push(path)) == (status, wanted)


# Each row has everything wrong that comes after it as well: the earlier fault is the answer.
ORDER: list[tuple[str, Changed, str]] = [
    ("BadMessageId", {"apns_id": "1"}, "ok.phone"),
    ("MethodNotAllowed", {"__method": "GET"}, "ok.phone"),
    ("MissingTopic", {"apns_topic": None}, "ok.phone"),
    ("BadCollapseId", {"apns_collapse_id": "c" * 65}, "ok.phone"),
    ("BadPriority", {"apns_priority": "7"}, "ok.phone"),
    ("InvalidPushType", {"apns_push_type": "x"}, "ok.phone"),
    ("BadDeviceToken", {}, "/3/device/zz"),
    ("Unregistered", {}, "unregistered.phone"),
    ("DeviceTokenNotForTopic", {}, "not-for-topic.phone"),
    ("MissingProviderToken", {"authorization": None}, "ok.phone"),
    ("PayloadEmpty", {}, "ok.phone"),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_first_fault_is_the_answer(sender: Sender, first: int) -> None:
    changed: Changed = {}
    for _, wrong, _ in ORDER[first:]:
        changed = wrong | changed
    device = next((device for _, _, device in ORDER[first:] if device != "ok.phone"), "ok.phone")
    assert reason(sender.push(device, b"", **changed))[1] == ORDER[first][0]


@pytest.mark.parametrize(
    ("size", "changed", "wanted"),
    [
        (0, {}, (400, "PayloadEmpty")),
        (1, {}, (200, "")),
        (4096, {}, (200, "")),
        (4097, {}, (413, "PayloadTooLarge")),
        (5120, {"apns_push_type": "voip", "apns_topic": f"{APP}.voip"}, (200, "")),
        (5121, {"apns_push_type": "voip", "apns_topic": f"{APP}.voip"}, (413, "PayloadTooLarge")),
        (300_000, {}, (413, "PayloadTooLarge")),
    ],
)
def test_a_payload_has_a_size(sender: Sender, size: int, changed: Changed, wanted: tuple[int, str]) -> None:
    stream = sender.begin("ok.phone-1", b"x" * min(size, 60_000), **changed)
    if size > 60_000:
        stream = sender.frames.get_next_available_stream_id()
        sender.frames.send_headers(stream, sender.fields("ok.phone-1", {}))
        sent = 0
        while sent < size:
            given = sender.give(stream, b"x" * (size - sent))
            sent += given
            sender.flush()
            sender.read(0.2 if not given else 0.0)
    assert reason(sender.answer(stream)) == wanted


def test_a_token_belongs_to_the_app_of_its_first_message(emulator: EmulatorProcess, sender: Sender) -> None:
    assert sender.push("ok.phone-1").status == 200
    assert reason(sender.push("ok.phone-1", apns_topic="org.example.other")) == (400, "DeviceTokenNotForTopic")
    voip = sender.push("ok.phone-1", apns_topic=f"{APP}.voip", apns_push_type="voip")
    assert voip.status == 200


def test_nobody_but_this_machine_is_let_in(sender: Sender) -> None:
    answer = sender.push("ok.phone-1", __authority="push.example.org")
    assert (answer.status, answer.body) == (421, b"")


def test_every_reason_of_the_table_is_given_with_its_status(sender: Sender) -> None:
    for wanted, status in REASONS.items():
        answer = sender.push(f"reason-{wanted}.phone")
        assert reason(answer) == (status, wanted)
        assert ("timestamp" in json.loads(answer.body)) is (status == 410)


def test_every_reason_that_can_be_earned_is_asked_for_above() -> None:
    """What no rule gives has a behaviour: the service's own troubles."""
    earned = {wanted for *_, wanted in [*HEADS, *PATHS]} | {name for name, _, _ in ORDER}
    elsewhere = {  # test_tokens.py, test_connections.py, test_certificates.py and the tests above
        *("ExpiredProviderToken", "TooManyProviderTokenUpdates", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken"),
        *("BadCertificate", "DuplicateHeaders", "PayloadTooLarge"),
    }
    means = " ".join(row.means for row in BEHAVIOURS)
    assert [name for name in REASONS if name not in earned | elsewhere and f" {name}" not in means] == [
        "BadCertificateEnvironment"  # of "reason" alone
    ]


def test_that_nobody_has_a_token_is_told_to_a_sender_who_is_known(sender: Sender) -> None:
    assert reason(sender.push("/3/device/ab")) == (400, "BadDeviceToken")
    assert reason(sender.push("/3/device/ab", authorization=None)) == (403, "MissingProviderToken")
