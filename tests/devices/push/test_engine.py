"""The engine over real sockets: what it sends, what it makes of bad peers, and how long it lets them."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from devices.push.base import Lost, Request
from devices.push.engine import Engine
from tests.devices.push import wire
from tests.devices.push.wire import GOOD, Peer, lets, push, request_to

DEADLINE = 0.6  # seconds
BIG = b"a" * 20_000_000  # more than the buffers of a loopback connection hold


def test_the_request_arrives_as_given_and_with_nothing_else() -> None:
    seen: list[bytes] = []
    with Peer(wire.answering(GOOD, seen=seen)) as peer:
        answer = push(lets(peer), request_to(f"{peer.url}/a~b?x=1&y=/2", "Grüße".encode(), (("X-MessageID", "7"),)))
    assert (answer.status, answer.headers["x-notificationstatus"], answer.lost) == (200, "Received", None)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    assert first == "POST /push/a~b?x=1&y=/2 HTTP/1.1"
    assert sorted(rest) == [
        "Content-Length: 7",
        "Content-Type: text/xml",
        f"Host: {peer.address}",
        "User-Agent: PushAdmin",
        "X-MessageID: 7",
    ]
    assert body.decode() == "Grüße"


def test_a_large_body_asks_for_no_permission_first() -> None:
    seen: list[bytes] = []
    with Peer(wire.answering(GOOD, seen=seen)) as peer:
        assert push(lets(peer), request_to(peer.url, b"a" * 2_000_000)).status == 200
    assert b"expect" not in seen[0].partition(b"\r\n\r\n")[0].lower()


@pytest.mark.threats(38)
@pytest.mark.parametrize("evil", ["a\r\nX-Other: b", "a\nb", "a\0b", "a\x7fb", "ä", "\ud800"])
def test_a_header_cannot_be_broken_out_of(evil: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Request("http://127.0.0.1:9/", (("X-MessageID", evil),), b"x")
    with pytest.raises(ValueError, match="header"):
        Request("http://127.0.0.1:9/", ((evil, "x"),), b"x")
    with pytest.raises(ValueError, match="address"):
        Request(f"http://127.0.0.1:9/{evil}", (), b"x")


def test_connections_are_kept_and_used_again() -> None:
    with Peer(wire.answering(*[GOOD] * 20)) as peer:
        engine = lets(peer)
        assert [push(engine, request_to(peer.url)).status for _ in range(20)] == [200] * 20
        assert len(peer.connections) == 1


@pytest.mark.threats(46)
def test_nothing_of_one_exchange_shows_in_the_next() -> None:
    rich = b"HTTP/1.1 400 Bad\r\nX-Rich: yes\r\nContent-Length: 4\r\n\r\nrich"
    seen: list[bytes] = []
    with Peer(wire.answering(rich, GOOD, seen=seen)) as peer:
        engine = lets(peer)
        first = push(engine, request_to(peer.url, b"a long first body", (("X-Secret", "1"),)))
        second = push(engine, request_to(peer.url, b"short"))
    assert (first.status, first.headers["x-rich"], first.body) == (400, "yes", b"rich")
    assert (second.status, second.headers.get("x-rich"), second.body) == (200, None, b"")
    assert b"X-Secret" not in seen[1]
    assert seen[1].endswith(b"\r\n\r\nshort")


def test_as_many_are_out_as_may_be_and_no_more() -> None:
    with Peer(wire.hanging) as peer:
        engine = lets(peer)
        for number in range(4):
            engine.start(request_to(peer.url), str(number))
        assert (engine.free, engine.in_flight) == (0, 4)
        with pytest.raises(RuntimeError):
            engine.start(request_to(peer.url), "too many")
        engine.close()


@pytest.mark.faults(17)
def test_answers_come_as_soon_as_there_is_one_with_their_own_tag() -> None:
    with Peer(wire.hanging) as silent, Peer(wire.answering(GOOD)) as quick:
        engine = Engine[str](allow=frozenset({silent.address, quick.address}))
        engine.start(request_to(silent.url), "silent")
        engine.start(request_to(quick.url), "quick")
        begun = time.monotonic()
        answers = engine.wait(5.0)
        assert time.monotonic() - begun < 1.0
        assert [(tag, answer.status) for tag, answer in answers] == [("quick", 200)]
        begun = time.monotonic()
        assert engine.wait(0.1) == []
        assert 0.09 < time.monotonic() - begun < 0.5
        engine.close()


# --- time ---


@pytest.mark.threats(9)
@pytest.mark.faults(17, 18)
@pytest.mark.parametrize(
    "piece",
    [wire.hanging, wire.dripping(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"."), wire.dripping(b"HTTP/1.1 200 ", b"O")],
    ids=["hang", "drip a header", "drip the status line"],
)
def test_the_deadline_is_wall_clock_time_and_what_happened_is_in_doubt(piece: wire.Play) -> None:
    with Peer(piece) as peer:
        begun = time.monotonic()
        answer = push(lets(peer, DEADLINE), request_to(peer.url))
        assert DEADLINE - 0.1 < time.monotonic() - begun < DEADLINE + 0.5
    assert (answer.status, answer.lost) == (0, Lost.AMBIGUOUS)
    assert answer.error
    assert answer.milliseconds >= DEADLINE * 900


@pytest.mark.faults(18)
def test_a_body_that_drips_takes_nothing_from_the_answer() -> None:
    with Peer(wire.dripping(b"HTTP/1.1 404 Gone\r\nContent-Length: 1000000\r\n\r\n", b".")) as peer:
        begun = time.monotonic()
        answer = push(lets(peer, DEADLINE), request_to(peer.url))
        assert time.monotonic() - begun < DEADLINE + 0.5
    assert (answer.status, answer.lost) == (404, None)


def test_a_peer_that_reads_slowly_cannot_have_the_message() -> None:
    over = threading.Event()

    def piece(connection: socket.socket) -> None:
        connection.recv(1000)
        over.wait(10)

    with Peer(piece) as peer:
        answer = push(lets(peer, DEADLINE), request_to(peer.url, BIG))
        over.set()
    assert answer.lost is Lost.NOT_SENT


# --- lost, and in which phase ---


@pytest.mark.faults(16)
def test_a_closed_port_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    answer = push(Engine[str](allow=frozenset({address})), request_to(f"http://{address}/"))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)


@pytest.mark.faults(26)
def test_an_unknown_name_is_not_sent() -> None:
    answer = push(Engine[str](), request_to("http://nobody.invalid/"))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)


@pytest.mark.faults(16)
def test_connecting_has_its_own_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = f"127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        engine = Engine[str](deadline=10.0, connect_timeout=0.3, allow=frozenset({address}))
        begun = time.monotonic()
        answer = push(engine, request_to(f"http://{address}/"))
        assert time.monotonic() - begun < 1.0
        assert answer.lost is Lost.NOT_SENT
        for one in waiting:
            one.close()


@pytest.mark.faults(20)
def test_a_reset_before_the_request_is_whole_is_not_sent() -> None:
    def piece(connection: socket.socket) -> None:
        connection.recv(1000)
        wire.reset(connection)

    with Peer(piece) as peer:
        answer = push(lets(peer), request_to(peer.url, BIG))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)


@pytest.mark.faults(20, 21)
@pytest.mark.parametrize(
    "piece",
    [
        wire.resetting,
        wire.answering(b""),
        wire.answering(b"HTTP/1.1 200 OK\r\n"),
        wire.answering(b"HTTP/1.1 200 OK\r\nX-NotificationStatus: Received\r\n"),
        wire.answering(b"HTTP/1.1 100 Continue\r\n\r\n"),
        wire.answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\n"),
        wire.answering(b"\x00\xff\xfeSSH-2.0-nonsense\r\n\x80\x81 700 ?\r\n\r\n"),
        wire.answering(b"200 OK\r\n\r\n"),
        wire.answering(b"<html>captive portal</html>"),
        wire.answering(b"HTTP/1.1 abc OK\r\n\r\n"),
        wire.answering(b"HTTP/1.1 200 OK\r\nX-Nul: \0\r\n\r\n"),
    ],
    ids=[
        "reset",
        "closed",
        "status line only",
        "headers not ended",
        "interim only",
        "interim, then half",
        "garbage",
        "no protocol",
        "HTTP/0.9",
        "no status",
        "NUL",
    ],
)
def test_a_whole_request_without_a_valid_answer_is_in_doubt(piece: wire.Play) -> None:
    with Peer(piece) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.lost, answer.headers, answer.body) == (0, Lost.AMBIGUOUS, {}, b"")
    assert answer.error


def test_an_interim_response_is_no_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nX-NotificationStatus: Suppressed\r\n\r\n"
    with Peer(wire.answering(early + GOOD)) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.headers["x-notificationstatus"]) == (200, "Received")


def test_an_answer_before_the_body_is_whole_counts() -> None:
    def piece(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        wire.hanging(connection)

    with Peer(piece) as peer:
        assert push(lets(peer), request_to(peer.url, BIG)).status == 413


# --- no second copy that nobody asked for ---


@pytest.mark.parametrize("last", [wire.resetting, wire.answering(b"")], ids=["reset", "closed"])
@pytest.mark.parametrize("body", [b"<x/>", b"a" * 100_000, b""], ids=["small", "large", "none"])
def test_a_request_on_a_kept_connection_is_never_repeated(last: wire.Play, body: bytes) -> None:
    seen: list[bytes] = []

    def piece(connection: socket.socket) -> None:
        seen.append(wire.read_request(connection))
        connection.sendall(GOOD)
        seen.append(wire.read_request(connection))
        last_words = wire.reset if last is wire.resetting else socket.socket.close
        last_words(connection)

    again = wire.answering(GOOD, seen=seen)
    with Peer(piece, again) as peer:
        engine = lets(peer)
        assert push(engine, request_to(peer.url, b"first")).status == 200
        answer = push(engine, request_to(peer.url, body))
    copies = [request for request in seen if request.endswith(b"\r\n\r\n" + body) and not request.endswith(b"first")]
    if body:
        assert answer.lost is Lost.AMBIGUOUS
    assert len(copies) == 1


def test_a_connection_the_peer_announced_to_close_is_not_used_again() -> None:
    with Peer(wire.answering(GOOD.replace(b"Content", b"Connection: close\r\nContent"))) as peer:
        engine = lets(peer)
        assert [push(engine, request_to(peer.url)).status for _ in range(3)] == [200] * 3
        assert len(peer.connections) == 3


# --- patience ---


@pytest.mark.threats(9)
@pytest.mark.faults(17)
def test_a_few_silent_peers_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.push.engine.PATIENCE", 0.05)
    with Peer(wire.hanging) as silent, Peer(wire.answering(*[GOOD] * 50)) as quick:
        engine = Engine[str](concurrency=2, deadline=5.0, allow=frozenset({silent.address, quick.address}), limit=4)
        for name in ("silent 1", "silent 2"):
            engine.start(request_to(silent.url), name)
        assert engine.free == 0
        assert engine.wait(0.1) == []
        assert engine.free == 2
        assert [push(engine, request_to(quick.url)).status for _ in range(20)] == [200] * 20
        assert (engine.in_flight, engine.free) == (2, 2)
        for name in ("silent 3", "silent 4"):
            engine.start(request_to(silent.url), name)
        assert engine.wait(0.1) == []
        assert (engine.in_flight, engine.free) == (4, 0), "there is a limit to patience"
        engine.close()
