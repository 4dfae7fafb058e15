"""Who is pushing: the VAPID token and key of the Authorization header (RFC 8292)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from devices.emulator.webpush.encoding import decoded, encoded, public_key

LONGEST = 86_400  # seconds a token may still be valid (RFC 8292, section 2)
MOST_KNOWN = 1000  # verified tokens that are remembered
_SCHEME = re.compile(r"vapid +(.*)", re.IGNORECASE)
_PART = re.compile(r"\s*([A-Za-z]+)\s*=\s*\"?([A-Za-z0-9._=-]+)\"?\s*")


class Unauthorized(ValueError):
    """A push that does not say who sent it as it should. ``str(error)`` says what is wrong."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signed: the public key as base64url and as 65 octets, and the claims of the token (RFC 8292, section 2)."""

    key: str
    octets: bytes
    audience: str
    expires: int
    subject: str

    def check(self, origin: str, now: float) -> None:
        """Raise Unauthorized unless the token is for ``origin`` and valid at ``now`` (unix seconds)."""
        if self.audience != origin:
            raise Unauthorized(f"aud is {self.audience}, not {origin}")
        if self.expires <= now:
            raise Unauthorized("the token has expired")
        if self.expires > now + LONGEST:
            raise Unauthorized("exp is more than 24 hours ahead")


class Tokens:
    """Reads Authorization headers. A signature is verified once; the claims are looked at every time."""

    def __init__(self) -> None:
        self._known: dict[bytes, Sender] = {}
        self.verified = 0  # signatures that were really checked

    def read(self, authorization: bytes, origin: str, now: float) -> Sender:
        """Return who signed for ``origin`` (scheme, host and port) at ``now`` (unix seconds). Raises Unauthorized."""
        sender = self._known.get(authorization)
        if sender is None:
            self.verified += 1
            sender = _verified(authorization)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[authorization] = sender
        sender.check(origin, now)
        return sender


def _verified(authorization: bytes) -> Sender:
    token, key = _parts(authorization.decode("latin-1"))
    signed, _, signature = token.rpartition(".")
    head, _, body = signed.partition(".")
    try:
        octets, raw = decoded(key), decoded(signature)
        kind, claims = json.loads(decoded(head)), json.loads(decoded(body))
        if len(raw) != 64:
            raise Unauthorized("the signature has not 64 octets")
        dss = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        public_key(octets).verify(dss, signed.encode(), ECDSA(SHA256()))
    except InvalidSignature:
        raise Unauthorized("the signature does not fit") from None
    except (ValueError, RecursionError) as error:
        raise Unauthorized(f"token or key cannot be read: {error}") from None
    if not isinstance(kind, dict) or kind.get("alg") != "ES256":
        raise Unauthorized("alg is not ES256")
    return _sender(encoded(octets), octets, claims)


def _parts(authorization: str) -> tuple[str, str]:
    """Return token and key of "vapid t=…, k=…" (RFC 8292, section 3)."""
    scheme = _SCHEME.fullmatch(authorization.strip())
    if scheme is None:
        raise Unauthorized("no Authorization of the scheme vapid")
    matches = [_PART.fullmatch(part) for part in scheme[1].split(",")]
    parts = {match[1]: match[2] for match in matches if match}
    if None in matches or not {"t", "k"} <= parts.keys():
        raise Unauthorized("Authorization is not of the form vapid t=…, k=…")
    return parts["t"], parts["k"]


def _sender(key: str, octets: bytes, claims: object) -> Sender:
    if not isinstance(claims, dict):
        raise Unauthorized("the claims are no JSON object")
    audience, expires, subject = claims.get("aud"), claims.get("exp"), claims.get("sub", "")
    if not isinstance(audience, str):
        raise Unauthorized("aud is missing or no text")
    if not isinstance(expires, int) or isinstance(expires, bool):
        raise Unauthorized("exp is missing or no whole number")
    if not isinstance(subject, str):
        raise Unauthorized("sub is no text")
    return Sender(key, octets, audience, expires, subject)


def is_plausible(subject: str) -> bool:
    """Tell whether somebody could be reached at ``subject``: a public mailto or https address without decoration."""
    scheme, _, rest = subject.partition(":")
    if re.search(r"[\s<>]", subject) or scheme not in ("mailto", "https"):
        return False
    if scheme == "mailto":
        box, at, host = rest.rpartition("@")
        return bool(box and at) and _is_public(host)
    try:
        return _is_public(urlsplit(subject).hostname or "")
    except ValueError:
        return False


def _is_public(host: str) -> bool:
    return "." in host.strip(".") and not host.endswith((".local", ".localhost"))
