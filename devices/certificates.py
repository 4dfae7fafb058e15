"""Reading client certificates that somebody uploads: PEM, or PFX with its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

LARGEST = 64 * 1024  # bytes of an upload


class CertificateRefused(ValueError):
    """An upload that cannot be used. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain and its unencrypted key, as PEM text, and what a page tells of it."""

    certificate: str
    key: str = field(repr=False)
    subject: str
    issuer: str
    expires_at: datetime
    fingerprint: str

    def secret(self) -> dict[str, str]:
        """Return what the push service's Credentials take."""
        return {"certificate": self.certificate, "key": self.key}


def read(upload: bytes, password: str, now: datetime) -> Certificate:
    """Return the certificate in ``upload``; raise CertificateRefused."""
    if len(upload) > LARGEST:
        raise CertificateRefused(f"This file has more than {LARGEST // 1024} KiB; a certificate is much smaller.")
    key, chain = _pem(upload, password) if b"-----BEGIN" in upload else _pfx(upload, password)
    own = [one for one in chain if _public(one.public_key()) == _public(key.public_key())]
    if not own:
        raise CertificateRefused("The private key does not belong to the certificate in this file.")
    leaf = own[0]
    if leaf.not_valid_after_utc <= now:
        raise CertificateRefused(
            f"This certificate expired on {leaf.not_valid_after_utc:%d %B %Y}. Upload a newer one."
        )
    if leaf.not_valid_before_utc > now:
        raise CertificateRefused(f"This certificate is valid only from {leaf.not_valid_before_utc:%d %B %Y} on.")
    ordered = [leaf, *(one for one in chain if one is not leaf)]
    return Certificate(
        certificate="".join(one.public_bytes(Encoding.PEM).decode() for one in ordered),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        subject=leaf.subject.rfc4514_string()[:300],
        issuer=leaf.issuer.rfc4514_string()[:300],
        expires_at=leaf.not_valid_after_utc,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(":", 2)[:100],
    )


def _pem(upload: bytes, password: str) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    try:
        chain = x509.load_pem_x509_certificates(upload)
    except ValueError:
        raise CertificateRefused("There is no certificate in this PEM file.") from None
    if b"PRIVATE KEY-----" not in upload:
        raise CertificateRefused("There is no private key in this PEM file. It must hold the certificate and its key.")
    try:
        key = load_pem_private_key(upload[upload.index(b"-----BEGIN", _key_at(upload)) :], password.encode() or None)
    except TypeError:
        told = "is protected: type its password." if not password else "has no password: leave the field empty."
        raise CertificateRefused(f"The private key {told}") from None
    except (ValueError, UnsupportedAlgorithm):
        told = "The password does not open the private key." if password else "The private key cannot be read."
        raise CertificateRefused(told) from None
    return key, chain


def _key_at(upload: bytes) -> int:
    """Return where the block of the private key begins."""
    return upload.rindex(b"-----BEGIN", 0, upload.index(b"PRIVATE KEY-----"))


def _pfx(upload: bytes, password: str) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(upload, password.encode() or None)
    except (ValueError, UnsupportedAlgorithm):
        if not upload.startswith(b"\x30"):
            raise CertificateRefused("This is neither a PEM nor a PFX file.") from None
        told = "The password does not open this PFX file." if password else "This PFX file needs its password."
        raise CertificateRefused(told) from None
    if key is None or leaf is None:
        raise CertificateRefused("This PFX file must hold a certificate and its private key.")
    return key, [leaf, *others]


def _public(key: object) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return made
