"""Every answer of WNS and its headers, with names in upper case as the real servers send them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import lru_cache

from devices.emulator.exchange import date, status_line

RECEIVED, DROPPED, THROTTLED = "received", "dropped", "channelthrottled"
CONNECTED, DISCONNECTED, UNKNOWN = "connected", "disconnected", "unknown"
DEBUG_TRACE = "EMULATOR00000001"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the HTTP status, X-WNS-Status ("" without), the device's connection and X-WNS-Error-Description."""

    status: int
    word: str = ""
    device: str = CONNECTED
    description: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """Name the answer for the ledger and the counts: "200 received"."""
        return f"{self.status} {self.word}".rstrip()


OK = Answer(200, RECEIVED)
AWAY = Answer(200, RECEIVED, DISCONNECTED)
OFF = Answer(200, DROPPED)
OFFLINE_TOAST = Answer(200, DROPPED, DISCONNECTED, "Device is offline")
NO_CACHE = Answer(200, DROPPED, DISCONNECTED, "Device is offline and X-WNS-Cache-Policy is no-cache")
CHANNEL_THROTTLED = Answer(200, THROTTLED)
BAD_TOKEN = Answer(401, DROPPED, description="The access token is missing, expired or invalid")
OTHER_APP = Answer(403, DROPPED, description="Channel URL incompatible with caller app")
NO_CHANNEL = Answer(404, DROPPED, description="Invalid channel URL")
WRONG_VERB = Answer(405, headers=(("Allow", "POST"),))
BUSY = Answer(406, THROTTLED)
REVOKED = Answer(410, DROPPED, description="Revoked channel URL")
DOMAIN_BLOCKED = Answer(410, DROPPED, description="Domain Blocked")
SUPPRESSED = Answer(200, DROPPED, description="X-WNS-SuppressPopup is for phone channels only")
TOO_LARGE = Answer(413, DROPPED, description="Payload is larger than 5000 bytes")
QUOTA = Answer(429)
INTERNAL = Answer(500, "", UNKNOWN)
UNAVAILABLE = Answer(503)


def bad_request(why: str) -> Answer:
    """Return the refusal of a push whose headers are missing, wrong or contradict each other."""
    return Answer(400, DROPPED, description=why)


@lru_cache(maxsize=1024)
def _head(answer: Answer, told: bool) -> bytes:
    lines = [("X-WNS-STATUS", answer.word), ("X-WNS-NOTIFICATIONSTATUS", answer.word)]
    if told:
        lines.append(("X-WNS-DEVICECONNECTIONSTATUS", answer.device))
    lines += [("X-WNS-ERROR-DESCRIPTION", answer.description), ("X-WNS-DEBUG-TRACE", DEBUG_TRACE)]
    written = "".join(f"{name}: {value}\r\n" for name, value in (*lines, *answer.headers) if value)
    return status_line(answer.status) + written.encode("latin-1") + b"Content-Length: 0\r\nDate: "


def render(answer: Answer, told: bool, vector: bytes) -> bytes:
    """Return ``answer`` as bytes; ``told``: the sender asked how the device is connected; ``vector`` is its MS-CV."""
    number = secrets.token_hex(8).upper().encode()
    correlation = b"MS-CV: %s.0\r\n" % vector if vector else b""
    return b"%s%s\r\nX-WNS-MSG-ID: %s\r\n%s\r\n" % (_head(answer, told), date(), number, correlation)
