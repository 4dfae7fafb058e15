"""The manner of each vendor: where its endpoints lie and how it words what went wrong.

Source: RFC 8030 and RFC 8292 for what is common; the vendors' own documents and what senders have reported for the
rest.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus

MONTH = 30 * 86_400  # seconds
Headers = tuple[tuple[str, str], ...]


class Fault(Enum):
    """Why a push is refused."""

    UNKNOWN = auto()
    GONE = auto()
    NO_TTL = auto()
    BAD_TTL = auto()
    TTL_CONFLICT = auto()
    BAD_URGENCY = auto()
    BAD_TOPIC = auto()
    BAD_ENCODING = auto()
    SAME_KEY = auto()
    TOO_LARGE = auto()
    UNSIGNED = auto()
    BAD_TOKEN = auto()
    OTHER_KEY = auto()
    THROTTLED = auto()
    INTERNAL = auto()
    BAD_GATEWAY = auto()
    UNAVAILABLE = auto()


# What is the same everywhere unless a vendor says otherwise.
STATUS: dict[Fault, int] = {
    Fault.UNKNOWN: 404,
    Fault.GONE: 410,
    Fault.TOO_LARGE: 413,
    Fault.UNSIGNED: 401,
    Fault.BAD_TOKEN: 403,
    Fault.OTHER_KEY: 403,
    Fault.THROTTLED: 429,
    Fault.INTERNAL: 500,
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True, eq=False)
class Vendor:
    """One vendor: its name, the browser people know it by, the longest TTL it grants (seconds), and its wording.

    ``words`` has status and wording for each fault that it answers in its own way; a status of 0 is the usual one.
    """

    name: str
    browser: str
    longest_ttl: int = 2**31 - 1
    words: Mapping[Fault, tuple[int, str]] = field(default_factory=dict)

    def status(self, fault: Fault) -> int:
        """Return the status that ``fault`` is answered with."""
        return self.words.get(fault, (0, ""))[0] or STATUS.get(fault, 400)

    def wording(self, fault: Fault, status: int) -> tuple[Headers, bytes]:
        """Return the headers and the body of the answer to ``fault`` with ``status``."""
        return (), b""

    def accepted(self) -> Headers:
        """Return what the answer to an accepted message carries beside Location and TTL."""
        return ()


class Mozilla(Vendor):
    """A JSON object with an error number of its own."""

    __slots__ = ()

    def wording(self, fault: Fault, status: int) -> tuple[Headers, bytes]:
        """Return the object. 410 may be kept for a day."""
        number, _, message = self.words[fault][1].partition(" ")
        error = {"code": status, "errno": int(number), "error": HTTPStatus(status).phrase, "message": message}
        headers: Headers = (("Content-Type", "application/json"),)
        if status == 410:
            headers = (*headers, ("Cache-Control", "max-age=86400"))
        return headers, json.dumps(error).encode()


class Google(Vendor):
    """A sentence."""

    __slots__ = ()

    def wording(self, fault: Fault, status: int) -> tuple[Headers, bytes]:
        """Return the sentence, as plain text."""
        words = self.words.get(fault, (0, HTTPStatus(status).phrase))[1]
        return (("Content-Type", "text/plain; charset=utf-8"),), f"{words}\n".encode()


class Apple(Vendor):
    """A JSON object with a reason, as its service for apps has it."""

    __slots__ = ()

    def wording(self, fault: Fault, status: int) -> tuple[Headers, bytes]:
        """Return the object."""
        reason = self.words.get(fault, (0, "BadWebPushRequest"))[1]
        return (("Content-Type", "application/json"), *self.accepted()), json.dumps({"reason": reason}).encode()

    def accepted(self) -> Headers:
        """Return an id that tells nothing."""
        return (("apns-id", str(uuid.uuid4()).upper()),)


class Microsoft(Vendor):
    """No body; a header says what was wrong, except about credentials."""

    __slots__ = ()

    def wording(self, fault: Fault, status: int) -> tuple[Headers, bytes]:
        """Return the header."""
        words = self.words.get(fault, (0, HTTPStatus(status).phrase))[1]
        return (("X-WNS-ERROR-DESCRIPTION", words),) if words and status != 401 else (), b""

    def accepted(self) -> Headers:
        """Return that it was received."""
        return (("X-WNS-STATUS", "received"),)


_MISMATCH = (
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the "
    "subscriptions."
)
VENDORS: dict[str, Vendor] = {
    "mozilla": Mozilla(
        "mozilla",
        "Firefox",
        MONTH,
        {
            Fault.UNKNOWN: (0, "102 Invalid endpoint"),
            Fault.GONE: (0, "106 Invalid subscription"),
            Fault.NO_TTL: (0, "111 Missing TTL header"),
            Fault.BAD_TTL: (0, "112 Invalid TTL header"),
            Fault.TTL_CONFLICT: (0, "112 Invalid TTL header"),
            Fault.BAD_URGENCY: (0, "999 Invalid Urgency header"),
            Fault.BAD_TOPIC: (0, "113 Invalid Topic header"),
            Fault.BAD_ENCODING: (0, "110 Invalid Content-Encoding"),
            Fault.SAME_KEY: (0, "110 The keys of message and sender must differ"),
            Fault.TOO_LARGE: (0, "104 Payload too large"),
            Fault.UNSIGNED: (401, "109 Missing authentication"),
            Fault.BAD_TOKEN: (401, "109 Invalid authentication"),
            Fault.OTHER_KEY: (401, "109 Key mismatch"),
            Fault.THROTTLED: (0, "201 Too many requests"),
            Fault.INTERNAL: (0, "999 Unknown error"),
            Fault.BAD_GATEWAY: (0, "902 The bridge does not answer"),
            Fault.UNAVAILABLE: (0, "201 Back off and try again"),
        },
    ),
    "google": Google(
        "google",
        "Chrome",
        words={
            Fault.UNKNOWN: (0, "A valid push subscription endpoint should be specified in the URL."),
            Fault.GONE: (0, "push subscription has unsubscribed or expired."),
            Fault.NO_TTL: (0, "Time-to-live in header must be specified."),
            Fault.BAD_TTL: (0, "Time-to-live in header must be a number of seconds."),
            Fault.UNSIGNED: (403, "missing VAPID credentials in the authorization header."),
            Fault.BAD_TOKEN: (0, "invalid JWT provided"),
            Fault.OTHER_KEY: (0, _MISMATCH),
        },
    ),
    "apple": Apple(
        "apple",
        "Safari",
        words={
            Fault.UNKNOWN: (0, "BadPath"),
            Fault.GONE: (0, "Unregistered"),
            Fault.BAD_TOPIC: (0, "BadWebPushTopic"),
            Fault.TOO_LARGE: (0, "PayloadTooLarge"),
            Fault.UNSIGNED: (403, "BadAuthorizationHeader"),
            Fault.BAD_TOKEN: (0, "BadJwtToken"),
            Fault.OTHER_KEY: (400, "VapidPkHashMismatch"),
            Fault.THROTTLED: (0, "TooManyRequests"),
            Fault.INTERNAL: (0, "InternalServerError"),
            Fault.BAD_GATEWAY: (0, "InternalServerError"),
            Fault.UNAVAILABLE: (0, "ServiceUnavailable"),
        },
    ),
    "microsoft": Microsoft(
        "microsoft",
        "Edge",
        words={
            Fault.NO_TTL: (0, "Ttl value conflicts with X-WNS-Cache-Policy."),
            Fault.TTL_CONFLICT: (0, "Ttl value conflicts with X-WNS-Cache-Policy."),
            Fault.BAD_TOKEN: (401, ""),
            Fault.OTHER_KEY: (401, ""),
            Fault.THROTTLED: (406, ""),
        },
    ),
}

# Where each vendor's endpoints lie at the emulator. What follows is the id of the subscription.
HOMES = {"mozilla": "/wpush/v2/", "google": "/fcm/send/", "apple": "/apple/", "microsoft": "/w/?token="}
ID = r"[A-Za-z0-9._~:-]+"
MESSAGES = b"/m/"  # message resources
PREFIXES = (b"/wpush/", b"/fcm/", b"/wp/", b"/apple/", b"/w/", MESSAGES)
ADDRESS = re.compile(
    rf"(?:(?P<mozilla>/wpush/v2/)|(?P<google>/fcm/send/|/wp/)|(?P<apple>/apple/)|(?P<microsoft>/w/\?token=))(?P<id>{ID})"
)
_OWNERS = ((b"/wpush/", "mozilla"), (b"/fcm/", "google"), (b"/wp/", "google"), (b"/apple/", "apple"))


def vendor_at(target: bytes) -> Vendor:
    """Return whose manner a request for ``target`` is answered in, whether or not there is a subscription."""
    return VENDORS[next((name for prefix, name in _OWNERS if target.startswith(prefix)), "microsoft")]
