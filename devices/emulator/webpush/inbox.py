"""What the browsers received, for the assertions of a test."""

from __future__ import annotations

from typing import NamedTuple

from devices.emulator.webpush.encoding import encoded
from devices.emulator.webpush.subscriptions import Push


class Received(NamedTuple):
    """One message that reached its browser; ``plaintext`` is None when only the browser itself can open it, or nobody.

    ``why`` says why it could not be opened, "" when it could or nobody here tried.
    """

    push: Push
    plaintext: bytes | None
    why: str = ""


def shown(received: Received, delivered: bool) -> dict[str, object]:
    """Return one message as JSON can carry it; ``delivered`` is False while it waits for its browser."""
    push, plaintext, why = received
    return {
        "plaintext": None if plaintext is None else plaintext.decode("utf-8", "replace"),
        "plaintext_octets": None if plaintext is None else encoded(plaintext),
        "bytes": len(push.body),
        "ttl": push.ttl,
        "topic": push.topic,
        "urgency": push.urgency,
        "encoding": push.encoding,
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in push.headers.items()},
        "id": push.id,
        "arrived": push.arrived,
        "delivered": delivered,
        "undecryptable": why,
    }
