"""What the browsers received, for the assertions of a test."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from devices.emulator.webpush.encoding import encoded
from devices.emulator.webpush.subscriptions import Push

MOST = 20_000  # messages that are kept in all
MOST_EACH = 50  # of them for one endpoint


class Received(NamedTuple):
    """One message that reached its browser; ``plaintext`` is None when only the browser itself can open it, or nobody.

    ``why`` says why it could not be opened, "" when it could or nobody here tried.
    """

    push: Push
    plaintext: bytes | None
    why: str = ""


class Inbox:
    """The latest messages of each endpoint, by its path and query."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, deque[Received]] = {}
        self._order: deque[str] = deque()  # the endpoint of each message that is kept

    def put(self, endpoint: str, received: Received) -> None:
        """Keep a message; the oldest ones make room."""
        messages = self._by_endpoint.setdefault(endpoint, deque())
        messages.append(received)
        if len(messages) > MOST_EACH:
            messages.popleft()
            return
        self._order.append(endpoint)
        if len(self._order) > MOST:
            oldest = self._order.popleft()
            self._by_endpoint[oldest].popleft()
            if not self._by_endpoint[oldest]:
                del self._by_endpoint[oldest]

    def of(self, endpoint: str) -> list[Received]:
        """Return the messages of one endpoint, the oldest first."""
        return list(self._by_endpoint.get(endpoint, ()))


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
