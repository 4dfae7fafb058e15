"""Each behaviour a registration token can name, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from h2.errors import ErrorCodes

from devices.emulator.fcm.behaviours import BEHAVIOURS, plan
from tests.devices.emulator import h2client
from tests.devices.emulator.fcm.sender import (
    NOTE,
    PROJECT,
    account,
    assertion,
    code,
    error,
    messages,
    post,
    send,
    token_of,
    violations,
)
from tests.devices.emulator.sender import dial
from tests.emulator import EmulatorProcess

PATH = f"/v1/projects/{PROJECT}/messages:send"


def to(behaviour: str) -> dict[str, Any]:
    return {"token": f"{behaviour}.a", **NOTE}


def statuses(emulator: EmulatorProcess, bearer: str, behaviour: str, times: int) -> list[int]:
    return [send(emulator, bearer, to(behaviour)).status for _ in range(times)]


def dialled(emulator: EmulatorProcess, bearer: str, behaviour: str) -> socket.socket:
    """Push and return the line, nothing read from it yet."""
    line = dial(emulator.url)
    body = json.dumps({"message": to(behaviour)}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {bearer}\r\n"
    line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return line


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("ok", [200, 200]),
        ("unregistered", [404] * 3),
        ("unregistered-1", [404, 200]),
        ("sender-id-mismatch", [403]),
        ("malformed-token", [400]),
        ("third-party-auth-error", [401]),
        ("quota", [429] * 2),
        ("quota-7", [429] * 2),
        ("unauthenticated", [401] * 2),
        ("unauthenticated-1", [401, 200]),
        ("permission-denied", [403]),
        ("not-found", [404]),
        ("internal", [500] * 2),
        ("internal-2", [500, 500, 200]),
        ("unavailable", [503] * 2),
        ("unavailable-5", [503] * 2),
        ("flap-2", [503, 503, 200]),
        ("bad-gateway", [502] * 2),
        ("bad-gateway-1", [502, 200]),
        ("html", [502]),
        ("status-418", [418]),
        ("status-202", [202]),
        ("redirect", [302]),
        ("redirect-307", [307]),
        ("redirect-308", [308]),
        ("slow-1", [200]),
        ("slow-accept-1", [200]),
        ("goaway-x", [400]),
        ("ok-1", [400]),
        ("hang-1", [400]),
    ],
)
def test_statuses(emulator: EmulatorProcess, bearer: str, behaviour: str, expected: list[int]) -> None:
    assert statuses(emulator, bearer, behaviour, len(expected)) == expected
    taken = [line["taken"] for line in emulator.ledger()[-len(expected) :]]
    assert taken == [status < 300 for status in expected]
    assert len(messages(emulator, f"{behaviour}.a")) == sum(taken)


@pytest.mark.parametrize(
    ("behaviour", "canonical", "own"),
    [
        ("unregistered", "NOT_FOUND", "UNREGISTERED"),
        ("sender-id-mismatch", "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        ("malformed-token", "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("quota", "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        ("third-party-auth-error", "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        ("unauthenticated", "UNAUTHENTICATED", ""),
        ("permission-denied", "PERMISSION_DENIED", ""),
        ("not-found", "NOT_FOUND", ""),
        ("internal", "INTERNAL", "INTERNAL"),
        ("unavailable", "UNAVAILABLE", "UNAVAILABLE"),
        ("flap-1", "UNAVAILABLE", "UNAVAILABLE"),
        ("bad-gateway", "UNAVAILABLE", ""),
    ],
)
def test_errors_are_worded_as_google_words_them(
    emulator: EmulatorProcess, bearer: str, behaviour: str, canonical: str, own: str
) -> None:
    answer = send(emulator, bearer, to(behaviour))
    assert (error(answer)["status"], code(answer)) == (canonical, own)
    assert error(answer)["message"]
    assert emulator.ledger()[-1]["answer"] == f"{answer.status} {own or canonical}"
    assert emulator.ledger()[-1]["behaviour"] == behaviour
    assert [one["field"] for one in violations(answer)] == ["message.token"] * (behaviour == "malformed-token")


@pytest.mark.parametrize(
    ("behaviour", "wait"),
    [("quota", None), ("quota-7", "7"), ("unavailable", None), ("unavailable-5", "5"), ("flap-1", None)],
)
def test_retry_after(emulator: EmulatorProcess, bearer: str, behaviour: str, wait: str | None) -> None:
    assert send(emulator, bearer, to(behaviour)).headers.get("retry-after") == wait


@pytest.mark.parametrize("behaviour", ["quota-date", "unavailable-date"])
def test_retry_after_as_a_date(emulator: EmulatorProcess, bearer: str, behaviour: str) -> None:
    text = send(emulator, bearer, to(behaviour)).headers["retry-after"]
    assert 57 <= (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds() <= 61


def test_an_error_page_is_no_json(emulator: EmulatorProcess, bearer: str) -> None:
    answer = send(emulator, bearer, to("html"))
    assert answer.headers["content-type"] == "text/html; charset=UTF-8"
    assert answer.body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("behaviour", ["redirect", "redirect-307", "redirect-308"])
def test_redirects_lead_to_the_trap(emulator: EmulatorProcess, bearer: str, behaviour: str) -> None:
    assert send(emulator, bearer, to(behaviour)).headers["location"] == "/emulator/trap"


def test_slow_answers_come_late(emulator: EmulatorProcess, bearer: str) -> None:
    for behaviour in ("slow-300", "slow-accept-300"):
        started = time.monotonic()
        assert statuses(emulator, bearer, behaviour, 1) == [200]
        assert time.monotonic() - started >= 0.29


@pytest.mark.parametrize(
    ("behaviour", "taken", "broken"),
    [
        ("close", False, http.client.RemoteDisconnected),
        ("close-after", True, http.client.RemoteDisconnected),
        ("reset", False, ConnectionResetError),
        ("reset-before", False, ConnectionResetError),
        ("reset-after", True, ConnectionResetError),
        ("stream-reset", True, http.client.RemoteDisconnected),
        ("goaway-before", False, http.client.RemoteDisconnected),
        ("goaway-after", True, http.client.RemoteDisconnected),
        ("goaway-lost", True, http.client.RemoteDisconnected),
        ("break", True, http.client.RemoteDisconnected),
        ("h2-broken-text", True, http.client.RemoteDisconnected),
    ],
)
def test_no_answer_at_all(
    emulator: EmulatorProcess, bearer: str, behaviour: str, taken: bool, broken: type[Exception]
) -> None:
    with pytest.raises(broken) as happened:
        send(emulator, bearer, to(behaviour))
    assert type(happened.value) is broken  # the one is a kind of the other
    assert len(messages(emulator, f"{behaviour}.a")) == taken
    line = emulator.ledger()[-1]
    assert (line["answer"], line["taken"], line["behaviour"]) == ("", taken, behaviour)


def test_a_truncated_answer(emulator: EmulatorProcess, bearer: str) -> None:
    with pytest.raises(http.client.IncompleteRead):
        send(emulator, bearer, to("truncated"))
    assert len(messages(emulator, "truncated.a")) == 1


@pytest.mark.parametrize(
    ("behaviour", "begins"),
    [
        ("hang", b""), ("drip-50", b"HTTP/1.1 200 OK\r\nX-Drip: "), ("drip-body-50", b"HTTP/1.1 200 OK\r\n"),
        ("reset-midway", b"HTTP/1.1 200 OK\r\n"), ("garbage", b"\x00\xff\xfeSSH"), ("huge", b"HTTP/1.1 200 OK\r\n"),
        ("gzip-bomb", b"HTTP/1.1 200 OK\r\n"), ("headers-flood", b"HTTP/1.1 200 OK\r\n"),
        ("long-header", b"HTTP/1.1 200 OK\r\n"), ("bad-utf8", b"HTTP/1.1 200 \xc3\x28"),
    ],
)  # fmt: skip
def test_answers_that_do_not_end_well_are_taken(
    emulator: EmulatorProcess, bearer: str, behaviour: str, begins: bytes
) -> None:
    with dialled(emulator, bearer, behaviour) as line:
        if behaviour == "hang":
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.recv(1)
        else:
            came = b""
            while len(came) < len(begins):
                came += line.recv(4096)
            assert came.startswith(begins)
    assert len(messages(emulator, f"{behaviour}.a")) == 1


def test_every_behaviour_is_tried_here() -> None:
    source = Path(__file__).read_text()
    assert [row.name for row in BEHAVIOURS if f'"{row.name}' not in source] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dance",
        "unregistered-x",
        "ok-1",
        "slow-x",
        "status-199",
        "status-600",
        "hang-1",
        "quota--1",
        "h2-broken",
        "h2-broken-x",
    ],
)
def test_what_makes_no_sense_is_no_behaviour(text: str) -> None:
    assert plan(text) is None


# set while a campaign runs


def test_a_behaviour_is_set_and_begins_anew(emulator: EmulatorProcess, bearer: str) -> None:
    for _ in range(2):
        emulator.control("fcm/behaviour", {"token": "ok.a", "behaviour": "internal-1"})
        assert statuses(emulator, bearer, "ok", 2) == [500, 200]
    for wrong in ({"token": "x", "behaviour": "ok"}, {"token": "ok.a", "behaviour": "x"}, {"everyone": "x"}):
        with pytest.raises(OSError, match="400"):
            emulator.control("fcm/behaviour", wrong)


@pytest.mark.parametrize("wish", [{"everyone": "unavailable"}, {"everyone": True, "behaviour": "unavailable"}])
def test_everyone_behaves_alike(emulator: EmulatorProcess, bearer: str, wish: dict[str, Any]) -> None:
    assert emulator.control("fcm/behaviour", wish) == {"everyone": "unavailable"}
    assert statuses(emulator, bearer, "ok", 1) == [503]
    assert statuses(emulator, bearer, "x", 1) == [400]  # still no token
    assert emulator.control("state")["fcm"]["everyone"] == "unavailable"
    emulator.control("fcm/behaviour", {"everyone": None})
    assert statuses(emulator, bearer, "ok", 1) == [200]


def test_everyone_may_break_before_the_body(emulator: EmulatorProcess, bearer: str) -> None:
    emulator.control("fcm/behaviour", {"everyone": "reset-before"})
    before = len(emulator.ledger())
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        send(emulator, bearer, to("ok"))
    assert len(emulator.ledger()) == before  # nothing arrived whole
    text = assertion(account(emulator))
    assert post(emulator, "/token", text.encode(), {}).status == 400  # the token endpoint is another matter
    emulator.control("fcm/behaviour", {"everyone": "slow-accept-300"})
    started = time.monotonic()
    assert statuses(emulator, bearer, "ok", 1) == [200]
    assert 0.29 <= time.monotonic() - started < 0.59  # once, not twice


# on HTTP/2


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess("--tls-port", "0", "--tls-folder", str(tmp_path_factory.mktemp("tls"))) as emulator:
        yield emulator


def asked(secure: EmulatorProcess, behaviour: str) -> tuple[h2client.Client, int]:
    """Push on a connection of its own; return it and the number of the stream."""
    assert secure.authority is not None
    client = h2client.Client(int(secure.secure_url.rpartition(":")[2]), secure.authority)
    headers = (("content-type", "application/json"), ("authorization", f"Bearer {token_of(secure)}"))
    return client, client.ask(PATH, json.dumps({"message": to(behaviour)}).encode(), *headers)


@pytest.mark.parametrize(
    ("behaviour", "reset"),
    [
        ("reset-before", ErrorCodes.REFUSED_STREAM),
        ("reset", ErrorCodes.INTERNAL_ERROR),
        ("close", ErrorCodes.CANCEL),
        ("stream-reset", ErrorCodes.INTERNAL_ERROR),
        ("stream-reset-11", ErrorCodes.ENHANCE_YOUR_CALM),
        ("reset-midway", ErrorCodes.INTERNAL_ERROR),
    ],
)
def test_a_stream_is_reset(secure: EmulatorProcess, behaviour: str, reset: ErrorCodes) -> None:
    client, stream = asked(secure, behaviour)
    with client:
        assert client.answer(stream).reset == reset


@pytest.mark.parametrize(
    ("behaviour", "last", "answered"),
    [("goaway-before", 0, False), ("goaway-after", 1, True), ("goaway-lost", 1, False)],
)
def test_the_connection_is_given_up(secure: EmulatorProcess, behaviour: str, last: int, answered: bool) -> None:
    client, stream = asked(secure, behaviour)
    with client:
        client.until(lambda: client.went)
        assert client.went is not None
        assert client.went.last_stream_id == last
        client.end()
        answer = client.answers[stream]
        assert answer.ended is answered
        if answered:
            assert json.loads(answer.body)["name"].startswith(f"projects/{PROJECT}/messages/")


@pytest.mark.parametrize("behaviour", ["break", "h2-broken-cut", "h2-broken-settings"])
def test_the_connection_breaks(secure: EmulatorProcess, behaviour: str) -> None:
    client, _ = asked(secure, behaviour)
    with client:
        client.end()


@pytest.mark.parametrize(("behaviour", "status"), [("ok", 200), ("unregistered", 404), ("quota-7", 429), ("html", 502)])
def test_answers_are_the_same_on_streams(secure: EmulatorProcess, behaviour: str, status: int) -> None:
    client, stream = asked(secure, behaviour)
    with client:
        answer = client.answer(stream)
    assert answer.status == status
    plain = send(secure, token_of(secure), to(behaviour))
    assert answer.headers["content-type"] == plain.headers["content-type"]
    assert answer.body == plain.body or status == 200
