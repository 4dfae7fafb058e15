"""Who is pushing: the provider token in the Authorization header, a JWT signed with ES256 (RFC 7515, RFC 7518)."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from devices.emulator.apns.answers import Refused
from devices.emulator.apns.keys import Key, Keys

OLDEST = 3600  # seconds since a token was issued
AHEAD = 60  # seconds that the clock of a sender may be ahead
SELDOM = 1200  # seconds that a token is to be used before the next one
MOST_KNOWN = 1000  # verified tokens that are remembered; the oldest makes room
INVALID = "InvalidProviderToken"
_JWT = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


@dataclass(slots=True, eq=False)
class Token:
    """A token whose signature is good: who signed it, and when it says it was issued (unix seconds).

    ``admitted`` once it has taken the place of the one before.
    """

    key: Key
    issued: float
    admitted: bool = False


class Tokens:
    """Reads Authorization headers. A signature is verified once; its age is looked at every time."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[bytes, Token] = {}
        self.verified = 0  # signatures that were really checked

    def forget(self) -> None:
        """Forget which tokens were used. Keys stay."""
        self._known.clear()
        for key in self._keys:
            key.forget()

    def read(self, authorization: bytes, real: float, now: float) -> Token:
        """Return a good token. Raises Refused.

        It ages by the ``real`` time, because a sender cannot know the emulated one; how often a key's token changes
        is measured by the emulated time, ``now``. Both are unix seconds.
        """
        scheme, _, written = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Refused(INVALID, "Authorization is not of the form bearer …")
        token = self._known.get(written)
        if token is None:
            self.verified += 1
            token = self._verified(written)
            token.key.tokens += 1
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[written] = token
        if token.issued > real + AHEAD:
            raise Refused(INVALID, f"iat is {token.issued - real:.0f} s in the future")
        if token.issued < real - OLDEST:
            raise Refused("ExpiredProviderToken", f"the token is {real - token.issued:.0f} s old")
        if not token.admitted:
            _admit(token, now)
        return token

    def _verified(self, written: bytes) -> Token:
        match = _JWT.fullmatch(written)
        if match is None:
            raise Refused(INVALID, "a token has three parts in base64url")
        try:
            head, claims = json.loads(_decoded(match[1])), json.loads(_decoded(match[2]))
            signature = _decoded(match[3])
        except (ValueError, RecursionError) as error:
            raise Refused(INVALID, f"the token cannot be read: {error}") from None
        if not isinstance(head, dict) or not isinstance(claims, dict):
            raise Refused(INVALID, "head and claims must be objects")
        if head.get("alg") != "ES256":
            raise Refused(INVALID, "alg is not ES256")
        key = self._keys.find(str(head.get("kid")))
        if key is None:
            raise Refused(INVALID, f"no such key: {head.get('kid')}")
        _check_signature(key, match[1] + b"." + match[2], signature)
        issued = claims.get("iat")
        if claims.get("iss") != key.team_id:
            raise Refused(INVALID, f"iss is {claims.get('iss')}, not the team of the key")
        if not isinstance(issued, int | float) or isinstance(issued, bool):
            raise Refused(INVALID, "iat is missing or no number")
        return Token(key, issued)


def _check_signature(key: Key, signed: bytes, signature: bytes) -> None:
    if len(signature) != 64:
        raise Refused(INVALID, "the signature has not 64 octets")
    dss = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        key.public.verify(dss, signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise Refused(INVALID, "the signature does not fit") from None


def _admit(token: Token, now: float) -> None:
    """Let a token take the place of the one before, which stays good for its hour. Raises Refused if too soon."""
    key = token.key
    if key.updated is not None and now < key.updated + SELDOM:
        key.refused += 1
        raise Refused("TooManyProviderTokenUpdates", f"the token of {key.key_id} changed {now - key.updated:.0f} s ago")
    key.updated = now
    token.admitted = True


def _decoded(text: bytes) -> bytes:
    """Read base64url without padding (RFC 7515, section 2). Raises ValueError."""
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
