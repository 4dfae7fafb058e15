"""Keys and octets as Web Push writes them: base64url without padding (RFC 4648, section 5)."""

from __future__ import annotations

import base64
import re

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

_LETTERS = re.compile(r"[A-Za-z0-9_-]*")
POINT = 65  # octets of an uncompressed point on P-256, the first one 0x04


def encoded(octets: bytes) -> str:
    """Return ``octets`` as base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Read base64url, with or without padding. Raises ValueError for anything else."""
    bare = text.rstrip("=")
    if not _LETTERS.fullmatch(bare):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def public_key(octets: bytes) -> EllipticCurvePublicKey:
    """Read an uncompressed point. Raises ValueError when it is none on the curve P-256."""
    if len(octets) != POINT or octets[0] != 4:
        raise ValueError("not an uncompressed point on P-256")
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), octets)
