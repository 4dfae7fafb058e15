"""Authenticated channels: who shows which certificate."""

from __future__ import annotations

import datetime
import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.devices.emulator.h2client import tls
from tests.devices.emulator.sender import TOAST, TOAST_HEADERS
from tests.emulator import EmulatorProcess

CHANNEL = "/unthrottledthirdparty/01.00/ok.phone"


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Signs certificates, its own first."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.own = self._write(name, self._signed(self._name, self._key, authority=True), self._key)

    def issue(self, common_name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return self._write(common_name, self._signed(subject, key, authority=False), key)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[EmulatorProcess]:
    server = authority.issue("emulator")
    flags = ["--tls-port=0", f"--tls-certificate={server.certificate}", f"--tls-key={server.key}"]
    flags += [f"--tls-authority={authority.own.certificate}", "--daily-quota=1", "--service-name=push.example.org"]
    with EmulatorProcess(*flags) as emulator:
        yield emulator


def statuses(
    secure: EmulatorProcess, authority: Authority, pair: Pair | None, uri: str = "", times: int = 1
) -> list[int]:
    context = ssl.create_default_context(cafile=str(authority.own.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    url = urlsplit(uri or secure.secure_url + CHANNEL)
    connection = http.client.HTTPSConnection(url.netloc, timeout=10, context=context)
    got = []
    try:
        for _ in range(times):
            connection.request("POST", url.path, TOAST, TOAST_HEADERS)
            answer = connection.getresponse()
            answer.read()
            got.append(answer.status)
    finally:
        connection.close()
    return got


def test_no_certificate_is_forbidden(secure: EmulatorProcess, authority: Authority) -> None:
    assert statuses(secure, authority, None) == [403]


def test_another_name_is_unauthorized(secure: EmulatorProcess, authority: Authority) -> None:
    assert statuses(secure, authority, authority.issue("other.example.org")) == [401]


def test_the_right_name_is_accepted_without_a_quota(secure: EmulatorProcess, authority: Authority) -> None:
    assert statuses(secure, authority, authority.issue("push.example.org"), times=5) == [200] * 5


def test_a_channel_can_be_opened_for_its_own_name(secure: EmulatorProcess, authority: Authority) -> None:
    wishes = {"tier": "/unthrottledthirdparty/01.00", "service_name": "*.example.net"}
    uri = secure.control("channels", wishes)["uri"]
    assert uri.startswith("https://")
    assert statuses(secure, authority, authority.issue("*.example.net"), uri) == [200]
    assert statuses(secure, authority, authority.issue("push.example.org"), uri) == [401]


def test_the_later_form_of_address_is_told_apart_by_its_scheme(secure: EmulatorProcess, authority: Authority) -> None:
    uri = f"{secure.secure_url}/u/1/bn1/ok.phone"
    assert statuses(secure, authority, None, uri) == [403]
    assert statuses(secure, authority, authority.issue("push.example.org"), uri, times=3) == [200] * 3


def test_a_certificate_nobody_vouches_for_breaks_the_handshake(
    secure: EmulatorProcess, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("push.example.org")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        statuses(secure, authority, stranger)


def test_an_authenticated_line_can_be_broken_too(secure: EmulatorProcess, authority: Authority) -> None:
    uri = secure.secure_url + "/unthrottledthirdparty/01.00/reset-after.phone"
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        statuses(secure, authority, authority.issue("push.example.org"), uri)


@pytest.mark.parametrize("pieces", [1, 5, 24])
def test_who_names_no_protocol_speaks_http2_by_beginning_so(
    secure: EmulatorProcess, authority: Authority, pieces: int
) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    where = ("127.0.0.1", int(secure.secure_url.rpartition(":")[2]))
    with tls(where, authority.own.certificate) as line:
        for start in range(0, len(preface), pieces):
            line.sendall(preface[start : start + pieces])
        line.sendall(bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))  # empty SETTINGS
        assert line.recv(4)[3] == 4, "SETTINGS come back, and no HTTP/1.1"
