"""Reads a certificate and its private key, in a process of its own with little time and memory.

Run as a file by devices/certificates.py: {"upload": base64, "password": text, "now": ISO} on standard input gives
{"certificate": …} or {"refused": sentence, "holes": its values} on standard output. Whoever made the file chose how
often its password is hashed: 2³¹ rounds would hold an interpreter, lock and all, for minutes.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

SECONDS = 4  # of CPU; a million rounds of PBKDF2 with SHA-256 took 0.23 s where we measured
MEMORY = 512 * 1024 * 1024  # bytes of address space, of which Python and cryptography took 36 MB


class Refused(ValueError):
    """A file that cannot be used. ``str(error)`` is a sentence for a person; ``holes`` are the values it leaves out."""

    def __init__(self, sentence: str, **holes: str) -> None:
        self.holes = holes
        super().__init__(sentence)


def gettext_noop(sentence: str) -> str:
    """Return ``sentence`` as it is, marked by this name for makemessages; devices/certificates.py translates it."""
    return sentence


def read(upload: bytes, password: str, now: datetime) -> dict[str, str]:
    """Return the certificate in ``upload`` by the fields of devices.certificates.Certificate; raise Refused."""
    key, chain = _pem(upload, password) if b"-----BEGIN" in upload else _pfx(upload, password)
    own = [one for one in chain if _public(one.public_key()) == _public(key.public_key())]
    if not own:
        raise Refused(gettext_noop("The private key does not belong to the certificate in this file."))
    leaf = own[0]
    if leaf.not_valid_after_utc <= now:
        told = gettext_noop("This certificate expired on %(date)s. Upload a newer one.")
        raise Refused(told, date=f"{leaf.not_valid_after_utc:%d %B %Y}")
    if leaf.not_valid_before_utc > now:
        told = gettext_noop("This certificate is valid only from %(date)s on.")
        raise Refused(told, date=f"{leaf.not_valid_before_utc:%d %B %Y}")
    ordered = [leaf, *(one for one in chain if one is not leaf)]
    return {
        "certificate": "".join(one.public_bytes(Encoding.PEM).decode() for one in ordered),
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "subject": leaf.subject.rfc4514_string()[:300],
        "issuer": leaf.issuer.rfc4514_string()[:300],
        "expires_at": leaf.not_valid_after_utc.isoformat(),
        "fingerprint": leaf.fingerprint(hashes.SHA256()).hex(":", 2)[:100],
    }


def _pem(upload: bytes, password: str) -> tuple[Any, list[Any]]:
    try:
        chain = x509.load_pem_x509_certificates(upload)
    except ValueError:
        raise Refused(gettext_noop("There is no certificate in this PEM file.")) from None
    if b"PRIVATE KEY-----" not in upload:
        told = gettext_noop("There is no private key in this PEM file. It must hold the certificate and its key.")
        raise Refused(told)
    begins = upload.rindex(b"-----BEGIN", 0, upload.index(b"PRIVATE KEY-----"))
    try:
        key = load_pem_private_key(upload[begins:], password.encode() or None)
    except TypeError:
        told = gettext_noop("The private key is protected: type its password.")
        if password:
            told = gettext_noop("The private key has no password: leave the field empty.")
        raise Refused(told) from None
    except (ValueError, UnsupportedAlgorithm):
        told = gettext_noop("The private key cannot be read.")
        if password:
            told = gettext_noop("The password does not open the private key.")
        raise Refused(told) from None
    return key, chain


def _pfx(upload: bytes, password: str) -> tuple[Any, list[Any]]:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(upload, password.encode() or None)
    except (ValueError, UnsupportedAlgorithm):
        if not upload.startswith(b"\x30"):
            raise Refused(gettext_noop("This is neither a PEM nor a PFX file.")) from None
        told = gettext_noop("This PFX file needs its password.")
        if password:
            told = gettext_noop("The password does not open this PFX file.")
        raise Refused(told) from None
    if key is None or leaf is None:
        raise Refused(gettext_noop("This PFX file must hold a certificate and its private key."))
    return key, [leaf, *others]


def _public(key: Any) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return made


def main() -> None:
    """Set the limits, read, answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told = json.load(sys.stdin)
    upload, now = base64.b64decode(told["upload"]), datetime.fromisoformat(told["now"])
    try:
        answer: dict[str, Any] = {"certificate": read(upload, told["password"], now)}
    except Refused as refusal:
        answer = {"refused": str(refusal), "holes": refusal.holes}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
