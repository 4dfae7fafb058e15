"""The engine over TLS: whom it trusts, which certificate it shows, and what a failed handshake means."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from devices.push.base import Answer, ClientCertificate, Lost, Request
from devices.push.engine import Engine
from tests.devices.emulator.test_tls import Authority, Pair
from tests.devices.push import wire
from tests.devices.push.wire import GOOD, Peer, Play, push


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("server")


def encrypted(server: Pair, authority: Authority, names: list[str], newest: ssl.TLSVersion) -> Play:
    """Return a piece that demands a certificate, notes its name with each request and answers twice."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(authority.own.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest

    def play(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            subject = dict(pair for part in (secure.getpeercert() or {})["subject"] for pair in part)  # type: ignore[misc]  # typeshed: a union of all shapes
            for _ in range(2):
                if wire.read_request(secure):
                    names.append(str(subject["commonName"]))
                    secure.sendall(GOOD)

    return play


def shown(pair: Pair) -> ClientCertificate:
    """Return the certificate as the product keeps it: in memory."""
    return ClientCertificate(pair.certificate.read_text(), pair.key.read_text())


@pytest.fixture
def names() -> list[str]:
    return []


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def peer(request: pytest.FixtureRequest, server: Pair, authority: Authority, names: list[str]) -> Iterator[Peer]:
    with Peer(encrypted(server, authority, names, request.param)) as peer:
        yield peer


def answer_of(peer: Peer, trusted: Authority, certificate: ClientCertificate | None) -> Answer:
    engine = Engine[str](allow=frozenset({peer.address}), authorities=str(trusted.own.certificate))
    return push(engine, Request(f"https://{peer.address}/x", (), b"<x/>", certificate=certificate))


def test_a_certificate_from_memory_is_shown(peer: Peer, authority: Authority, names: list[str]) -> None:
    assert answer_of(peer, authority, shown(authority.issue("push.example.org"))).status == 200
    assert names == ["push.example.org"]


def test_each_request_shows_its_own_certificate(peer: Peer, authority: Authority, names: list[str]) -> None:
    engine = Engine[str](allow=frozenset({peer.address}), authorities=str(authority.own.certificate))
    one, other = shown(authority.issue("one")), shown(authority.issue("other"))
    for certificate in (one, other, other, one):
        assert push(engine, Request(f"https://{peer.address}/x", (), b"x", certificate=certificate)).status == 200
    assert names == ["one", "other", "other", "one"]
    assert len(peer.connections) == 2


@pytest.mark.threats(54)
@pytest.mark.faults(27)
def test_a_server_nobody_vouches_for_gets_nothing(peer: Peer, authority: Authority, stranger: Authority) -> None:
    answer = answer_of(peer, stranger, shown(authority.issue("push.example.org")))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)
    assert "certificate" in answer.error


@pytest.mark.threats(54)
@pytest.mark.faults(27)
def test_a_server_of_another_name_gets_nothing(peer: Peer, authority: Authority, names: list[str]) -> None:
    port = peer.address.partition(":")[2]
    engine = Engine[str](allow=frozenset({peer.address}), authorities=str(authority.own.certificate))
    answer = push(engine, Request(f"https://localhost:{port}/x", (), b"x", certificate=shown(authority.issue("a"))))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)
    assert names == []


@pytest.mark.faults(27)
def test_a_certificate_the_server_does_not_take_is_not_sent(
    peer: Peer, authority: Authority, stranger: Authority, names: list[str]
) -> None:
    for certificate in (None, shown(stranger.issue("push.example.org"))):
        answer = answer_of(peer, authority, certificate)
        assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)
    assert names == []


def test_a_certificate_the_server_does_not_take_is_told_apart(authority: Authority, server: Pair) -> None:
    """Over TLS 1.3 the refusal comes after the request is out: it must not count as doubtful."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.verify_mode = ssl.CERT_REQUIRED  # and it trusts nobody

    def piece(connection: socket.socket) -> None:
        inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(inside, outside, server_side=True)
        while data := connection.recv(65536):  # reads all there is, so that no RST overtakes the alert
            inside.write(data)
            try:
                secure.do_handshake()
            except ssl.SSLError:
                connection.sendall(outside.read())

    with Peer(piece) as peer:
        for certificate in (None, shown(authority.issue("push.example.org"))):
            answer = answer_of(peer, authority, certificate)
            assert (answer.status, answer.lost, answer.certificate_refused) == (0, Lost.NOT_SENT, True)


def test_a_certificate_that_is_none_is_told_and_not_sent(peer: Peer, authority: Authority, names: list[str]) -> None:
    good = shown(authority.issue("push.example.org"))
    other = shown(authority.issue("other"))
    for broken in (
        ClientCertificate("nonsense", good.key),
        ClientCertificate(good.certificate, "nonsense"),
        ClientCertificate(good.certificate, other.key),
        ClientCertificate("", ""),
    ):
        answer = answer_of(peer, authority, broken)
        assert (answer.status, answer.lost, answer.certificate_refused) == (0, Lost.NOT_SENT, True)
        assert answer.error
        assert "PRIVATE" not in answer.error
    assert names == []


def test_plain_http_where_tls_is_due_is_not_sent(authority: Authority) -> None:
    with Peer(lambda connection: connection.sendall(GOOD)) as peer:
        answer = answer_of(peer, authority, None)
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)


@pytest.mark.threats(54)
def test_the_default_authorities_are_those_of_the_world(peer: Peer, authority: Authority) -> None:
    engine = Engine[str](allow=frozenset({peer.address}))
    answer = push(engine, Request(f"https://{peer.address}/x", (), b"x", certificate=shown(authority.issue("a"))))
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT)
    assert "certificate" in answer.error
