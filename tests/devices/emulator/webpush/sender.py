"""A sender of Web Push as plain as can be, written from RFC 8291 and RFC 8292 alone."""

from __future__ import annotations

import base64
import json
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.devices.emulator.sender import Answer, push
from tests.emulator import EmulatorProcess

HOMES = {"mozilla": "/wpush/v2/", "google": "/fcm/send/", "apple": "/apple/", "microsoft": "/w/?token="}
NOTHING: Mapping[str, str | None] = MappingProxyType({})
HELLO = json.dumps({"v": 1, "title": "Hello", "body": "World", "url": "https://example.org/news"}).encode()


def b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def encrypt(
    plaintext: bytes,
    keys: dict[str, str],
    private: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes = b"",
    padding: bytes = b"\2",
    record_size: int = 4096,
) -> bytes:
    """Return the body of a message for the browser with these keys."""
    private, salt = private or ec.generate_private_key(ec.SECP256R1()), salt or os.urandom(16)
    browser = unb64u(keys["p256dh"])
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), browser))
    secret = hkdf(unb64u(keys["auth"]), shared, b"WebPush: info\0" + browser + point(private), 32)
    key = hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    head = salt + struct.pack(">IB", record_size, 65) + point(private)
    return head + AESGCM(key).encrypt(nonce, plaintext + padding, None)


@dataclass
class Vapid:
    """A sender's key pair."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> str:
        return b64u(point(self.private))

    def token(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        parts = (header or {"typ": "JWT", "alg": "ES256"}, claims)
        signed = ".".join(b64u(json.dumps(part).encode()) for part in parts)
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{b64u(r.to_bytes(32) + s.to_bytes(32))}"

    def authorization(self, origin: str, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """Return the header for ``origin``; ``changed`` claims replace good ones, None leaves one out."""
        claims = {"aud": origin, "exp": int(time.time()) + 3600, "sub": "mailto:ops@example.org", **changed}
        good = {name: value for name, value in claims.items() if value is not None}
        return f"vapid t={self.token(good, header)}, k={self.public}"


def origin_of(endpoint: str) -> str:
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.netloc}"


def send(
    subscription: dict[str, Any],
    vapid: Vapid,
    plaintext: bytes = HELLO,
    body: bytes | None = None,
    method: str = "POST",
    headers: Mapping[str, str | None] = NOTHING,
    **changed: str | None,
) -> Answer:
    """Push once. ``headers`` and ``changed`` (``Content_Encoding``) replace good ones, None leaves one out."""
    endpoint = subscription["endpoint"]
    return push(endpoint, *prepared(subscription, vapid, plaintext, body, headers, **changed), method=method)


def prepared(
    subscription: dict[str, Any],
    vapid: Vapid,
    plaintext: bytes = HELLO,
    body: bytes | None = None,
    headers: Mapping[str, str | None] = NOTHING,
    **changed: str | None,
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a push."""
    endpoint = subscription["endpoint"]
    given = {
        "TTL": "60",
        "Content-Encoding": "aes128gcm",
        "Authorization": vapid.authorization(origin_of(endpoint)),
        **headers,
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    whole = encrypt(plaintext, subscription["keys"]) if body is None else body
    return whole, {name: value for name, value in given.items() if value is not None}


def subscribe(emulator: EmulatorProcess, vendor: str = "mozilla", **wishes: Any) -> dict[str, Any]:
    """Return a subscription as a browser would tell it."""
    (made,) = emulator.control("webpush/subscriptions", {"vendor": vendor, **wishes})["subscriptions"]
    assert isinstance(made, dict)
    return made


def messages(emulator: EmulatorProcess, subscription: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the emulator tells about the messages of a subscription."""
    endpoint = quote(subscription["endpoint"], safe="")
    told = emulator.control(f"webpush/messages?endpoint={endpoint}")["messages"]
    assert isinstance(told, list)
    return told


def counts(emulator: EmulatorProcess) -> dict[str, Any]:
    """Return what the emulator counts about Web Push."""
    state = emulator.control("state")["webpush"]
    assert isinstance(state, dict)
    return state
