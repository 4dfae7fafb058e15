"""Who sends, told to a browser's push service: VAPID (RFC 8292). Keys in and out of text, and signed tokens.

A private key is kept as the usual libraries print it: its 32 bytes in base64url. The public one is the uncompressed
point, 65 bytes, in base64url: what a page hands to ``pushManager.subscribe`` as ``applicationServerKey``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

LIFE = 12 * 3600  # seconds; a service takes none that is good for over 24 hours (RFC 8292, 2)
HALF = LIFE // 2
LONGEST_KEY = 4096  # characters of a key that somebody pastes
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4, D.1.2.3)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_MAIL = re.compile(r"[^\s<>@,;:\"()\\]+@(?P<host>[A-Za-z0-9.-]+)")
_WEB = re.compile(r"https://(?P<host>[A-Za-z0-9.-]+)(?::[0-9]{1,5})?(?:/[^\s<>]*)?")
# A private key with its name before it, as settings and programs write it: "privateKey": "…", VAPID_PRIVATE_KEY=….
_NAMED = re.compile(
    r"(?i)(?:^|[^a-z])(?:vapid_|wp_)?(private|public)[_ ]?key[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/_-]{40,}=*)"
)
_HERE = (".localhost", ".local", ".internal", ".localdomain", ".test", ".invalid", ".example", ".lan", ".home.arpa")


class KeyRefused(ValueError):
    """A key or contact that cannot be used. ``str(error)`` is a sentence for a person."""


def encoded(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes that base64url or base64 text stands for, with or without padding; ValueError when none."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    if not _BASE64.fullmatch(plain):
        raise ValueError("not base64url")
    try:
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def new_key() -> str:
    """Return a new private key of P-256."""
    return _text(ec.generate_private_key(ec.SECP256R1()))


def read_key(typed: str) -> str:
    """Return the private key that somebody brings along: PEM, or base64url of 32 bytes or of DER. Raises KeyRefused.

    Also the settings that have it, such as django-webpush's, and what ``web-push generate-vapid-keys --json`` prints: a
    public key in them has to be that of the private one.
    """
    typed = typed.strip().strip("\"'")
    if len(typed) > LONGEST_KEY:
        raise KeyRefused("This is too long for a private key.")
    if "-----BEGIN" in typed:
        return _read(typed.replace("\\n", "\n"))  # a variable of the environment has it on one line
    named = {name.lower(): value for name, value in _NAMED.findall(typed)}
    if "private" not in named:
        if _public(named.get("public", typed)):
            raise KeyRefused("This is no private key but the public one; the other has 43 characters of base64url.")
        return _read(typed)
    private = _read(named["private"])
    if "public" in named and _public(named["public"]) != public_key(private):
        raise KeyRefused("These two keys are no pair: the public key is not that of the private key.")
    return private


def _public(typed: str) -> str:
    """Return a public key as we spell it; "" when it is none."""
    try:
        raw = decoded(typed)
    except ValueError:
        return ""
    return encoded(raw) if len(raw) == 65 and raw[0] == 4 else ""


def _read(typed: str) -> str:
    try:
        if "-----BEGIN" in typed:
            key = load_pem_private_key(typed.encode(), None)
        elif len(raw := decoded("".join(typed.split()))) == 32:
            return _text(_key(encoded(raw)))
        else:
            key = load_der_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused(
            "This is no private key: paste PEM without a password, or the 43 characters of base64url "
            "that the usual libraries print."
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyRefused("This key is of another kind; Web Push takes keys of the curve P-256 (prime256v1) alone.")
    return _text(key)


def _text(key: ec.EllipticCurvePrivateKey) -> str:
    return encoded(key.private_numbers().private_value.to_bytes(32))


@lru_cache(maxsize=64)
def _key(private: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(decoded(private))
    if not 0 < number < ORDER:
        raise ValueError("not a private key of P-256")
    return ec.derive_private_key(number, ec.SECP256R1())


@lru_cache(maxsize=64)
def public_key(private: str) -> str:
    """Return the public half of a private key; ValueError when that is none."""
    return encoded(_key(private).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def pem(private: str) -> str:
    """Return a private key as PEM (PKCS 8, RFC 5958) without a password; ValueError when it is none."""
    return _key(private).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def clean_contact(typed: str) -> str:
    """Return whom a push service may write to, as ``mailto:`` or ``https:`` (RFC 8292, 2.1); raise KeyRefused.

    Apple refuses what is not plausibly public: no blanks or angle brackets, no ``localhost``, no ``.local``.
    """
    typed = typed.strip()
    contact = f"mailto:{typed}" if "@" in typed and ":" not in typed else typed
    match = _MAIL.fullmatch(contact[7:]) if contact.lower().startswith("mailto:") else _WEB.fullmatch(contact)
    if match is None or len(contact) > 200:
        raise KeyRefused("Write whom push services may ask: a mail address, or a page that begins with https://.")
    host = match["host"].lower().rstrip(".")
    labels = host.split(".")
    if (
        len(labels) < 2
        or not all(labels)
        or not re.fullmatch("[a-z]+|xn--[a-z0-9-]+", labels[-1])
        or host.endswith(_HERE)
    ):
        raise KeyRefused(
            f"“{host}” is not a public name: Apple takes no contact there. Use an address people can reach."
        )
    return contact


def authorization(private: str, contact: str, origin: str, now: float) -> str:
    """Return the value of the header Authorization for one origin (scheme, host, port if unusual) at a moment.

    A token is made twice in its life of 12 hours, at the same moments for all senders: whoever asks gets one that is
    good for at least another six. ``now`` is in unix seconds.
    """
    return _authorization(private, contact, origin, (int(now) // HALF) * HALF + LIFE)


@lru_cache(maxsize=1024)  # a key, a handful of origins, and two moments
def _authorization(private: str, contact: str, origin: str, expires: int) -> str:
    claims = {"aud": origin, "exp": expires, "sub": contact}
    head = encoded(b'{"typ":"JWT","alg":"ES256"}')
    text = f"{head}.{encoded(json.dumps(claims, separators=(',', ':')).encode())}"
    r, s = decode_dss_signature(_key(private).sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    signature = encoded(r.to_bytes(32) + s.to_bytes(32))
    return f"vapid t={text}.{signature}, k={public_key(private)}"
