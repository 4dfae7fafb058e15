"""What the head and the body of a push must be like, in the order in which APNs looks at them."""

from __future__ import annotations

import re
from typing import NamedTuple

from devices.emulator.apns.answers import Refused
from devices.emulator.exchange import Request

LARGEST = 4096  # bytes of a body
LARGEST_CALL = 5120  # bytes of a body whose push type is "voip"
LONGEST_COLLAPSE_ID = 64  # bytes

# Every push type, and what its topic has after the app's bundle id.
SUFFIXES = {
    "alert": "",
    "background": "",
    "mdm": "",
    "voip": ".voip",
    "complication": ".complication",
    "fileprovider": ".pushkit.fileprovider",
    "location": ".location-query",
    "liveactivity": ".push-type.liveactivity",
    "pushtotalk": ".voip-ptt",
    "controls": ".push-type.controls",
    "widgets": ".push-type.widgets",
}
PRIORITIES = {"": 10, "10": 10, "5": 5, "1": 1}

_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TOPIC = re.compile(r"[A-Za-z0-9.-]{1,255}")
_DIGITS = re.compile(r"[0-9]{1,18}")


class Envelope(NamedTuple):
    """What the head of a push says.

    ``app`` is the topic without the suffix of its push type. ``push_type`` and ``collapse_id`` are "" without one.
    ``expiration`` is unix seconds, 0: now or never, None: as long as APNs keeps anything.
    """

    topic: str
    app: str
    collapse_id: str
    expiration: int | None
    priority: int
    push_type: str

    def expired(self, now: float) -> bool:
        """Tell whether the message may no longer be delivered at ``now`` (unix seconds)."""
        return self.expiration is not None and self.expiration <= now


def good_id(request: Request) -> str:
    """Return the ``apns-id`` of a push as it was sent, "" without one or for one that is no canonical UUID."""
    octets = request.headers.get(b"apns-id", b"")
    return octets.decode() if _UUID.fullmatch(octets) else ""


def envelope_of(request: Request) -> Envelope:
    """Return what the head says. A client certificate speaks for its topic where the head names none. Raises Refused.

    Repeated fields are refused first; the other checks go from the id over the method, the topic, the collapse id and
    the expiration to priority and push type.
    """
    headers = request.headers
    repeated = [name.decode() for name in request.repeated if name.startswith(b"apns-") or name == b"authorization"]
    if repeated:
        raise Refused("DuplicateHeaders", f"{repeated[0]} came twice")
    if b"apns-id" in headers and not good_id(request):
        raise Refused("BadMessageId", "apns-id is no canonical UUID")
    if request.method != b"POST":
        raise Refused("MethodNotAllowed", "only POST pushes")
    topic = _topic(request)
    collapse_id = headers.get(b"apns-collapse-id", b"")
    if len(collapse_id) > LONGEST_COLLAPSE_ID:
        raise Refused(
            "BadCollapseId", f"apns-collapse-id has {len(collapse_id)} bytes, more than {LONGEST_COLLAPSE_ID}"
        )
    expiration = _text(headers, b"apns-expiration")
    if b"apns-expiration" in headers and not _DIGITS.fullmatch(expiration):
        raise Refused("BadExpirationDate", f"apns-expiration is {expiration}, not unix seconds")
    priority = PRIORITIES.get(_text(headers, b"apns-priority"))
    if priority is None:
        raise Refused("BadPriority", f"apns-priority is {_text(headers, b'apns-priority')}, not 10, 5 or 1")
    push_type = _text(headers, b"apns-push-type")
    return Envelope(
        topic,
        _app(topic, push_type, priority),
        collapse_id.decode("utf-8", "backslashreplace"),
        int(expiration) if expiration else None,
        priority,
        push_type,
    )


def _topic(request: Request) -> str:
    topic = _text(request.headers, b"apns-topic")
    if not topic and b"authorization" not in request.headers:
        topic = request.certificate_user
    if not topic:
        raise Refused("MissingTopic", "no apns-topic")
    if not _TOPIC.fullmatch(topic):
        raise Refused("BadTopic", f"apns-topic is {topic}")
    return topic


def _app(topic: str, push_type: str, priority: int) -> str:
    """Return the bundle id in ``topic``. Raises Refused when push type, topic and priority do not fit."""
    if not push_type:  # newer systems may show nothing: see notices.py
        return next((topic.removesuffix(end) for end in SUFFIXES.values() if end and topic.endswith(end)), topic)
    if push_type not in SUFFIXES:
        raise Refused("InvalidPushType", f"apns-push-type is {push_type}")
    if push_type == "background" and priority != 5:
        raise Refused("BadPriority", f"a background push has priority {priority}, not 5")
    suffix = SUFFIXES[push_type]
    if not topic.endswith(suffix) or topic == suffix:
        raise Refused("BadTopic", f"the topic of a push of type {push_type} ends with {suffix}")
    return topic.removesuffix(suffix)


def check_payload(request: Request, envelope: Envelope) -> None:
    """Raise Refused for a body that is empty or too long."""
    if not request.size:
        raise Refused("PayloadEmpty", "no payload")
    largest = LARGEST_CALL if envelope.push_type == "voip" else LARGEST
    if request.size > largest:
        raise Refused("PayloadTooLarge", f"{request.size} bytes are more than {largest}")


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()
