"""Each behaviour an endpoint can name, over real sockets."""

from __future__ import annotations

import http.client
import socket
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from devices.emulator.webpush.behaviours import BEHAVIOURS, plan
from tests.devices.emulator.sender import dial, octets
from tests.devices.emulator.webpush.sender import Vapid, counts, messages, prepared, send, subscribe
from tests.emulator import EmulatorProcess


def named(emulator: EmulatorProcess, behaviour: str, vendor: str = "mozilla") -> dict[str, Any]:
    return subscribe(emulator, vendor, behaviour=behaviour, names=["browser"])


def statuses(subscription: dict[str, Any], vapid: Vapid, times: int) -> list[int]:
    return [send(subscription, vapid).status for _ in range(times)]


def dialled(subscription: dict[str, Any], vapid: Vapid) -> socket.socket:
    """Push and return the line, nothing read from it yet."""
    line = dial(subscription["endpoint"])
    body, headers = prepared(subscription, vapid)
    line.sendall(octets(subscription["endpoint"], body=body, headers=headers))
    return line


def read_all(line: socket.socket) -> bytes:
    with line:
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("ok", [201, 201]), ("gone", [410] * 3), ("gone-1", [410, 201]), ("unknown", [404] * 3),
        ("unknown-1", [404, 201]),
        ("throttled", [429] * 3), ("throttled-2", [429, 429, 201]), ("429", [429] * 2), ("406", [406] * 2),
        ("429-5", [429] * 2), ("bad-token-1", [401, 201]), ("other-key-1", [401, 201]), ("too-large", [413]),
        ("500", [500] * 2), ("500-1", [500, 201]), ("502-1", [502, 201]), ("503-2", [503, 503, 201]),
        ("flap-2", [503, 503, 201]), ("status-418", [418]), ("status-202", [202]), ("redirect", [302]),
        ("redirect-307", [307]), ("redirect-308", [308]), ("retry-after-7", [503] * 2), ("ttl-30", [201]),
        ("offline", [201]), ("slow-1", [201]), ("slow-accept-1", [201]), ("rate-limit-0", [429] * 2),
    ],
)  # fmt: skip
def test_statuses(emulator: EmulatorProcess, vapid: Vapid, behaviour: str, expected: list[int]) -> None:
    subscription = named(emulator, behaviour)
    assert statuses(subscription, vapid, len(expected)) == expected
    taken = [line["taken"] for line in emulator.ledger()[-len(expected) :]]
    assert taken == [status < 300 for status in expected]
    assert emulator.ledger()[-1]["behaviour"] == behaviour


@pytest.mark.parametrize(
    ("behaviour", "wait"), [("503", "120"), ("429-5", "5"), ("406-9", "9"), ("retry-after-30", "30"),
    ("429-junk", "soon; or later?"), ("429", None), ("flap-1", None)],
)  # fmt: skip
def test_retry_after(emulator: EmulatorProcess, vapid: Vapid, behaviour: str, wait: str | None) -> None:
    assert send(named(emulator, behaviour), vapid).headers.get("retry-after") == wait


@pytest.mark.parametrize("behaviour", ["429-date", "406-date", "retry-after-date"])
def test_retry_after_as_a_date(emulator: EmulatorProcess, vapid: Vapid, behaviour: str) -> None:
    text = send(named(emulator, behaviour), vapid).headers["retry-after"]
    assert text.endswith("GMT")
    assert 57 <= (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds() <= 61


def test_a_try_before_retry_after_is_noted(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = named(emulator, "429-100")
    send(subscription, vapid)
    assert emulator.control("state")["violations"] == 0
    send(subscription, vapid)
    state = emulator.control("state")
    assert state["violations"] == 1
    assert 95 < state["violation_notes"][0]["seconds_early"] <= 100
    emulator.control("clock", {"advance": 101})
    send(subscription, vapid)
    assert emulator.control("state")["violations"] == 1


def test_too_many_a_second(emulator: EmulatorProcess, vapid: Vapid) -> None:
    got = statuses(named(emulator, "rate-limit-1"), vapid, 5)
    assert got[0] == 201
    assert 429 in got


def test_refused_pushes_are_no_tries(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = named(emulator, "500-1")
    assert send(subscription, vapid, TTL=None).status == 400
    assert statuses(subscription, vapid, 2) == [500, 201]


def test_a_lower_ttl_is_granted(emulator: EmulatorProcess, vapid: Vapid) -> None:
    assert send(named(emulator, "ttl-30"), vapid).headers["ttl"] == "30"


@pytest.mark.parametrize("behaviour", ["redirect", "redirect-307", "redirect-308"])
def test_redirects_lead_to_the_trap(emulator: EmulatorProcess, vapid: Vapid, behaviour: str) -> None:
    assert send(named(emulator, behaviour), vapid).headers["location"] == "/emulator/trap"


def test_slow_answers_come_late(emulator: EmulatorProcess, vapid: Vapid) -> None:
    for behaviour in ("slow-300", "slow-accept-300"):
        subscription = named(emulator, behaviour)
        started = time.monotonic()
        assert send(subscription, vapid).status == 201
        assert time.monotonic() - started >= 0.29


@pytest.mark.parametrize(
    ("behaviour", "taken"), [("close", False), ("close-after", True), ("reset", False), ("reset-after", True)]
)
def test_no_answer_at_all(emulator: EmulatorProcess, vapid: Vapid, behaviour: str, taken: bool) -> None:
    subscription = named(emulator, behaviour)
    expected = ConnectionResetError if behaviour.startswith("reset") else http.client.RemoteDisconnected
    with pytest.raises(expected) as broken:
        send(subscription, vapid)
    assert type(broken.value) is expected  # the one is a kind of the other
    assert [message["plaintext"] is not None for message in messages(emulator, subscription)] == [True] * taken
    line = emulator.ledger()[-1]
    assert (line["answer"], line["taken"], line["behaviour"]) == ("", taken, behaviour)


def test_reset_before_the_body_leaves_no_trace(emulator: EmulatorProcess, vapid: Vapid) -> None:
    before = len(emulator.ledger())
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        send(named(emulator, "reset-before"), vapid)
    assert len(emulator.ledger()) == before


def test_a_truncated_answer(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = named(emulator, "truncated")
    with pytest.raises(http.client.IncompleteRead):
        send(subscription, vapid)
    assert len(messages(emulator, subscription)) == 1


@pytest.mark.parametrize(
    ("behaviour", "begins"), [("reset-midway", b"HTTP/1.1 201 Created\r\n"), ("garbage", b"\x00\xff\xfeSSH"),
    ("bad-utf8", b"HTTP/1.1 200 \xc3\x28")],
)  # fmt: skip
def test_answers_that_are_none(emulator: EmulatorProcess, vapid: Vapid, behaviour: str, begins: bytes) -> None:
    line = dialled(named(emulator, behaviour), vapid)
    if behaviour == "bad-utf8":
        with line:
            assert line.recv(65536).startswith(begins)
    else:
        assert read_all(line).startswith(begins)


@pytest.mark.parametrize(
    "behaviour", ["hang", "drip-50", "drip-body-50", "huge", "gzip-bomb", "headers-flood", "long-header"]
)
def test_answers_that_do_not_end_well_are_taken(emulator: EmulatorProcess, vapid: Vapid, behaviour: str) -> None:
    subscription = named(emulator, behaviour)
    with dialled(subscription, vapid) as line:
        if behaviour != "hang":
            assert line.recv(4096).startswith(b"HTTP/1.1 201 Created\r\n")
        else:
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.recv(1)
        assert len(messages(emulator, subscription)) == 1


def test_every_behaviour_is_tried_here() -> None:
    source = Path(__file__).read_text()
    untried = [row.name for row in BEHAVIOURS if f'"{row.name}' not in source]
    assert untried == []


@pytest.mark.parametrize(
    "text", ["", "dance", "gone-x", "gone--1", "ok-1", "slow-x", "status-199", "status-600", "hang-1", "ttl"]
)
def test_what_makes_no_sense_is_no_behaviour(text: str) -> None:
    assert plan(text) is None


def test_who_came_back_is_not_dead(emulator: EmulatorProcess, vapid: Vapid) -> None:
    assert statuses(named(emulator, "gone-1"), vapid, 3) == [410, 201, 201]
    assert counts(emulator)["dead_attempts"] == 1


def test_a_behaviour_that_was_set_anew_begins_anew(emulator: EmulatorProcess, vapid: Vapid) -> None:
    subscription = named(emulator, "ok")
    for _ in range(2):
        emulator.control("webpush/behaviour", {"endpoint": subscription["endpoint"], "behaviour": "500-1"})
        assert statuses(subscription, vapid, 2) == [500, 201]


def test_the_dead_are_counted(emulator: EmulatorProcess, vapid: Vapid) -> None:
    one, two = named(emulator, "ok"), named(emulator, "unknown")
    nobody = {**one, "endpoint": f"{emulator.url}/fcm/send/nobody"}
    send(one, vapid)
    emulator.control("webpush/behaviour", {"endpoint": one["endpoint"], "behaviour": "gone"})
    for subscription in (one, two, nobody):
        send(subscription, vapid)
    assert counts(emulator)["dead_attempts"] == 0
    for number, subscription in enumerate((one, two, nobody), start=1):
        send(subscription, vapid)
        assert counts(emulator)["dead_attempts"] == number
    emulator.control("webpush/behaviour", {"endpoint": one["endpoint"], "behaviour": "ok"})
    assert send(one, vapid).status == 201
    assert counts(emulator)["dead_attempts"] == 3
