"""The vector of RFC 8291 (section 5 and appendix A), and a browser that reads by it: written from the RFCs alone."""

from __future__ import annotations

import base64
import hmac
import json
import struct
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PLAINTEXT = b"When I grow up, I want to be a watermelon"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def raw(text: str) -> bytes:
    """Decode by other means than the code under test."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw(text)), ec.SECP256R1())


def decrypted(body: bytes) -> bytes:
    """Return what the browser of the RFC's example reads: written from RFC 8188 and 8291, not from our code."""
    salt, (size, length) = body[:16], struct.unpack(">IB", body[16:21])
    assert (size, length) == (4096, 65)
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), body[21:86])
    shared = private(UA_PRIVATE).exchange(ec.ECDH(), sender)

    def derive(salt: bytes, key: bytes, info: bytes, count: int) -> bytes:
        extracted = hmac.new(salt, key, "sha256").digest()
        return hmac.new(extracted, info + b"\x01", "sha256").digest()[:count]

    ikm = derive(raw(AUTH), shared, b"WebPush: info\0" + raw(UA_PUBLIC) + body[21:86], 32)
    key = derive(salt, ikm, b"Content-Encoding: aes128gcm\0", 16)
    nonce = derive(salt, ikm, b"Content-Encoding: nonce\0", 12)
    padded = AESGCM(key).decrypt(nonce, body[86:], None)
    return padded[: padded.rindex(b"\x02")]


def claims(authorization: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Verify a signature with ``cryptography`` and return head, claims and key."""
    token, _, key = authorization.removeprefix("vapid t=").partition(", k=")
    text, _, signature = token.rpartition(".")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(key))
    r, s = (int.from_bytes(half) for half in (raw(signature)[:32], raw(signature)[32:]))
    public.verify(encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
    head, payload = (json.loads(raw(part)) for part in text.split("."))
    return head, payload, key
