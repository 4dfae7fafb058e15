"""What a push must look like before anything is done with it (RFC 8030, section 5; RFC 8291, section 4)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from devices.emulator.exchange import Request
from devices.emulator.webpush.encryption import sender_key
from devices.emulator.webpush.subscriptions import Push, Subscription
from devices.emulator.webpush.vapid import Sender, Tokens, Unauthorized, is_plausible
from devices.emulator.webpush.vendors import Fault, Vendor

LARGEST = 4096  # bytes of a body
URGENCIES = frozenset(("very-low", "low", "normal", "high"))
_DIGITS = re.compile(r"[0-9]{1,100}")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Refused(ValueError):
    """A push that is not taken. ``str(error)`` says why to a reader of the page, ``fault`` decides the answer."""

    def __init__(self, fault: Fault, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.fault = fault
        self.status = status  # 0: as the vendor answers this fault


def accepted_push(request: Request, vendor: Vendor, longest_ttl: int, now: float, message_id: str) -> Push:
    """Return the push of a request whose head and size are in order. Raises Refused.

    ``longest_ttl`` in seconds is the most that is granted, ``now`` the emulated moment in unix seconds.
    """
    headers = request.headers
    ttl = _ttl(headers, vendor)
    urgency = _text(headers, b"urgency") or "normal"
    if urgency not in URGENCIES:
        raise Refused(Fault.BAD_URGENCY, f"Urgency is {urgency}")
    topic = _text(headers, b"topic")
    if b"topic" in headers and not _TOPIC.fullmatch(topic):
        raise Refused(Fault.BAD_TOPIC, f"Topic is {topic}")
    encoding = _text(headers, b"content-encoding")
    if request.size and encoding != "aes128gcm":
        raise Refused(Fault.BAD_ENCODING, f"Content-Encoding is {encoding or 'missing'}, not aes128gcm")
    if request.size > LARGEST:
        raise Refused(Fault.TOO_LARGE, f"{request.size} bytes are more than {LARGEST}")
    granted = min(ttl, longest_ttl)
    known = encoding if request.size else ""
    return Push(request.body, granted, topic, known, message_id, now, urgency, headers)


def _ttl(headers: dict[bytes, bytes], vendor: Vendor) -> int:
    text = _text(headers, b"ttl")
    if not text:
        raise Refused(Fault.NO_TTL, "no TTL")
    if not _DIGITS.fullmatch(text):
        raise Refused(Fault.BAD_TTL, f"TTL is {text}, not a number of seconds")
    policy = _text(headers, b"x-wns-cache-policy").lower()
    if vendor.name == "microsoft" and int(text) == 0 and policy != "no-cache":
        raise Refused(Fault.TTL_CONFLICT, "TTL is 0 without X-WNS-Cache-Policy: no-cache")
    return int(text)


@dataclass(frozen=True, slots=True)
class Proven:
    """A sender whose token is in order, for this push."""

    sender: Sender
    message_key: bytes

    def bind(self, subscription: Subscription) -> None:
        """Make sure the subscription is this sender's, or make it so. Raises Refused (RFC 8292, section 4.2)."""
        if self.message_key == self.sender.octets:
            raise Refused(Fault.SAME_KEY, "the message was encrypted with the VAPID key itself")
        if not subscription.key:
            subscription.key = self.sender.key
        elif subscription.key != self.sender.key:
            raise Refused(Fault.OTHER_KEY, "the subscription is bound to another VAPID key")


def sender_of(request: Request, vendor: Vendor, tokens: Tokens) -> Proven:
    """Return who sends. Tokens are judged by the real time: senders cannot know the emulated one. Raises Refused."""
    authorization = request.headers.get(b"authorization", b"")
    if not authorization:
        raise Refused(Fault.UNSIGNED, "no Authorization")
    host = request.headers.get(b"host", b"").decode("latin-1")
    origin = f"{'https' if request.secure else 'http'}://{host}"
    try:
        sender = tokens.read(authorization, origin, time.time())
    except Unauthorized as error:
        raise Refused(Fault.BAD_TOKEN, str(error)) from None
    if vendor.name == "apple" and not is_plausible(sender.subject):
        raise Refused(Fault.BAD_TOKEN, f"sub is no address somebody can be reached at: {sender.subject or 'missing'}")
    return Proven(sender, sender_key(request.body))


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()
