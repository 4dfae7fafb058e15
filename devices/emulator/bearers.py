"""Access tokens of the OAuth kind: who got them, until when they are good (RFC 6749, RFC 6750)."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import parse_qs

from devices.emulator.exchange import Reply, Request, plain

Holder = TypeVar("Holder", bound=Hashable)
MOST = 100_000  # tokens that are remembered; the oldest are forgotten
JSON = (("Content-Type", "application/json; charset=UTF-8"), ("Cache-Control", "no-store"))


class Grant(NamedTuple, Generic[Holder]):
    """Who holds a token, and when it ends: emulated unix seconds."""

    holder: Holder
    expires: float


class Bearers(Generic[Holder]):
    """Tokens by the whole Authorization header that carries them, so that a push costs one look-up."""

    def __init__(self) -> None:
        self._grants: dict[bytes, Grant[Holder]] = {}
        self.counts: Counter[str] = Counter()  # grants, by the name of the holder

    def grant(self, holder: Holder, name: str, expires: float) -> str:
        """Return a new token for ``holder``, counted under ``name``."""
        token = secrets.token_urlsafe(96)
        if len(self._grants) >= MOST:
            del self._grants[next(iter(self._grants))]
        self._grants[f"Bearer {token}".encode()] = Grant(holder, expires)
        self.counts[name] += 1
        return token

    def find(self, authorization: bytes, now: float) -> Holder | None:
        """Return whose token the header carries, None for an unknown, revoked or expired one (``now``: unix)."""
        grant = self._grants.get(authorization)
        if grant is None:
            scheme, _, token = authorization.strip().partition(b" ")
            grant = self._grants.get(b"Bearer " + token.strip()) if scheme.lower() == b"bearer" else None
        return grant.holder if grant is not None and now < grant.expires else None

    def revoke(self) -> int:
        """Make every token invalid that was given so far. Returns how many were known."""
        known = len(self._grants)
        self._grants.clear()
        return known


class Refused(ValueError):
    """A wish for a token that is not granted. ``error`` is the code of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


def form_of(request: Request) -> dict[str, str]:
    """Read the form of a token request (RFC 6749, section 4.4.2). Raises Refused."""
    kind = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if request.method != b"POST" or kind != b"application/x-www-form-urlencoded":
        raise Refused("invalid_request", "POST a form of the type application/x-www-form-urlencoded")
    try:
        fields = parse_qs(request.body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=50)
    except ValueError:
        raise Refused("invalid_request", "the form cannot be read") from None
    twice = [name for name, values in fields.items() if len(values) > 1]
    if twice:
        raise Refused("invalid_request", f"given more than once: {twice[0]}")
    return {name: values[0] for name, values in fields.items()}


def told(status: int, answer: dict[str, object], seconds: float = 0.0) -> Reply:
    """Return the answer of a token endpoint, after so many seconds."""
    return Reply(plain(status, json.dumps(answer).encode(), JSON), seconds)


def refusal(refused: Refused, seconds: float = 0.0) -> Reply:
    """Return 400 with the error as RFC 6749, section 5.2 has it."""
    return told(400, {"error": refused.error, "error_description": str(refused)}, seconds)
