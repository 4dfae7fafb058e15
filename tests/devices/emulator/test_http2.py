"""HTTP/2 as it is carried: who speaks it, how much of it, and what happens to peers that break its rules."""

from __future__ import annotations

import asyncio
import http.client
import random
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from devices.emulator.exchange import Opening
from devices.emulator.http2_faults import BROKEN
from devices.emulator.wire import KEPT
from tests.devices.emulator.h2client import WAIT, Client, tls
from tests.devices.emulator.sender import TOAST, TOAST_HEADERS
from tests.devices.push.h2wire import Http2Peer
from tests.emulator import EmulatorProcess
from tests.waiting import until

REQUEST = [(":method", "POST"), (":path", "/h2/ok"), (":scheme", "https"), (":authority", "localhost")]
CHANNEL = "/throttledthirdparty/01.00/"


@pytest.fixture
def peer() -> Iterator[Http2Peer]:
    with Http2Peer() as peer:
        yield peer
    assert peer.failures == []


@pytest.fixture
def client(peer: Http2Peer) -> Iterator[Client]:
    with Client(peer.port, peer.authority) as client:
        yield client


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess("--tls-port=0", f"--tls-folder={tmp_path_factory.mktemp('tls')}") as emulator:
        yield emulator


def dial(emulator: EmulatorProcess, own: tuple[Path, Path] | None = None) -> Client:
    assert emulator.authority is not None
    return Client(int(emulator.secure_url.rpartition(":")[2]), emulator.authority, own=own)


def is_served(peer: Http2Peer) -> bool:
    """Tell whether another connection is served as if nothing had happened."""
    with Client(peer.port, peer.authority) as client:
        return client.get("/h2/ok").status == 200


def is_left(peer: Http2Peer) -> bool:
    """Tell whether somebody came, and every connection is closed or being closed."""
    return peer.desk.sessions > 0 and peer.do(lambda: all(one.transport.is_closing() for one in peer._door._twos))


def code_of(client: Client) -> int | None:
    """Wait for the end of the connection and return the code of its GOAWAY."""
    client.end()
    return client.went.error_code if client.went else None


@pytest.mark.parametrize(
    ("offered", "settled"),
    [(("h2",), "h2"), (("h2", "http/1.1"), "h2"), (("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), ((), None)],
)
def test_the_handshake_settles_the_protocol(
    secure: EmulatorProcess, offered: tuple[str, ...], settled: str | None
) -> None:
    assert secure.authority is not None
    with tls(("127.0.0.1", int(secure.secure_url.rpartition(":")[2])), secure.authority, *offered) as line:
        assert line.selected_alpn_protocol() == settled
        if settled != "h2":
            line.sendall(b"GET /emulator/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "behaviour", ["ok", "queue-full", "expired", "unavailable", "redirect", "cookie", "status-204"]
)
def test_a_service_answers_the_same_on_both(secure: EmulatorProcess, behaviour: str) -> None:
    path = f"{CHANNEL}{behaviour}.phone"
    context = ssl.create_default_context(cafile=str(secure.authority))
    first = http.client.HTTPSConnection(secure.secure_url.removeprefix("https://"), timeout=WAIT, context=context)
    first.request("POST", path, TOAST, TOAST_HEADERS)
    expected = first.getresponse()
    with dial(secure) as client:
        headers = [(name.lower(), value) for name, value in TOAST_HEADERS.items()]
        answer = client.answer(client.ask(path, TOAST, *headers, ("content-length", str(len(TOAST)))))
    fields = {name.lower(): value for name, value in expected.getheaders()}
    assert answer.headers.keys() == fields.keys() | {":status"}
    assert answer.status == expected.status
    assert {**answer.headers, "date": ""} == {**fields, ":status": str(expected.status), "date": ""}
    assert answer.body == expected.read()
    first.close()


def test_the_page_and_the_count_of_connections_are_there(secure: EmulatorProcess) -> None:
    before = secure.control("state")["http2_connections"]
    with dial(secure) as client:
        stream = client.frames.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/script.js")]
        client.frames.send_headers(stream, fields, end_stream=True)
        client.flush()
        answer = client.answer(stream)
    assert answer.headers["content-length"] == str(answer.size)
    assert answer.size > 1000
    assert secure.control("state")["http2_connections"] == before + 1


def test_fields_reach_the_service_as_on_http1(peer: Http2Peer, client: Client) -> None:
    client.answer(client.ask("/h2/ok", b"x", ("cookie", "a=1"), ("cookie", "b=2"), ("x-a", "1"), ("x-a", "2")))
    (took,) = peer.desk.requests
    assert took.headers == {"host": peer.address, "cookie": "a=1; b=2", "x-a": "1, 2"}
    assert (took.method, took.target, took.body, took.size, took.http2) == ("POST", "/h2/ok", b"x", 1, True)


def test_the_first_hundred_headers_are_kept(peer: Http2Peer, client: Client) -> None:
    client.answer(client.ask("/h2/ok", b"", *((f"x-{number}", "v") for number in range(150))))
    assert len(peer.desk.requests[0].headers) == 100


# much at once


def test_the_line_is_in_the_ledger_before_the_answer_arrives(tmp_path: Path) -> None:
    with Http2Peer(ledger=tmp_path / "ledger") as peer, Client(peer.port, peer.authority) as client:
        for number in range(100):
            behaviour = ("ok", "trailers")[number % 2]  # sent, and played
            client.answer(client.ask(f"/h2/{behaviour}", b"", ("x-id", f"push-{number}")))
            assert f'"push-{number}"' in (tmp_path / "ledger").read_text()


def test_hundreds_of_streams_are_answered_at_once(peer: Http2Peer, client: Client) -> None:
    started = time.monotonic()
    streams = [client.ask("/h2/slow-300", b"x") for _ in range(300)]
    assert {client.answer(stream).status for stream in streams} == {200}
    assert time.monotonic() - started < 5  # one after the other would take 90 s
    assert peer.desk.most_streams == 300


def test_a_stream_too_many_is_refused_alone(peer: Http2Peer) -> None:
    peer.desk.opening = Opening(streams=2)
    with Client(peer.port, peer.authority) as client:
        slow = [client.ask("/h2/slow-100"), client.ask("/h2/slow-100")]
        assert client.get("/h2/ok").reset == ErrorCodes.REFUSED_STREAM
        assert [client.answer(stream).status for stream in slow] == [200, 200]
        assert client.get("/h2/ok").status == 200
    assert len(peer.desk.requests) == 3


def test_thousands_of_requests_go_over_one_connection(peer: Http2Peer, client: Client) -> None:
    for _ in range(20):
        streams = [client.ask("/h2/ok", b"x") for _ in range(100)]
        assert {client.answer(stream).status for stream in streams} == {200}
    assert len(peer.desk.requests) == 2000
    assert peer.desk.sessions == 1


def test_never_more_is_sent_than_a_stream_has_room_for(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority, window=1000, gives=False) as client:
        stream = client.ask("/h2/big-2500")
        client.until(lambda: client.answers[stream].size >= 1000)
        client.listen(0.1)
        assert client.answers[stream].size == 1000
        client.frames.increment_flow_control_window(700, stream)
        client.flush()
        client.until(lambda: client.answers[stream].size > 1000)
        client.listen(0.1)
        assert client.answers[stream].size == 1700
        client.frames.increment_flow_control_window(5000, stream)
        client.flush()
        assert client.answer(stream).body == b"x" * 2500
    assert is_served(peer)


def test_never_more_is_sent_than_the_connection_has_room_for(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority, window=1_000_000, gives=False) as client:
        streams = [client.ask("/h2/big-50000") for _ in range(3)]
        client.until(lambda: sum(client.answers[stream].size for stream in streams) >= 65_535)
        client.listen(0.1)
        assert sum(client.answers[stream].size for stream in streams) == 65_535
        client.frames.increment_flow_control_window(1_000_000)
        client.flush()
        assert [client.answer(stream).size for stream in streams] == [50_000] * 3


def test_a_window_that_shrinks_below_zero_is_kept_to(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority, window=10_000, gives=False) as client:
        stream = client.ask("/h2/big-20000")
        client.until(lambda: client.answers[stream].size >= 10_000)
        client.frames.update_settings({4: 100})
        client.flush()
        client.until(lambda: client.acknowledged == 2)
        client.frames.increment_flow_control_window(9_950, stream)  # the window is at 50 after it
        client.flush()
        client.listen(0.1)
        assert client.answers[stream].size == 10_050


def test_a_body_gets_its_windows_back_and_is_kept_in_part(peer: Http2Peer, client: Client) -> None:
    stream, left = client.ask("/h2/ok", end=False), 3_000_000
    while left:
        sent = client.give(stream, b"x" * left)
        client.flush()
        left -= sent
        assert sent or client.read(WAIT), "no window came back"
    assert client.answer(stream).status == 200
    (took,) = peer.desk.requests
    assert took.size == 3_000_000
    assert KEPT <= len(took.body) < KEPT + 16_384


def test_a_peer_that_does_not_read_does_not_fill_the_memory(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority, window=2**31 - 1) as client:
        client.frames.increment_flow_control_window(2**31 - 65_536)
        for _ in range(5):
            client.ask("/h2/huge")
        until(lambda: peer.desk.requests, WAIT, "a request")
        time.sleep(0.3)  # in which an emulator that does not wait would write hundreds of megabytes
        waiting = peer.do(lambda: [one.transport.get_write_buffer_size() for one in peer._door._twos])
        assert len(waiting) == 1
        assert waiting[0] < 2_000_000
    assert is_served(peer)


# peers that leave


def test_a_stream_that_its_sender_gave_up_is_over(peer: Http2Peer, client: Client) -> None:
    stream = client.ask("/h2/hang")
    until(lambda: peer.desk.requests, WAIT, "the request")
    client.frames.reset_stream(stream, ErrorCodes.CANCEL)
    client.flush()
    assert client.get("/h2/ok").status == 200
    assert peer.do(lambda: [one.open_streams for one in peer._door._twos]) == [0]
    until(lambda: peer.do(lambda: len(asyncio.all_tasks())) == 1, WAIT, "the end of what was played")


def test_a_sender_that_leaves_takes_everything_along(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority) as client:
        for behaviour in ("hang", "huge", "drip-1", "slow-60000", "slow-accept-60000", "endless-head"):
            client.ask(f"/h2/{behaviour}")
        until(lambda: len(peer.desk.heads) == 6, WAIT, "six requests")
    until(lambda: peer.do(lambda: len(asyncio.all_tasks())) == 1, WAIT, "the end of what was played")
    assert peer.do(lambda: len(peer._door._twos)) == 0


def test_a_goodbye_ends_the_connection(peer: Http2Peer, client: Client) -> None:
    client.get("/h2/ok")
    client.frames.close_connection()
    client.flush()
    client.end()
    assert client.closed
    assert peer.do(lambda: len(peer._door._twos)) in (0, 1)  # until TLS has said goodbye as well


# peers that break the rules


def flood(frame: Frame) -> bytes:
    return frame.serialize() * 12_000


@pytest.mark.parametrize(
    "frame",
    [PingFrame(0, b"12345678"), SettingsFrame(0), PriorityFrame(1), WindowUpdateFrame(0, 1), DataFrame(1, b"")],
    ids=lambda frame: type(frame).__name__,
)
def test_a_flood_ends_the_connection(peer: Http2Peer, client: Client, frame: Frame) -> None:
    client.ask("/h2/ok", end=False)
    client.raw(flood(frame))
    assert code_of(client) == ErrorCodes.ENHANCE_YOUR_CALM
    assert is_served(peer)


def test_streams_that_are_opened_and_given_up_are_a_flood(peer: Http2Peer, client: Client) -> None:
    head = HeadersFrame(1, b"\x83\x87\x84\x41\x01a", flags=["END_HEADERS"])  # POST, https, /, at "a"
    octets = b""
    for stream in range(1, 24_001, 2):
        head.stream_id = stream
        octets += head.serialize() + RstStreamFrame(stream, 8).serialize()
    client.raw(octets)
    assert code_of(client) == ErrorCodes.ENHANCE_YOUR_CALM
    assert is_served(peer)


def test_a_head_that_unpacks_to_too_much_ends_the_connection(peer: Http2Peer, client: Client) -> None:
    client.frames.send_headers(1, [*REQUEST, ("x", "y" * 4000)])
    block = b"\x83\x87\x84" + bytes((0x80 | 62,)) * 8000  # 8000 times the field that the table now holds
    client.raw(client.frames.data_to_send() + HeadersFrame(3, block, flags=["END_HEADERS"]).serialize())
    assert code_of(client) == ErrorCodes.ENHANCE_YOUR_CALM
    assert is_served(peer)


def test_an_endless_head_ends_the_connection(peer: Http2Peer, client: Client) -> None:
    client.raw(HeadersFrame(1, b"\x83").serialize() + ContinuationFrame(1, b"").serialize() * 1000)
    assert code_of(client) == ErrorCodes.PROTOCOL_ERROR
    assert is_served(peer)


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_frame_ends_the_connection_with_a_word(peer: Http2Peer, client: Client, kind: str) -> None:
    hanging = client.ask("/h2/hang")
    client.raw(BROKEN[kind](3))
    assert code_of(client) not in (None, ErrorCodes.NO_ERROR)
    assert not client.answers[hanging].over
    assert is_served(peer)


def test_what_is_no_http2_ends_the_connection(peer: Http2Peer) -> None:
    with tls(("127.0.0.1", peer.port), peer.authority, "h2") as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while part := line.recv(4096):
            got += part
    assert got.endswith(b"\0\0\x08\x07\0\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\1")  # GOAWAY, PROTOCOL_ERROR
    assert is_served(peer)


@pytest.mark.parametrize("target", ["/h2/refused", "/h2/ok", "/h2/big", "/h2/hang", "/h2/huge"])
def test_a_stream_is_given_up_in_the_same_breath(peer: Http2Peer, client: Client, target: str) -> None:
    client.frames.reset_stream(client.ask(target, now=False), ErrorCodes.CANCEL)
    assert client.get("/h2/ok").status == 200


def test_a_stream_too_many_is_given_up_in_the_same_breath(peer: Http2Peer) -> None:
    peer.desk.opening = Opening(streams=1)
    with Client(peer.port, peer.authority) as client:
        slow = client.ask("/h2/slow-50", now=False)
        client.frames.reset_stream(client.ask("/h2/ok", now=False), ErrorCodes.CANCEL)
        client.flush()
        assert client.answer(slow).status == 200


@pytest.mark.parametrize("leaves", [False, True])
def test_room_is_given_and_taken_back_in_the_same_breath(peer: Http2Peer, leaves: bool) -> None:
    with Client(peer.port, peer.authority, gives=False) as client:
        stream = client.ask("/h2/big")
        client.until(lambda: client.answers[stream].size >= 65_535)
        client.frames.increment_flow_control_window(70_000)
        client.frames.increment_flow_control_window(70_000, stream)
        if leaves:
            client.frames.close_connection()
            client.flush()
            until(lambda: is_left(peer), WAIT, "the end of the connection")
        else:
            client.frames.reset_stream(stream, ErrorCodes.CANCEL)
            assert client.get("/h2/ok").status == 200


def test_a_body_and_a_goodbye_come_in_the_same_breath(peer: Http2Peer, client: Client) -> None:
    client.ask("/h2/hang", b"x" * 40_000, end=False, now=False)
    client.frames.close_connection()
    client.flush()
    until(lambda: is_left(peer), WAIT, "the end of the connection")


def test_a_path_of_other_bytes_is_refused_alone(peer: Http2Peer, client: Client) -> None:
    assert client.get("/h2/\xff").reset == ErrorCodes.PROTOCOL_ERROR
    assert client.get("/h2/ok").status == 200


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_arrives_can_harm_the_emulator(peer: Http2Peer, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        with Client(peer.port, peer.authority) as client:
            client.frames.send_headers(1, [*REQUEST, ("x", "y")])
            client.frames.send_data(1, b"body", end_stream=True)
            client.frames.ping(b"12345678")
            octets = bytearray(client.frames.data_to_send()) * chance.choice((1, 1, 2))
            for _ in range(chance.randint(1, 6)):
                at = chance.randrange(len(octets))
                octets[at : at + chance.choice((0, 1, 1, 9))] = chance.randbytes(chance.choice((0, 1, 1, 4)))
            client.raw(bytes(octets))
            client.listen(0.01)
            assert isinstance(client.broken, ConnectionError | ssl.SSLError | None), client.broken
    assert is_served(peer)
