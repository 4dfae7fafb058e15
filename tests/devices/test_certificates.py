"""Certificates that are uploaded: what is read from them, and the sentence for each that cannot be used."""

from __future__ import annotations

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
