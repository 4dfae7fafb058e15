"""The engine against hostile peers over real sockets: endless answers, redirects, and addresses of this machine."""

from __future__ import annotations

import gzip
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.push.base import Lost
from devices.push.engine import BODY_LIMIT, Engine
from devices.push.headers import HEADER_LIMIT
from tests.devices.push import wire
from tests.devices.push.wire import GOOD, Peer, lets, push, request_to


@pytest.fixture
def engine() -> Iterator[Engine[str]]:
    engine = Engine[str](concurrency=4, deadline=10.0)
    yield engine
    engine.close()


@pytest.mark.threats(8)
@pytest.mark.faults(19)
def test_a_body_without_end_is_cut() -> None:
    with Peer(wire.flooding(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", b"x" * 65536, 15_259)) as peer:
        engine = lets(peer)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = push(engine, request_to(peer.url))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert (answer.status, answer.lost) == (200, None)
    assert len(answer.body) <= BODY_LIMIT
    assert grown < 10_000


@pytest.mark.threats(8)
@pytest.mark.faults(19)
def test_a_body_of_unknown_length_is_cut_too() -> None:
    start = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n"
    with Peer(wire.flooding(start, b"10000\r\n" + b"x" * 65536 + b"\r\n", 15_000)) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.headers["retry-after"], len(answer.body)) == (503, "7", BODY_LIMIT)


@pytest.mark.faults(19)
def test_nobody_waits_for_the_rest_of_a_body_that_is_cut() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * BODY_LIMIT
    with Peer(wire.dripping(start, b".")) as peer:
        answer = push(lets(peer, 5.0), request_to(peer.url))
    assert (answer.status, len(answer.body)) == (200, BODY_LIMIT)
    assert answer.milliseconds < 2500


@pytest.mark.threats(8)
@pytest.mark.faults(19)
def test_a_compressed_body_is_not_unpacked() -> None:
    packed = gzip.compress(b"\0" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with Peer(wire.answering(head + packed)) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert answer.body == packed


@pytest.mark.threats(8)
@pytest.mark.faults(21)
@pytest.mark.parametrize(
    "piece",
    [
        wire.flooding(b"HTTP/1.1 200 OK\r\n", b"X-Flood: 1\r\n" * 1000, 100, b"Content-Length: 0\r\n\r\n"),
        wire.flooding(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 65536, 32, b"\r\nContent-Length: 0\r\n\r\n"),
        wire.flooding(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 2000, b"", 0, GOOD),
        # What libcurl itself would still take: its own limit is far above ours.
        wire.flooding(b"HTTP/1.1 200 OK\r\n", b"X-Flood: 1\r\n" * 1000, 2, b"Content-Length: 0\r\n\r\n"),
    ],
    ids=["100,000 headers", "one of 2 MB", "2,000 interim responses", "a little more than the limit"],
)
def test_headers_without_end_are_no_answer(piece: wire.Play) -> None:
    with Peer(piece) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.lost, answer.headers) == (0, Lost.AMBIGUOUS, {})
    assert answer.error


def test_headers_up_to_the_limit_are_an_answer() -> None:
    fill = b"".join(b"X-%05d: %s\r\n" % (number, b"v" * 89) for number in range(160))
    assert HEADER_LIMIT - 1000 < len(fill) < HEADER_LIMIT - 100
    with Peer(wire.answering(b"HTTP/1.1 200 OK\r\n" + fill + b"Content-Length: 0\r\n\r\n")) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.headers["x-00159"]) == (200, "v" * 89)


@pytest.mark.faults(21)
def test_bytes_that_are_no_text_stay_readable() -> None:
    head = b"HTTP/1.1 200 \xc3\x28\r\nX-NotificationStatus: \xff\xfe\xe9\r\nContent-Length: 2\r\n\r\n\xc3\x28"
    with Peer(wire.answering(head)) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.headers["x-notificationstatus"], answer.body) == (200, "ÿþé", b"\xc3\x28")


@pytest.mark.faults(21)
def test_trailers_without_end_take_nothing_from_the_answer() -> None:
    start = b"HTTP/1.1 200 OK\r\nX-NotificationStatus: Received\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    with Peer(wire.flooding(start, b"X-T: " + b"v" * 995 + b"\r\n", 60)) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.headers["x-notificationstatus"], answer.lost) == (200, "Received", None)


def test_several_floods_at_once_are_all_told() -> None:
    peers = [Peer(wire.flooding(b"HTTP/1.1 200 OK\r\n", b"X: " + b"v" * 997 + b"\r\n", 60)) for _ in range(4)]
    with peers[0], peers[1], peers[2], peers[3]:
        engine = Engine[str](allow=frozenset({peer.address for peer in peers}))
        for number, peer in enumerate(peers):
            engine.start(request_to(peer.url), str(number))
        told: list[str] = []
        while engine.in_flight:
            told += [tag for tag, answer in engine.wait(5.0) if answer.lost is Lost.AMBIGUOUS]
        engine.close()
    assert sorted(told) == ["0", "1", "2", "3"]


def test_a_trailer_is_not_taken_for_a_header() -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-NotificationStatus\r\n\r\n"
    with Peer(wire.answering(start + b"2\r\nok\r\n0\r\nX-NotificationStatus: Suppressed\r\n\r\n")) as peer:
        answer = push(lets(peer), request_to(peer.url))
    assert (answer.status, answer.body, answer.headers.get("x-notificationstatus")) == (200, b"ok", None)


@pytest.mark.threats(6)
@pytest.mark.faults(22)
@pytest.mark.parametrize("status", [b"301", b"302", b"303", b"307", b"308"])
def test_a_redirect_is_an_answer_and_not_an_order(status: bytes) -> None:
    with Peer(wire.answering(GOOD)) as trap:
        head = b"HTTP/1.1 " + status + b" Moved\r\nLocation: " + trap.url.encode() + b"\r\nContent-Length: 0\r\n\r\n"
        with Peer(wire.answering(head)) as peer:
            engine = Engine[str](allow=frozenset({peer.address, trap.address}))
            assert push(engine, request_to(peer.url)).status == int(status)
        assert not trap.connections


@pytest.mark.threats(7)
def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []
    cookie = GOOD.replace(b"Content", b"Set-Cookie: a=b; Path=/\r\nContent")
    with Peer(wire.answering(cookie, GOOD, seen=seen)) as peer:
        engine = lets(peer)
        for _ in range(2):
            push(engine, request_to(peer.url))
    assert b"cookie" not in seen[1].lower()


@pytest.mark.threats(7)
def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[bytes] = []
    with Peer(wire.answering(GOOD)) as proxy, Peer(wire.answering(GOOD, seen=seen)) as peer:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
        engine = Engine[str](allow=frozenset({peer.address, proxy.address}))
        assert push(engine, request_to(peer.url)).status == 200
        assert not proxy.connections
    assert b"authorization" not in seen[0].lower()


# --- the guard ---


@pytest.mark.threats(4, 5)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]"])
def test_this_machine_is_refused_however_it_is_spelled(engine: Engine[str], host: str) -> None:
    with Peer(wire.answering(GOOD)) as trap:
        answer = push(engine, request_to(f"http://{host}:{trap.address.partition(':')[2]}/"))
        assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)
        assert "not a public address" in answer.error
        assert not trap.connections


def test_only_the_port_that_is_let_through_is(engine: Engine[str]) -> None:
    with Peer(wire.answering(GOOD)) as allowed, Peer(wire.answering(GOOD)) as other:
        answer = push(lets(allowed), request_to(other.url))
        assert answer.lost is Lost.NOT_SENT
        assert not other.connections


@pytest.mark.threats(1)
@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/x", "ftp://127.0.0.1/", "nonsense", ""])
def test_other_schemes_are_not_spoken(engine: Engine[str], url: str) -> None:
    answer = push(engine, request_to(url))
    assert (answer.status, answer.lost, answer.body) == (0, Lost.NOT_SENT, b"")
