"""What the devices received, for the assertions of a test."""

from __future__ import annotations

from collections import deque

from devices.emulator.apns.devices import Push

MOST = 20_000  # messages that are kept in all
MOST_EACH = 50  # of them for one device


class Inbox:
    """The latest messages of each device, by its token."""

    def __init__(self) -> None:
        self._by_token: dict[str, deque[Push]] = {}
        self._order: deque[str] = deque()  # the token of each message that is kept

    def put(self, token: str, push: Push) -> None:
        """Keep a message; the oldest ones make room."""
        messages = self._by_token.setdefault(token, deque())
        messages.append(push)
        if len(messages) > MOST_EACH:
            messages.popleft()
            return
        self._order.append(token)
        if len(self._order) > MOST:
            oldest = self._order.popleft()
            self._by_token[oldest].popleft()
            if not self._by_token[oldest]:
                del self._by_token[oldest]

    def of(self, token: str) -> list[Push]:
        """Return the messages of one device, the oldest first."""
        return list(self._by_token.get(token, ()))
