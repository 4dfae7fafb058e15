"""Signed claims that show who we are (RFC 7515, 7519): RS256 for Google, ES256 for Apple. And the keys they need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from devices.push.vapid import encoded

LONGEST_KEY = 4096  # characters of PEM: RSA of 4,096 bits has 3,300
SMALLEST_RSA, LARGEST_RSA = 2048, 4096  # bits


class KeyRefused(ValueError):
    """A key that cannot be used. ``str(error)`` is a sentence for a person."""


@lru_cache(maxsize=32)
def _loaded(pem: str) -> Any:
    if len(pem) > LONGEST_KEY:
        raise KeyRefused("This is too long for a private key.")
    if "ENCRYPTED" in pem.lstrip().partition("\n")[0] or "Proc-Type: 4,ENCRYPTED" in pem:
        raise KeyRefused("This key is protected by a passphrase. Take the file as it was downloaded, without one.")
    # To find out whether its numbers are primes takes OpenSSL 42 s for RSA of 13,158 bits: the size is judged before.
    key = _read(pem, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        return key
    if key.key_size > LARGEST_RSA:
        raise KeyRefused(f"This RSA key has {key.key_size:,} bits; {LARGEST_RSA:,} are the most that is taken.")
    return _read(pem)


def _read(pem: str, **how: bool) -> Any:
    try:
        return load_pem_private_key(pem.encode(), None, **how)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("This holds no private key that can be read (PEM, PKCS #8).") from None


def rsa_key(pem: str) -> rsa.RSAPrivateKey:
    """Return the RSA key in ``pem``; raise KeyRefused."""
    key = _loaded(pem)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST_RSA:
        raise KeyRefused(f"The private key must be RSA with at least {SMALLEST_RSA} bits.")
    return key


def p256_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of P-256 in ``pem``; raise KeyRefused."""
    key = _loaded(pem)
    if isinstance(key, rsa.RSAPrivateKey):
        raise KeyRefused("This is an RSA key; a key for Apple's service (AuthKey_….p8) is one of the curve P-256.")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise KeyRefused("This is no key of the curve P-256.")
    return key


def rs256(pem: str, key_id: str, claims: Mapping[str, object]) -> str:
    """Return ``claims`` as a JWT signed by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3)."""
    said = _said({"alg": "RS256", "typ": "JWT", "kid": key_id}, claims)
    return f"{said}.{encoded(rsa_key(pem).sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def es256(pem: str, key_id: str, claims: Mapping[str, object]) -> str:
    """Return ``claims`` as a JWT signed by ECDSA on P-256 with SHA-256 (RFC 7518, 3.4)."""
    said = _said({"alg": "ES256", "kid": key_id}, claims)
    first, second = decode_dss_signature(p256_key(pem).sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{said}.{encoded(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"


def _said(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    parts = [encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)]
    return ".".join(parts)
