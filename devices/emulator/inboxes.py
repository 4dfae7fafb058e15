"""What devices received, for the assertions of a test: the latest messages of each address."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

MOST = 20_000  # messages that are kept in all
MOST_EACH = 50  # of them for one address

Received = TypeVar("Received")


class Inboxes(Generic[Received]):
    """The latest messages by address; the oldest ones make room."""

    def __init__(self) -> None:
        self._by_address: dict[str, deque[Received]] = {}
        self._order: deque[str] = deque()  # the address of each message that is kept

    def put(self, address: str, received: Received) -> None:
        """Keep a message."""
        messages = self._by_address.get(address)
        if messages is None:
            messages = self._by_address[address] = deque()
        messages.append(received)
        if len(messages) > MOST_EACH:
            messages.popleft()
            return
        self._order.append(address)
        if len(self._order) > MOST:
            oldest = self._order.popleft()
            self._by_address[oldest].popleft()
            if not self._by_address[oldest]:
                del self._by_address[oldest]

    def of(self, address: str) -> list[Received]:
        """Return the messages of one address, the oldest first."""
        return list(self._by_address.get(address, ()))
