"""The transport: HTTP/2 alone, how many streams a sender may have open, and how often it connects."""

from __future__ import annotations

import socket
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import Frame, GoAwayFrame

from tests.devices.emulator.apns.sender import Key, Sender, reason, token_of
from tests.devices.emulator.h2client import Answer, tls
from tests.devices.emulator.sender import push
from tests.emulator import EmulatorProcess

STREAMS = SettingCodes.MAX_CONCURRENT_STREAMS


def frames_of(octets: bytes) -> list[Frame]:
    frames = []
    while octets:
        frame, length = Frame.parse_frame_header(memoryview(octets[:9]))
        frame.parse_body(memoryview(octets[9 : 9 + length]))
        frames.append(frame)
        octets = octets[9 + length :]
    return frames


@pytest.mark.parametrize("over_tls", [False, True])
def test_who_speaks_http_1_is_told_so_in_http_2(emulator: EmulatorProcess, over_tls: bool) -> None:
    url = urlsplit(emulator.secure_url if over_tls else emulator.url)
    assert url.port is not None
    assert emulator.authority is not None
    address = ("127.0.0.1", url.port)
    line = tls(address, emulator.authority, "http/1.1") if over_tls else socket.create_connection(address, timeout=10)
    with line:
        head = f"POST /3/device/{token_of('ok.phone')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{{}}"
        line.sendall(head.encode())
        octets = b""
        while piece := line.recv(4096):
            octets += piece
    _, told = frames_of(octets)
    assert isinstance(told, GoAwayFrame)
    assert told.error_code == ErrorCodes.PROTOCOL_ERROR
    assert told.additional_data == b"HTTP/2 client preface string missing or corrupt."
    assert emulator.ledger()[-1]["taken"] is False
    assert emulator.control("state")["apns"]["connections"] == 0


def test_streams_are_not_limited_unless_it_is_asked_for(emulator: EmulatorProcess, sender: Sender) -> None:
    sender.until(lambda: sender.settings)
    assert sender.settings[0][STREAMS] == 1000
    assert emulator.control("state")["apns"]["first_streams"] is None
    assert sender.push("ok.phone").status == 200
    assert [told[STREAMS] for told in sender.settings if STREAMS in told] == [1000]


def test_one_stream_until_the_first_good_token(emulator: EmulatorProcess, key: Key) -> None:
    settings = {"first_streams": 1, "streams": 500}
    assert emulator.control("apns/settings", settings) == settings
    with Sender(emulator, key) as sender:
        sender.until(lambda: sender.settings)
        assert sender.settings[0][STREAMS] == 1
        assert reason(sender.push("ok.phone", authorization="bearer a.b.c"))[0] == 403
        sender.listen(0.1)
        assert [told[STREAMS] for told in sender.settings if STREAMS in told] == [1]
        assert burst(sender, 3) == ["200", "refused", "refused"]
        sender.until(lambda: sender.settings[-1].get(STREAMS) == 500)
        assert burst(sender, 40) == ["200"] * 40
        assert sender.push("ok.phone").status == 200
        assert [told[STREAMS] for told in sender.settings if STREAMS in told] == [1, 500]
    assert len(emulator.ledger()) > 0
    emulator.control("reset", {})
    assert emulator.control("state")["apns"]["first_streams"] == 1  # settings stay


def burst(sender: Sender, size: int) -> list[str]:
    """Send so many pushes in one write, whatever limit the settings have, and say how each ended."""
    fields = sender.fields("slow-100.phone", {})
    streams = []
    for _ in range(size):
        stream = sender.frames.get_next_available_stream_id()
        with patch.object(H2Connection, "open_outbound_streams", 0):  # or h2 would keep to the limit
            sender.frames.send_headers(stream, fields)
        sender.frames.send_data(stream, b"{}", end_stream=True)
        streams.append(stream)
    sender.flush()
    return [ended(sender.answer(stream)) for stream in streams]


def ended(answer: Answer) -> str:
    return "refused" if answer.reset == ErrorCodes.REFUSED_STREAM else str(answer.status)


def test_open_connections_keep_what_they_were_opened_with(emulator: EmulatorProcess, sender: Sender) -> None:
    sender.push("ok.phone")
    emulator.control("apns/settings", {"first_streams": 1})
    assert burst(sender, 5) == ["200"] * 5


@pytest.mark.parametrize(
    "wrong",
    [{"streams": 0}, {"streams": None}, {"streams": True}, {"first_streams": "1"}, {"first_streams": 2**31}, {"x": 1}],
)
def test_wrong_settings_are_refused(emulator: EmulatorProcess, wrong: dict[str, object]) -> None:
    with pytest.raises(OSError, match="400"):
        emulator.control("apns/settings", wrong)
    assert emulator.control("apns/settings", {}) == {"first_streams": None, "streams": 1000}


def test_connections_are_counted_by_the_minute_of_the_clock(emulator: EmulatorProcess, key: Key) -> None:
    now = emulator.control("clock", {"advance": 0})["clock"]
    emulator.control("clock", {"advance": 60 - now % 60})  # to the beginning of a minute
    token = key.token()
    for number in range(5):
        with Sender(emulator, key) as sender:
            sender.token = token
            assert [sender.push("ok.phone").status for _ in range(3)] == [200] * 3
        if number == 2:
            emulator.control("clock", {"advance": 60})
    state = emulator.control("state")["apns"]
    assert state["connections"] == 5
    assert list(state["connections_by_minute"].values()) == [3, 2]
    assert all(int(minute) % 60 == 0 for minute in state["connections_by_minute"])
    assert state["most_connections_a_minute"] == 3


def test_who_does_not_push_to_phones_is_not_counted(emulator: EmulatorProcess, sender: Sender) -> None:
    push(emulator.uri("ok.phone-1"))
    assert sender.push("/throttledthirdparty/01.00/ok.phone-1").status == 400
    assert emulator.control("state")["apns"]["connections"] == 0
