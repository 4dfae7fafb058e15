"""Every answer of FCM, worded as Google words it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from devices.emulator.exchange import plain

JSON = ("Content-Type", "application/json; charset=UTF-8")
_FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_PAGE = b"<!DOCTYPE html>\n<html lang=en><title>Error %d</title><p><b>%d.</b> That is an error.</html>\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """One error: HTTP status, canonical status, sentence, and FCM's own code, "" where it gives none.

    ``violations`` are pairs of field and description. ``html`` gives a page in place of the JSON, ``bare`` nothing.
    """

    status: int
    canonical: str = ""
    message: str = ""
    code: str = ""
    violations: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    html: bool = False
    bare: bool = False

    @property
    def label(self) -> str:
        """Name the answer for the ledger and the counts: "404 UNREGISTERED"."""
        return f"{self.status} {self.code or self.canonical}".rstrip()


UNREGISTERED = Fault(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
NOT_FOUND = Fault(404, "NOT_FOUND", "Requested entity was not found.")
SENDER_ID_MISMATCH = Fault(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH")
PERMISSION_DENIED = Fault(
    403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist)."
)
THIRD_PARTY = Fault(
    401,
    "UNAUTHENTICATED",
    "Auth error from APNS or Web Push Service",
    "THIRD_PARTY_AUTH_ERROR",
)
_EXPECTED = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
NO_TOKEN = Fault(
    401, "UNAUTHENTICATED", f"Request is missing required authentication credential. {_EXPECTED}",
    headers=(("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"'),),
)  # fmt: skip
BAD_TOKEN = Fault(
    401, "UNAUTHENTICATED", f"Request had invalid authentication credentials. {_EXPECTED}",
    headers=(("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"'),),
)  # fmt: skip
QUOTA = Fault(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", "QUOTA_EXCEEDED")
INTERNAL = Fault(500, "INTERNAL", "Internal error encountered.", "INTERNAL")
UNAVAILABLE = Fault(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE")
BAD_GATEWAY = Fault(502, "UNAVAILABLE", "Bad Gateway")
PAGE = Fault(502, html=True)
NO_PATH = Fault(404, html=True)


def invalid(field: str, description: str) -> Fault:
    """Return the refusal of a message for what is wrong with ``field`` ("message.token", "" for the whole)."""
    return Fault(400, "INVALID_ARGUMENT", description, "INVALID_ARGUMENT", ((field, description),))


BAD_REGISTRATION = invalid("message.token", "The registration token is not a valid FCM registration token")


@lru_cache(maxsize=1024)
def _body(fault: Fault) -> tuple[bytes, str]:
    if fault.bare:
        return b"", ""
    if fault.html:
        return _PAGE % (fault.status, fault.status), "text/html; charset=UTF-8"
    error: dict[str, Any] = {"code": fault.status, "message": fault.message, "status": fault.canonical}
    details: list[dict[str, Any]] = []
    if fault.code:
        details.append({"@type": _FCM, "errorCode": fault.code})
    if fault.violations:
        told = [{"field": field, "description": description} for field, description in fault.violations]
        details.append({"@type": _BAD_REQUEST, "fieldViolations": told})
    if details:
        error["details"] = details
    return json.dumps({"error": error}, indent=2).encode(), JSON[1]


def refused(fault: Fault) -> bytes:
    """Return the answer that carries ``fault``."""
    body, kind = _body(fault)
    return plain(fault.status, body, ((("Content-Type", kind),) if kind else ()) + fault.headers)


def accepted(name: str, empty: bool = False) -> bytes:
    """Return 200 with the name of the message; ``empty`` for a fault on the line, which brings a body of its own."""
    return plain(200, b"" if empty else json.dumps({"name": name}, indent=2).encode() + b"\n", (JSON,))
