"""Devices: their environment, what waits for them, what they show, and what is handed out for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.devices.emulator.apns.sender import HELLO, Key, Sender, reason, token_of
from tests.emulator import EmulatorProcess

APP = "org.example.demo"


def alert(text: str) -> bytes:
    return json.dumps({"aps": {"alert": text}}).encode()


def messages(emulator: EmulatorProcess, device: str) -> dict[str, Any]:
    told: dict[str, Any] = emulator.control(f"apns/messages?token={token_of(device)}")
    return told


def go(emulator: EmulatorProcess, device: str, offline: bool) -> int:
    """Let a device go or come back; return how many messages it got."""
    told = emulator.control("apns/offline", {"token": token_of(device), "offline": offline})
    assert told["offline"] is offline
    return int(told["delivered"])


def state(emulator: EmulatorProcess) -> dict[str, Any]:
    told: dict[str, Any] = emulator.control("state")["apns"]
    return told


def test_a_sandbox_device_is_known_in_the_sandbox_alone(emulator: EmulatorProcess, key: Key, sender: Sender) -> None:
    assert reason(sender.push("ok.sandbox-1")) == (400, "BadDeviceToken")
    with Sender(emulator, key, host="localhost") as sandbox:
        sandbox.token = sender.token
        answer = sandbox.push("ok.sandbox-1")
        assert reason(answer) == (200, "")
        assert len(answer.headers["apns-unique-id"]) == 36
        assert reason(sandbox.push("ok.phone-1")) == (400, "BadDeviceToken")
        assert "apns-unique-id" not in sandbox.push("ok.phone-1").headers
    assert len(messages(emulator, "ok.sandbox-1")["messages"]) == 1


def test_tokens_are_handed_out(emulator: EmulatorProcess, key: Key, sender: Sender) -> None:
    wishes = {"names": ["one", "a" * 60], "behaviour": "unavailable-1", "environment": "production"}
    tokens = emulator.control("apns/devices", wishes)["tokens"]
    assert tokens[0] == token_of("unavailable-1.one")
    assert [len(token) for token in tokens] == [64, 148]
    assert [sender.push(token).status for token in tokens * 2] == [503, 503, 200, 200]
    assert emulator.control("apns/devices", {"names": ["one"]})["tokens"] == [token_of("ok.one")]
    (sandbox,) = emulator.control("apns/devices", {"names": ["one"], "environment": "sandbox"})["tokens"]
    assert sandbox == token_of("ok.sandbox-one")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"names": "one"},
        {"names": [""]},
        {"names": ["a b"]},
        {"names": ["ü"]},
        {"names": ["a" * 98]},
        {"names": ["sandbox-one"]},
        {"names": ["one"], "behaviour": "nonsense"},
        {"names": ["one"], "environment": "development"},
        {"names": ["one"] * 5001},
    ],
)
def test_wrong_wishes_for_devices_are_refused(emulator: EmulatorProcess, wrong: dict[str, Any]) -> None:
    with pytest.raises(HTTPError, match="400"):
        emulator.control("apns/devices", wrong)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("behaviour", {"token": token_of("ok.phone"), "behaviour": "nonsense"}),
        ("behaviour", {"token": "ab", "behaviour": "ok"}),
        ("behaviour", {"everyone": "nonsense"}),
        ("offline", {"token": token_of("ok.phone")}),
        ("offline", {"token": "", "offline": True}),
    ],
)
def test_wrong_commands_are_refused(emulator: EmulatorProcess, command: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(HTTPError, match="400"):
        emulator.control(f"apns/{command}", wrong)


def test_the_last_message_of_each_app_waits_for_a_device_that_is_away(
    emulator: EmulatorProcess, sender: Sender
) -> None:
    go(emulator, "ok.phone", offline=True)
    for text in ("one", "two", "three"):
        assert sender.push("ok.phone", alert(text)).status == 200
    waiting = messages(emulator, "ok.phone")
    assert [(m["payload"], m["delivered"]) for m in waiting["messages"]] == [(alert("three").decode(), False)]
    assert waiting["shown"] == []
    assert (state(emulator)["replaced"], state(emulator)["delivered"]) == (2, 0)
    assert go(emulator, "ok.phone", offline=False) == 1
    assert [one["body"] for one in messages(emulator, "ok.phone")["shown"]] == ["three"]
    assert go(emulator, "ok.phone", offline=False) == 0


def test_what_has_expired_is_not_delivered(emulator: EmulatorProcess, sender: Sender) -> None:
    go(emulator, "ok.phone", offline=True)
    now = emulator.control("state")["clock"]
    sender.push("ok.phone", alert("kept"), apns_expiration=str(int(now + 600)))
    sender.push("ok.phone", alert("now or never"), apns_expiration="0")
    sender.push("ok.phone", alert("long ago"), apns_expiration=str(int(now - 600)))
    assert state(emulator)["dropped"] == 2
    emulator.control("clock", {"advance": 601})
    assert go(emulator, "ok.phone", offline=False) == 0
    assert state(emulator)["dropped"] == 3
    assert messages(emulator, "ok.phone")["messages"] == []


def test_a_device_that_is_there_gets_what_is_now_or_never(emulator: EmulatorProcess, sender: Sender) -> None:
    sender.push("ok.phone", apns_expiration="0")
    assert (state(emulator)["delivered"], state(emulator)["dropped"]) == (1, 0)


def test_a_collapse_id_replaces_what_is_shown(emulator: EmulatorProcess, sender: Sender) -> None:
    for text, collapse_id in (("a", "x"), ("b", None), ("c", "x"), ("d", None), ("e", "y")):
        sender.push("ok.phone", alert(text), apns_collapse_id=collapse_id)
    told = messages(emulator, "ok.phone")
    assert [one["body"] for one in told["shown"]] == ["b", "c", "d", "e"]
    assert [one["collapse_id"] for one in told["shown"]] == ["", "x", "", "y"]
    assert len(told["messages"]) == 5


def test_a_message_that_shows_nothing_is_flagged(emulator: EmulatorProcess, sender: Sender) -> None:
    assert sender.push("ok.phone", b"not JSON").status == 200
    assert sender.push("ok.phone", HELLO).status == 200
    told = messages(emulator, "ok.phone")
    assert [(one["kind"], one["why"]) for one in told["messages"]] == [
        ("nothing", "the payload is no JSON"),
        ("alert", ""),
    ]
    assert state(emulator)["questionable"] == 1
    assert emulator.control("state")["refusal_notes"][-1] == {
        "channel": token_of("ok.phone"), "why": "the payload is no JSON",
    }  # fmt: skip


def test_fifty_messages_of_a_device_are_kept(emulator: EmulatorProcess, sender: Sender) -> None:
    for number in range(55):
        sender.push("ok.phone", alert(str(number)))
    kept = messages(emulator, "ok.phone")["messages"]
    assert [one["payload"] for one in kept] == [alert(str(number)).decode() for number in range(5, 55)]


def test_a_reset_forgets_devices_and_tokens_but_no_key(emulator: EmulatorProcess, key: Key, sender: Sender) -> None:
    sender.push("ok.phone")
    emulator.control("reset", {})
    assert (state(emulator)["devices"], state(emulator)["connections"], state(emulator)["delivered"]) == (0, 0, 0)
    assert state(emulator)["tokens"][key.key_id] == {"distinct": 0, "refused_updates": 0}
    assert emulator.control("apns/keys", {"team": "demo"})["key_id"] == key.key_id
    sender.token = key.token()  # another one at once: what came before is forgotten
    assert sender.push("ok.phone").status == 200


def test_an_ok_push_costs_no_more_than_two_of_another_service(emulator: EmulatorProcess, sender: Sender) -> None:
    """Both over HTTP/2, in time on the processor: the best of five rounds each."""
    toast = [
        (":method", "POST"), (":scheme", "https"), (":authority", sender.host),
        (":path", "/throttledthirdparty/01.00/ok.phone-1"), ("content-type", "text/xml"), ("x-notificationclass", "3"),
        ("content-length", str(len(HELLO))),
    ]  # fmt: skip
    ours = sender.fields("ok.phone-1", {})
    rounds = [[cost_of(emulator, sender, fields) for fields in (ours, toast)] for _ in range(5)]
    own, others = (min(costs) for costs in zip(*rounds, strict=True))
    assert own < 2 * others, f"{own / 1000:.0f} µs, {others / 1000:.0f} µs"


def cost_of(emulator: EmulatorProcess, sender: Sender, fields: list[tuple[str, str]], size: int = 90) -> float:
    """Return how many nanoseconds of the processor's time each of so many pushes took that were sent at once."""
    spent = Path(f"/proc/{emulator.process.pid}/schedstat")  # its first number
    before = int(spent.read_text().split()[0])
    streams = []
    for _ in range(size):
        stream = sender.frames.get_next_available_stream_id()
        sender.frames.send_headers(stream, fields)
        sender.frames.send_data(stream, HELLO, end_stream=True)
        streams.append(stream)
    sender.flush()
    assert {sender.answer(stream).status for stream in streams} == {200}
    return (int(spent.read_text().split()[0]) - before) / size
