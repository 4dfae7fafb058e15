"""What a sender of Web Push needs, written for these tests from the RFCs: 8291 (encryption) and 8292 (VAPID)."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(octets: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as 65 bytes, uncompressed."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def sealed(
    plaintext: bytes,
    p256dh: str,
    auth: str,
    *,
    own: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return the body of a push: aes128gcm in one record (RFC 8291, section 3.4; RFC 8188, section 2)."""
    own = own or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(16)
    theirs = unb64(p256dh)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    first = hmac.digest(unb64(auth), shared, "sha256")
    keying = hmac.digest(first, b"WebPush: info\0" + theirs + point(own) + b"\x01", "sha256")
    second = hmac.digest(salt, keying, "sha256")
    key = hmac.digest(second, b"Content-Encoding: aes128gcm\0\x01", "sha256")[:16]
    nonce = hmac.digest(second, b"Content-Encoding: nonce\0\x01", "sha256")[:12]
    record = AESGCM(key).encrypt(nonce, plaintext + b"\x02", None)
    return salt + (4096).to_bytes(4, "big") + b"\x41" + point(own) + record


def vapid(endpoint: str, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the Authorization header for a push to ``endpoint`` (RFC 8292, section 3), good for an hour."""
    url = urlsplit(endpoint)
    claims = {
        "aud": f"{url.scheme}://{url.netloc}",
        "exp": int(time.time()) + 3600,
        "sub": "mailto:push@example.org",
    }
    signed = f"{b64(json.dumps({'typ': 'JWT', 'alg': 'ES256'}).encode())}.{b64(json.dumps(claims).encode())}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"vapid t={signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}, k={b64(point(key))}"
