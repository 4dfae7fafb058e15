"""Each behaviour a channel can name, over real sockets."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from h2.errors import ErrorCodes

from devices.emulator.wns.behaviours import BEHAVIOURS, plan
from tests.devices.emulator import h2client
from tests.devices.emulator.sender import dial
from tests.devices.emulator.wns.sender import TOAST, channel, described, headers_of, messages, push, token_of
from tests.emulator import EmulatorProcess


def dialled(emulator: EmulatorProcess, bearer: str, behaviour: str) -> socket.socket:
    """Push and return the line, nothing read from it yet."""
    line = dial(emulator.url)
    given = {"Host": urlsplit(emulator.url).netloc, "Content-Length": str(len(TOAST)), **headers_of("toast", bearer)}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    line.sendall(f"POST /?token={behaviour}.a HTTP/1.1\r\n{head}\r\n".encode() + TOAST)
    return line


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("ok", ["200 received"] * 2),
        ("dropped", ["200 dropped"] * 2),
        ("offline-toast", ["200 dropped"]),
        ("no-cache", ["200 received"]),
        ("throttled", ["200 channelthrottled"] * 2),
        ("throttled-1", ["200 channelthrottled", "200 received"]),
        ("continue-after", ["200 channelthrottled"]),
        ("gone", ["410 dropped"] * 2),
        ("gone-1", ["410 dropped", "200 received"]),
        ("unknown", ["404 dropped"]),
        ("unknown-1", ["404 dropped", "200 received"]),
        ("other-app", ["403 dropped"]),
        ("busy", ["406 channelthrottled"] * 2),
        ("busy-7", ["406 channelthrottled"]),
        ("busy-none", ["406 channelthrottled"]),
        ("quota", ["429"]),
        ("quota-9", ["429"]),
        ("unauthorized", ["401 dropped"] * 2),
        ("unauthorized-1", ["401 dropped", "200 received"]),
        ("bad-request", ["400 dropped"]),
        ("domain-blocked", ["410 dropped"]),
        ("internal", ["500"] * 2),
        ("internal-1", ["500", "200 received"]),
        ("unavailable", ["503"] * 2),
        ("unavailable-5", ["503"] * 2),
        ("flap-2", ["503", "503", "200 received"]),
        ("status-418", ["418"]),
        ("status-202", ["202"]),
        ("redirect", ["302"]),
        ("redirect-307", ["307"]),
        ("redirect-308", ["308"]),
        ("slow-1", ["200 received"]),
        ("slow-accept-1", ["200 received"]),
    ],
)
def test_answers(emulator: EmulatorProcess, bearer: str, behaviour: str, expected: list[str]) -> None:
    url = channel(emulator, f"{behaviour}.a")
    for label in expected:
        status, word, _ = described(push(url, bearer))
        assert f"{status} {word or ''}".rstrip() == label
        line = emulator.ledger()[-1]
        assert (line["answer"], line["behaviour"]) == (label, behaviour)
        assert line["taken"] is label.endswith(("received", "202"))


@pytest.mark.parametrize(
    ("behaviour", "header", "wait"),
    [
        ("busy", "Retry-After", "1"),
        ("busy-7", "Retry-After", "7"),
        ("busy-none", "Retry-After", None),
        ("quota", "Retry-After", None),
        ("quota-9", "Retry-After", "9"),
        ("unavailable", "Retry-After", None),
        ("unavailable-5", "Retry-After", "5"),
        ("flap-1", "Retry-After", None),
        ("throttled", "X-WNS-CONTINUE-AFTER", None),
        ("continue-after", "X-WNS-CONTINUE-AFTER", "60"),
        ("continue-after-5", "X-WNS-CONTINUE-AFTER", "5"),
    ],
)
def test_how_long_to_wait(
    emulator: EmulatorProcess, bearer: str, behaviour: str, header: str, wait: str | None
) -> None:
    assert push(channel(emulator, f"{behaviour}.a"), bearer).headers.get(header) == wait


@pytest.mark.parametrize(
    ("behaviour", "kind", "headers", "word", "device"),
    [
        ("offline-toast", "toast", {}, "dropped", "disconnected"),
        ("offline-toast", "tile", {}, "received", "disconnected"),
        ("no-cache", "raw", {}, "dropped", "disconnected"),
        ("no-cache", "raw", {"X_WNS_Cache_Policy": "cache"}, "received", "disconnected"),
        ("no-cache", "tile", {"X_WNS_Cache_Policy": "no-cache"}, "dropped", "disconnected"),
        ("no-cache", "tile", {}, "received", "disconnected"),
        ("internal", "toast", {}, None, "unknown"),
        ("dropped", "toast", {}, "dropped", "connected"),
    ],
)
def test_a_device_that_is_away(
    emulator: EmulatorProcess, bearer: str, behaviour: str, kind: str, headers: dict[str, str], word: str, device: str
) -> None:
    answer = push(channel(emulator, f"{behaviour}.a"), bearer, kind, None, X_WNS_RequestForStatus="true", **headers)
    assert described(answer)[1] == word
    assert answer.headers["X-WNS-DEVICECONNECTIONSTATUS"] == device


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("gone", "Revoked channel URL"),
        ("other-app", "Channel URL incompatible with caller app"),
        ("domain-blocked", "Domain Blocked"),
        ("no-cache", "Device is offline and X-WNS-Cache-Policy is no-cache"),
    ],
)
def test_errors_are_described_as_they_were_observed(
    emulator: EmulatorProcess, bearer: str, behaviour: str, why: str
) -> None:
    assert described(push(channel(emulator, f"{behaviour}.a"), bearer, "raw"))[2] == why


@pytest.mark.parametrize("behaviour", ["redirect", "redirect-307", "redirect-308"])
def test_redirects_lead_to_the_trap(emulator: EmulatorProcess, bearer: str, behaviour: str) -> None:
    assert push(channel(emulator, f"{behaviour}.a"), bearer).headers["Location"] == "/emulator/trap"


def test_slow_answers_come_late(emulator: EmulatorProcess, bearer: str) -> None:
    for behaviour in ("slow-300", "slow-accept-300"):
        started = time.monotonic()
        assert push(channel(emulator, f"{behaviour}.a"), bearer).status == 200
        assert time.monotonic() - started >= 0.29


@pytest.mark.parametrize(
    ("behaviour", "taken", "broken"),
    [
        ("close", False, http.client.RemoteDisconnected),
        ("close-after", True, http.client.RemoteDisconnected),
        ("reset", False, ConnectionResetError),
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
    url = channel(emulator, f"{behaviour}.a")
    with pytest.raises(broken) as happened:
        push(url, bearer)
    assert type(happened.value) is broken  # the one is a kind of the other
    assert len(messages(emulator, url)) == taken
    line = emulator.ledger()[-1]
    assert (line["answer"], line["taken"], line["behaviour"]) == ("", taken, behaviour)


def test_reset_before_the_body_leaves_no_trace(emulator: EmulatorProcess, bearer: str) -> None:
    before = len(emulator.ledger())
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        push(channel(emulator, "reset-before.a"), bearer)
    assert len(emulator.ledger()) == before


def test_a_truncated_answer(emulator: EmulatorProcess, bearer: str) -> None:
    with pytest.raises(http.client.IncompleteRead):
        push(channel(emulator, "truncated.a"), bearer)


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
    assert len(messages(emulator, channel(emulator, f"{behaviour}.a"))) == 1


def test_every_behaviour_is_tried_here() -> None:
    source = Path(__file__).read_text()
    assert [row.name for row in BEHAVIOURS if f'"{row.name}' not in source and f'"{row.name}.' not in source] == []


@pytest.mark.parametrize(
    "text",
    ["", "dance", "gone-x", "ok-1", "busy-soon", "status-199", "status-600", "hang-1", "unavailable-none", "h2-broken"],
)
def test_what_makes_no_sense_is_no_behaviour(text: str) -> None:
    assert plan(text) is None


def test_a_behaviour_is_set_and_begins_anew(emulator: EmulatorProcess, bearer: str) -> None:
    url = channel(emulator, "ok.a")
    for _ in range(2):
        emulator.control("wns/behaviour", {"channel": url, "behaviour": "internal-1"})
        assert [push(url, bearer).status for _ in range(2)] == [500, 200]
    for wrong in ({"channel": "/?token=x", "behaviour": "ok"}, {"channel": url, "behaviour": "x"}, {"everyone": "x"}):
        with pytest.raises(OSError, match="400"):
            emulator.control("wns/behaviour", wrong)


@pytest.mark.parametrize("wish", [{"everyone": "unavailable"}, {"everyone": True, "behaviour": "unavailable"}])
def test_everyone_behaves_alike(emulator: EmulatorProcess, bearer: str, wish: dict[str, Any]) -> None:
    assert emulator.control("wns/behaviour", wish) == {"everyone": "unavailable"}
    assert push(channel(emulator, "ok.a"), bearer).status == 503
    assert push(channel(emulator, "x"), bearer).status == 404  # still no channel
    assert emulator.control("state")["wns"]["everyone"] == "unavailable"
    emulator.control("wns/behaviour", {"everyone": None})
    assert push(channel(emulator, "ok.a"), bearer).status == 200


def test_refused_pushes_are_no_tries(emulator: EmulatorProcess, bearer: str) -> None:
    url = channel(emulator, "internal-1.a")
    assert push(url, bearer, X_WNS_Type=None).status == 400
    assert [push(url, bearer).status for _ in range(2)] == [500, 200]


@pytest.mark.parametrize(
    ("behaviour", "reset"), [("reset-before", ErrorCodes.REFUSED_STREAM), ("reset", ErrorCodes.INTERNAL_ERROR)]
)
def test_the_same_on_http2(tmp_path: Path, behaviour: str, reset: ErrorCodes) -> None:
    with EmulatorProcess("--tls-port", "0", "--tls-folder", str(tmp_path)) as emulator:
        assert emulator.authority is not None
        bearer = token_of(emulator)
        opened = emulator.control("wns/channels", {"app": "shop", "names": ["a"]})["channels"]
        assert opened == [f"{emulator.secure_url}/?token=ok.a"]
        with h2client.Client(int(emulator.secure_url.rpartition(":")[2]), emulator.authority) as client:
            given = [(name.lower(), value) for name, value in headers_of("toast", bearer).items()]
            headers = (*given, ("content-length", str(len(TOAST))))
            answer = client.answer(client.ask("/?token=ok.a", TOAST, *headers))
            assert (answer.status, answer.headers["x-wns-status"]) == (200, "received")
            assert client.answer(client.ask(f"/?token={behaviour}.a", TOAST, *headers)).reset == reset
