"""Certificates that are uploaded: what is read from them, and the sentence for each that cannot be used."""

from __future__ import annotations

import base64
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from devices.certificates import CertificateRefused, read
from tests.waiting import ended

NOW = datetime(2026, 5, 4, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey


def made(key: Key, days: int = 100, begins: int = -1) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "push.example.org")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW + timedelta(days=begins))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def pem(certificate: x509.Certificate, key: Key, password: bytes = b"") -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def pfx(certificate: x509.Certificate, key: Key, password: bytes = b"secret") -> bytes:
    return pkcs12.serialize_key_and_certificates(b"push", key, certificate, None, BestAvailableEncryption(password))


@pytest.mark.parametrize("form", ["pem", "pem locked", "key first", "pfx"])
def test_every_usual_form_is_read(key: Key, form: str) -> None:
    certificate = made(key)
    upload, password = {
        "pem": (pem(certificate, key), ""),
        "pem locked": (pem(certificate, key, b"secret"), "secret"),
        "key first": (
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM),
            "",
        ),
        "pfx": (pfx(certificate, key), "secret"),
    }[form]
    found = read(upload, password, NOW)
    assert found.subject == "CN=push.example.org"
    assert found.expires_at == NOW + timedelta(days=100)
    assert found.secret()["key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE KEY" not in repr(found)


def refusal(upload: bytes, password: str = "") -> str:
    with pytest.raises(CertificateRefused) as refused:
        read(upload, password, NOW)
    return str(refused.value)


def test_each_that_cannot_be_used_gets_its_sentence(key: Key) -> None:
    certificate, other = made(key), ec.generate_private_key(ec.SECP256R1())
    assert "expired on 03 May 2026" in refusal(pem(made(key, days=-1, begins=-9), key))
    assert "valid only from" in refusal(pem(made(key, begins=3), key))
    assert "does not belong" in refusal(pem(certificate, other))
    assert "no private key" in refusal(certificate.public_bytes(Encoding.PEM))
    assert "needs its password" in refusal(pfx(certificate, key))
    assert "does not open" in refusal(pfx(certificate, key), "wrong")
    assert "does not open" in refusal(pem(certificate, key, b"secret"), "wrong")
    assert "type its password" in refusal(pem(certificate, key, b"secret"))
    assert "leave the field empty" in refusal(pem(certificate, key), "needless")
    assert "neither a PEM nor a PFX" in refusal(b"GIF89a")
    assert "no certificate" in refusal(b"-----BEGIN NOTHING-----")
    assert "more than 64 KiB" in refusal(b"x" * 70_000)
    assert refusal(b"").endswith(".")
    assert refusal(b"\x30\x82\x00").endswith(".")


def der(tag: int, *parts: bytes) -> bytes:
    """Return one element of DER (X.690)."""
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = bytes([first * 40 + second])
    for part in rest:
        digits = [part & 0x7F]
        while part := part >> 7:
            digits.append(0x80 | part & 0x7F)
        body += bytes(reversed(digits))
    return der(6, body)


SEQUENCE, OCTETS = 0x30, 4
SHA256 = der(SEQUENCE, oid("2.16.840.1.101.3.4.2.1"), der(5))


def locked_key(kdf: bytes) -> bytes:
    """Return a PEM of a private key (PKCS 8) that is locked with what ``kdf`` says (RFC 8018, RFC 7914)."""
    cipher = der(SEQUENCE, oid("2.16.840.1.101.3.4.1.42"), der(OCTETS, bytes(16)))
    scheme = der(SEQUENCE, oid("1.2.840.113549.1.5.13"), der(SEQUENCE, kdf, cipher))
    body = base64.encodebytes(der(SEQUENCE, scheme, der(OCTETS, bytes(48))))
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + body + b"-----END ENCRYPTED PRIVATE KEY-----\n"


def pbkdf2(rounds: int) -> bytes:
    hmac = der(SEQUENCE, oid("1.2.840.113549.2.9"), der(5))
    return der(SEQUENCE, oid("1.2.840.113549.1.5.12"), der(SEQUENCE, der(OCTETS, bytes(8)), integer(rounds), hmac))


def scrypt(cost: int) -> bytes:
    numbers = (integer(cost), integer(8), integer(1))
    return der(SEQUENCE, oid("1.3.6.1.4.1.11591.4.11"), der(SEQUENCE, der(OCTETS, bytes(8)), *numbers))


def sealed_pfx(rounds: int) -> bytes:
    """Return a PFX whose seal (RFC 7292, MacData) takes ``rounds``."""
    content = der(SEQUENCE, oid("1.2.840.113549.1.7.1"), der(0xA0, der(OCTETS, der(SEQUENCE))))
    seal = der(SEQUENCE, der(SEQUENCE, SHA256, der(OCTETS, bytes(32))), der(OCTETS, bytes(8)), integer(rounds))
    return der(SEQUENCE, integer(3), content, seal)


@pytest.mark.threats(36)
@pytest.mark.parametrize(
    "upload",
    [locked_key(pbkdf2(2**31 - 1)), locked_key(scrypt(2**24)), sealed_pfx(2**31 - 1)],
    ids=["pbkdf2", "scrypt", "pfx"],
)
def test_a_key_that_takes_for_ever_to_open_is_refused_and_holds_nobody(key: Key, upload: bytes) -> None:
    if upload.startswith(b"-----"):
        upload = made(key).public_bytes(Encoding.PEM) + upload
    ticks: list[float] = []
    over = threading.Event()

    def tick() -> None:  # another request, in a thread of the same process
        while not over.wait(0.02):
            ticks.append(time.monotonic())

    other = threading.Thread(target=tick)
    other.start()
    began = time.monotonic()
    try:
        with pytest.raises(CertificateRefused, match=r"Export it again with fewer rounds|does not open"):
            read(upload, "secret", NOW)
    finally:
        over.set()
        ended(other)
    assert time.monotonic() - began < 13
    assert max(later - earlier for earlier, later in itertools.pairwise(ticks)) < 3.0  # held, it is minutes


@pytest.mark.threats(36)
def test_the_same_files_with_usual_numbers_are_read_as_what_they_are(key: Key) -> None:
    certificate = made(key).public_bytes(Encoding.PEM)
    for upload in (certificate + locked_key(pbkdf2(2048)), certificate + locked_key(scrypt(2**14)), sealed_pfx(2048)):
        with pytest.raises(CertificateRefused, match="does not open"):
            read(upload, "secret", NOW)


@pytest.mark.threats(36)
def test_more_than_a_certificate_can_be_is_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("devices.certificates.subprocess.run")
    with pytest.raises(CertificateRefused, match="64 KiB"):
        read(b"x" * (64 * 1024 + 1), "", NOW)
