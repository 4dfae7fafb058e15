"""The browser's half of the encryption: its keys, and how it opens a message (RFC 8291, RFC 8188)."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devices.emulator.webpush.encoding import POINT, encoded, public_key

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4, D.1.2.3)
HEAD = 21  # octets before the key id: salt 16, record size 4, length of the key id 1 (RFC 8188, section 2.1)
TAG = 16


class Undecryptable(ValueError):
    """A message the browser cannot open. ``str(error)`` says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """What a browser keeps for one subscription: its private key, the public one (65 octets) and 16 secret octets."""

    private: ec.EllipticCurvePrivateKey
    public: bytes
    auth: bytes

    def shown(self) -> dict[str, str]:
        """Return the half that is told to senders, as the Push API spells it."""
        return {"p256dh": encoded(self.public), "auth": encoded(self.auth)}


@lru_cache(maxsize=4096)
def keys_of(seed: bytes) -> Keys:
    """Return the keys that follow from ``seed``: always the same ones, so that they outlive the emulator."""
    wide = hmac.digest(b"emulated browser: private key", seed, hashlib.sha512)
    private = ec.derive_private_key(int.from_bytes(wide) % (ORDER - 1) + 1, ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return Keys(private, public, hmac.digest(b"emulated browser: auth", seed, hashlib.sha256)[:16])


def sender_key(body: bytes) -> bytes:
    """Return the public key that the head of an encrypted message carries, b"" when there is no such head."""
    key = body[HEAD : HEAD + POINT]
    return key if len(key) == POINT and body[HEAD - 1] == POINT else b""


def decrypt(body: bytes, keys: Keys) -> bytes:
    """Return the plaintext of an ``aes128gcm`` message of one record (RFC 8291, section 4). Raises Undecryptable."""
    sender = sender_key(body)
    if not sender:
        raise Undecryptable("no head of a message with a P-256 key in it")
    (size,) = struct.unpack(">I", body[16:20])
    record = body[HEAD + POINT :]
    if size < TAG + 2 or len(record) > size:
        raise Undecryptable(f"{len(record)} octets do not fit into one record of {size}")
    try:
        shared = keys.private.exchange(ec.ECDH(), public_key(sender))
        content_key, nonce = _derived(shared, keys, sender, body[:16])
        padded = AESGCM(content_key).decrypt(nonce, record, None)
    except InvalidTag:
        raise Undecryptable("the tag does not fit: other keys, or damaged") from None
    except ValueError as error:
        raise Undecryptable(str(error)) from None
    plain = padded.rstrip(b"\0")
    if not plain.endswith(b"\2"):
        raise Undecryptable("the padding of a last record does not begin with 0x02")
    return plain[:-1]


def _derived(shared: bytes, keys: Keys, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return content key and nonce (RFC 8291, section 3.4)."""

    def sha256(key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, "sha256")

    info = b"WebPush: info\0" + keys.public + sender
    secret = sha256(salt, sha256(sha256(keys.auth, shared), info + b"\1"))
    content_key = sha256(secret, b"Content-Encoding: aes128gcm\0\1")[:16]
    return content_key, sha256(secret, b"Content-Encoding: nonce\0\1")[:12]
