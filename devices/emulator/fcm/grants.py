"""Google's token endpoint: a signed assertion in, an access token out (RFC 7523, RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Collection, Mapping
from typing import TypeGuard

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from devices.emulator.bearers import Refused
from devices.emulator.fcm.accounts import Account, Accounts

# Google's own library asserts to this address, whatever token_uri an account names.
GOOGLE = "https://oauth2.googleapis.com/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = frozenset(
    (
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    )
)
LONGEST = 3600  # seconds from iat to exp
SKEW = 60  # seconds that the clocks of both sides may differ


def account_of(form: Mapping[str, str], accounts: Accounts, audiences: Collection[str]) -> Account:
    """Return who signed the assertion of a token request, for one of ``audiences``. Raises bearers.Refused."""
    if form.get("grant_type") != GRANT_TYPE:
        raise Refused("invalid_grant", f"Invalid grant_type: {form.get('grant_type', '')}")
    parts = form.get("assertion", "").split(".")
    if len(parts) != 3:
        raise Refused("invalid_grant", "Invalid JWT: it must have three parts")
    head, claims = _object(parts[0]), _object(parts[1])
    account = accounts.of(claims.get("iss"))
    if account is None:
        raise Refused("invalid_grant", "Invalid grant: account not found")
    if head.get("alg") != "RS256" or head.get("typ", "JWT") != "JWT":
        raise Refused("invalid_grant", "Invalid JWT: alg must be RS256 and typ JWT")
    if head.get("kid") != account.key_id:
        raise Refused("invalid_grant", "Invalid JWT: kid names no key of the account")
    try:
        account.verifier.verify(_octets(parts[2]), f"{parts[0]}.{parts[1]}".encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise Refused("invalid_grant", "Invalid JWT Signature.") from None
    _check(claims, audiences, time.time())
    return account


def _check(claims: Mapping[str, object], audiences: Collection[str], now: float) -> None:
    """Raise Refused unless the claims (RFC 7519, section 4.1) are good at ``now``, in real unix seconds."""
    issued, expires = claims.get("iat"), claims.get("exp")
    if not _is_number(issued) or not _is_number(expires):
        raise Refused("invalid_grant", "Invalid JWT: iat and exp must be numbers")
    if not (issued - SKEW <= now < expires + SKEW and 0 < expires - issued <= LONGEST):
        raise Refused(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim.",
        )
    if claims.get("aud") not in {GOOGLE, *audiences}:
        raise Refused("invalid_grant", "Invalid JWT: aud must be the address of the token endpoint")
    scope = claims.get("scope")
    if not isinstance(scope, str) or not SCOPES & set(scope.split()):
        raise Refused("invalid_grant", "Invalid OAuth scope or ID token audience provided.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object(part: str) -> dict[str, object]:
    try:
        found = json.loads(_octets(part))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused("invalid_grant", "Invalid JWT: a part is no JSON object")
    return found


def _octets(part: str) -> bytes:
    """Read base64url without padding (RFC 7515, section 2)."""
    try:
        if "=" in part:
            raise ValueError("padded")
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise Refused("invalid_grant", "Invalid JWT: a part is no base64url") from None
