"""The exchange for a bearer token against token endpoints of every bad kind, over real sockets."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.push import tokens
from devices.push.base import Answer, Lost, Request
from tests.devices.emulator.test_tls import Authority
from tests.devices.push import wire
from tests.devices.push.wire import Peer, Play, answering, dripping, flooding, hanging, resetting

GIVEN = b'{"access_token":"t-1","expires_in":3600}'
FORM = b"grant_type=x&client_secret=s3cret"
DEADLINE = 0.6  # seconds here, so that a test need not wait for 5
KIND = (("Content-Type", "application/x-www-form-urlencoded"),)


def answer_with(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "DEADLINE", DEADLINE)


def asked(peer: Peer, **changed: Any) -> Answer:
    """Ask ``peer`` for a token; fails when it takes longer than the deadline and some slack."""
    began = time.monotonic()
    url = changed.pop("url", f"http://{peer.address}/token")
    answer = tokens.exchanged(Request(url, KIND, FORM), changed.pop("allow", frozenset({peer.address})), **changed)
    assert time.monotonic() - began < DEADLINE + 1.5
    return answer


def is_lost(answer: Answer) -> bool:
    """Return whether nothing but that no answer came is told, in a sentence that keeps our secret."""
    assert "s3cret" not in answer.error
    return (answer.status, answer.body, answer.lost) == (0, b"", Lost.NOT_SENT) and answer.error.endswith(".")


def test_a_token_is_asked_for_and_its_answer_comes_back() -> None:
    seen: list[bytes] = []
    with Peer(answering(answer_with(GIVEN, "200 OK", "X-Some: Thing"), seen=seen)) as peer:
        answer = asked(peer)
    assert (answer.status, answer.body, answer.lost, answer.error) == (200, GIVEN, None, "")
    assert answer.headers["x-some"] == "Thing"
    (request,) = seen
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == FORM
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert first == "POST /token HTTP/1.1"
    assert headers.pop("accept-encoding", "identity") == "identity"
    assert headers == {
        "host": peer.address,
        "user-agent": "pushadmin",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(FORM)),
    }


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "429 Too Many", "503 Unavailable"])
def test_a_refusal_is_an_answer(status: str) -> None:
    with Peer(answering(answer_with(b'{"error":"x"}', status))) as peer:
        answer = asked(peer)
    assert (answer.status, answer.body) == (int(status[:3]), b'{"error":"x"}')


BROKEN: dict[str, Play] = {
    "no answer": hanging,
    "reset": resetting,
    "closed": answering(b""),
    "no HTTP": answering(b"SSH-2.0-x\r\n"),
    "half a status": answering(b"HTTP/1.1 2"),
    "half a header": answering(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half a body": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + GIVEN),
    "wrong chunks": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GIVEN),
    "nonsense": answering(b"\x00\xff" * 500),
}


@pytest.mark.threats(9)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_none(name: str) -> None:
    with Peer(BROKEN[name]) as peer:
        assert is_lost(asked(peer))


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "status": (b"HTTP/1.1 200 ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\na: ", b"b"),
    "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n" + GIVEN, b" "),
    "body with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + GIVEN, b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "not yet": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.threats(9)
@pytest.mark.parametrize("name", DRIPS)
def test_an_answer_that_drips_is_cut_off_and_counts_as_none(name: str) -> None:
    with Peer(dripping(*DRIPS[name])) as peer:
        answer = asked(peer)
    assert is_lost(answer)
    assert "No answer came" in answer.error
    assert answer.milliseconds >= 400


@pytest.mark.threats(8)
@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"])
def test_a_body_without_end_is_none(start: bytes) -> None:
    with Peer(flooding(start, b"x" * 65_536, 400)) as peer:
        answer = asked(peer)
    assert is_lost(answer)
    assert answer.error == "The answer has no end."


@pytest.mark.threats(8)
@pytest.mark.parametrize(
    "part", [b"a: b\r\n" * 100, b"x" * 65_536 + b": b\r\n"], ids=["10,000 headers", "headers of 6 megabytes"]
)
def test_headers_without_end_are_no_answer(part: bytes) -> None:
    with Peer(flooding(b"HTTP/1.1 200 OK\r\n", part, 100, b"Content-Length: 0\r\n\r\n")) as peer:
        assert is_lost(asked(peer))


@pytest.mark.threats(8)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_answer_is_not_unpacked(coding: str) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    with Peer(answering(answer_with(bomb, "200 OK", f"Content-Encoding: {coding}"))) as peer:
        answer = asked(peer)
    assert answer.body == bomb


# Where it leads


@pytest.mark.threats(6)
@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_a_redirect_is_an_answer_and_not_an_order(status: str) -> None:
    with Peer(answering(answer_with(GIVEN))) as trap:
        location = f"Location: http://{trap.address}/token"
        with Peer(answering(answer_with(b"", status, location))) as peer:
            answer = asked(peer, allow=frozenset({peer.address, trap.address}))
        assert answer.status == int(status[:3])
        assert trap.connections == []


@pytest.mark.threats(4, 5)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "0.0.0.0"])
def test_this_machine_is_refused_however_it_is_spelled(host: str) -> None:
    with Peer(answering(answer_with(GIVEN))) as peer:
        port = peer.address.partition(":")[2]
        answer = asked(peer, url=f"http://{host}:{port}/token", allow=frozenset())
        assert is_lost(answer)
        assert peer.connections == []


INSIDE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"]


@pytest.mark.threats(4)
@pytest.mark.parametrize("inside", [*INSIDE, "fe80::1", "fd00::1", "64:ff9b::7f00:1"])
def test_an_allowed_name_that_resolves_inside_is_not_dialled(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[Any] = []
    asked_for: list[str] = []

    def getaddrinfo(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        asked_for.append(host)
        family = socket.AF_INET6 if ":" in inside else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (inside, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", lambda _, target: dialled.append(target))
    answer = tokens.exchanged(Request("https://oauth2.googleapis.com/token", KIND, FORM))
    assert is_lost(answer)
    assert answer.error == f"{inside} is not a public address: the connection was refused on our side."
    assert (dialled, asked_for) == ([], ["oauth2.googleapis.com"])


@pytest.mark.threats(4)
def test_what_is_dialled_is_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service that answers otherwise the second time is not asked a second time."""
    with Peer(answering(answer_with(GIVEN))) as peer:
        port = int(peer.address.partition(":")[2])
        found = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("10.0.0.1", "127.0.0.1")]]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found.pop())
        answer = asked(peer, url=f"http://login.example:{port}/token")
    assert (answer.status, found) == (200, [])


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answer = tokens.exchanged(Request("https://login.live.com/accesstoken.srf", KIND, FORM))
    assert (is_lost(answer), answer.error) == (True, "login.live.com is not known to the name service.")


def test_nobody_at_home_is_told() -> None:
    with Peer(hanging) as peer:
        pass
    answer = asked(peer)
    assert (is_lost(answer), answer.error) == (True, "127.0.0.1 does not take our connection.")


@pytest.mark.threats(9)
def test_many_addresses_take_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is dialled for what is left of the time, and none after it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        held = [socket.socket() for _ in range(3)]
        for one in held:
            one.setblocking(False)
            one.connect_ex((host, port))
        many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))] * 20
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
        began = time.monotonic()
        answer = tokens.exchanged(
            Request(f"http://many.example:{port}/token", KIND, FORM), frozenset({f"{host}:{port}"})
        )
        assert time.monotonic() - began < DEADLINE + 1.5
        for one in held:
            one.close()
    assert is_lost(answer)


@pytest.mark.threats(7)
def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    (tmp_path / ".netrc").chmod(0o600)
    seen: list[bytes] = []
    with Peer(answering(answer_with(GIVEN))) as proxy, Peer(answering(answer_with(GIVEN), seen=seen)) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        assert asked(peer, allow=frozenset({peer.address, proxy.address})).status == 200
        assert proxy.connections == []
    assert b"authorization" not in seen[0].lower()


@pytest.mark.threats(7)
def test_cookies_are_not_kept() -> None:
    seen: list[bytes] = []
    with Peer(answering(answer_with(GIVEN, "200 OK", "Set-Cookie: a=b; Path=/"), seen=seen)) as peer:
        asked(peer)
        asked(peer)
    assert len(seen) == 2
    assert b"cookie" not in b"".join(seen).lower()


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def encrypted(authority: Authority, piece: Play) -> Play:
    """Return ``piece`` behind TLS, with a certificate for 127.0.0.1."""
    server = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)

    def play(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            piece(secure)

    return play


@pytest.fixture
def seen() -> list[bytes]:
    return []


@pytest.fixture
def secure(authority: Authority, seen: list[bytes]) -> Iterator[Peer]:
    with Peer(encrypted(authority, answering(answer_with(GIVEN), seen=seen))) as peer:
        yield peer


def asked_by_tls(peer: Peer, trusted: Authority | None, host: str = "127.0.0.1") -> Answer:
    at = f"{host}:{peer.address.partition(':')[2]}"
    trust = {at: str(trusted.own.certificate)} if trusted else {}
    return asked(peer, url=f"https://{at}/token", trust=trust)


def test_a_server_that_is_vouched_for_is_asked(secure: Peer, authority: Authority, seen: list[bytes]) -> None:
    assert asked_by_tls(secure, authority).body == GIVEN
    assert len(seen) == 1


@pytest.mark.threats(54)
def test_a_server_nobody_vouches_for_gets_nothing(
    secure: Peer, stranger: Authority, authority: Authority, seen: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.own.certificate))
    for trusted in (stranger, None):
        answer = asked_by_tls(secure, trusted)
        assert is_lost(answer)
        assert "certificate" in answer.error
    assert seen == []


@pytest.mark.threats(54)
def test_a_server_of_another_name_gets_nothing(secure: Peer, authority: Authority, seen: list[bytes]) -> None:
    assert is_lost(asked_by_tls(secure, authority, "localhost"))
    assert seen == []


@pytest.mark.threats(9)
@pytest.mark.parametrize("name", DRIPS)
def test_an_answer_that_drips_over_tls_is_cut_off_too(name: str, authority: Authority) -> None:
    with Peer(encrypted(authority, dripping(*DRIPS[name]))) as peer:
        assert is_lost(asked_by_tls(peer, authority))


@pytest.mark.threats(9)
def test_a_handshake_that_never_ends_is_cut_off(authority: Authority) -> None:
    def hello(connection: socket.socket) -> None:
        connection.recv(65_536)
        for _ in range(600):
            connection.sendall(b"\x16\x03\x03\x40\x00" if _ == 0 else b"\x02")
            time.sleep(0.05)  # the peer's own pace

    with Peer(hello) as peer:
        assert is_lost(asked_by_tls(peer, authority))


def test_plain_http_where_tls_is_due_gets_nothing(authority: Authority) -> None:
    got: list[bytes] = []
    with Peer(answering(answer_with(GIVEN), seen=got)) as peer:
        assert is_lost(asked_by_tls(peer, authority))
    assert all(b"s3cret" not in one for one in got)


def test_no_socket_is_left_open() -> None:
    closed: list[bytes] = []

    def waits(connection: socket.socket) -> None:
        wire.read_request(connection)
        connection.sendall(answer_with(GIVEN))
        closed.append(connection.recv(1))

    with Peer(waits) as peer:
        asked(peer)
        ends = time.monotonic() + 5
        while not closed and time.monotonic() < ends:
            time.sleep(0.01)
    assert closed == [b""]


@pytest.mark.faults(26)
def test_a_name_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has a patience of its own, half a minute and more."""
    over = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    answer = tokens.exchanged(Request("https://name.example/token", KIND, FORM))
    over.set()
    assert time.monotonic() - began < DEADLINE + 1
    assert (answer.lost, answer.error) == (Lost.NOT_SENT, "The name service did not answer for name.example.")
