"""What a push must say about itself: its headers, by Microsoft's page on push request headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devices.emulator.exchange import Request

MOST_BYTES = 5000  # of any payload
KINDS = {b"wns/toast": "toast", b"wns/tile": "tile", b"wns/badge": "badge", b"wns/raw": "raw"}
_LABEL = re.compile(rb"[A-Za-z0-9]{1,16}")
_FORMS: dict[bytes, tuple[re.Pattern[bytes], str]] = {
    b"x-wns-tag": (_LABEL, "X-WNS-Tag must be at most 16 letters and digits"),
    b"x-wns-group": (_LABEL, "X-WNS-Group must be at most 16 letters and digits"),
    b"x-wns-ttl": (re.compile(rb"[0-9]{1,10}"), "X-WNS-TTL must be a number of seconds"),
    b"x-wns-priority": (re.compile(rb"[1-4]"), "X-WNS-PRIORITY must be 1, 2, 3 or 4"),
    b"x-wns-cache-policy": (re.compile(rb"(?i)cache|no-cache"), "X-WNS-Cache-Policy must be cache or no-cache"),
    b"x-wns-requestforstatus": (re.compile(rb"(?i)true|false"), "X-WNS-RequestForStatus must be true or false"),
    b"x-wns-suppresspopup": (re.compile(rb"(?i)true|false"), "X-WNS-SuppressPopup must be true or false"),
}


class Refused(ValueError):
    """A push with headers that WNS answers with 400. ``str(error)`` says what is wrong."""


def kind_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the kind that X-WNS-Type names, "unknown" for none."""
    return KINDS.get(headers.get(b"x-wns-type", b"").strip().lower(), "unknown")


def check(request: Request, kind: str) -> None:
    """Raise Refused unless the headers of a push of this kind are in order."""
    headers = request.headers
    if b"transfer-encoding" in headers:
        raise Refused("chunked bodies are not supported")
    if b"content-length" not in headers:
        raise Refused("Content-Length is missing")
    if kind == "unknown":
        raise Refused("X-WNS-Type is missing or none of wns/toast, wns/tile, wns/badge, wns/raw")
    wanted = b"application/octet-stream" if kind == "raw" else b"text/xml"
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != wanted:
        raise Refused(f"Content-Type must be {wanted.decode()} for a {kind}")
    if b"x-wns-match" in headers:
        raise Refused("X-WNS-Match goes with DELETE only")
    for name, (form, why) in _FORMS.items():
        if name in headers and not form.fullmatch(headers[name].strip()):
            raise Refused(why)


def is_cached(headers: Mapping[bytes, bytes], kind: str) -> bool:
    """Tell whether a push may wait for a device that is away: as it says, else all but a raw one."""
    policy = headers.get(b"x-wns-cache-policy", b"").strip().lower()
    return policy == b"cache" if policy else kind != "raw"


def asks_for_status(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the answer is to say how the device is connected."""
    return headers.get(b"x-wns-requestforstatus", b"").strip().lower() == b"true"
