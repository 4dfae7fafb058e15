"""One request first, then all: who may go to a server of HTTP/2 that we do not know yet.

A server says only after a connection is made how many streams it takes (RFC 9113, 6.5.2), and Apple's takes one until
it has seen a valid token: what is sent before that is refused. So the first request to a host goes alone, and the
others follow when it is answered, or when it takes too long.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 1.0  # seconds the others wait for the first one: one slow device must not hold up a host
WARM = 30.0  # seconds without an answer after which a host counts as unknown again: its connections may be closed


@dataclass(slots=True)
class _Host(Generic[T]):
    heard: float = float("-inf")  # when it answered last, on the monotonic clock
    first: T | None = None  # what went alone
    since: float = 0.0  # when it did
    waiting: deque[T] = field(default_factory=deque)


@dataclass(slots=True)
class Warming(Generic[T]):
    """What waits at which host. ``T`` is whatever goes there."""

    _hosts: dict[str, _Host[T]] = field(default_factory=dict)
    _cold: set[str] = field(default_factory=set)  # hosts where something waits or went alone

    def may_go(self, host: str, one: T) -> bool:
        """Return whether ``one`` may go now; else it waits here."""
        known = self._hosts.setdefault(host, _Host())
        now = time.monotonic()
        if host not in self._cold:
            if now - known.heard < WARM:
                return True
            self._cold.add(host)
            known.first, known.since = one, now
            return True
        known.waiting.append(one)
        return False

    def refused(self, host: str, one: T) -> bool:
        """Take note that the server did not look at ``one``; return whether it may go again now, alone."""
        known = self._hosts.setdefault(host, _Host())
        known.heard = float("-inf")
        if known.first is one:
            known.first = None
        if known.first is None:
            self._cold.add(host)
            known.first, known.since = one, time.monotonic()
            return True
        known.waiting.append(one)
        return False

    def ended(self, host: str, one: T, answered: bool) -> list[T]:
        """Take note that ``one`` came to its end; return what may go now."""
        known = self._hosts.get(host)
        if known is None:
            return []
        if answered:
            known.heard = time.monotonic()
        if host not in self._cold or (known.first is not one and not answered):
            return []
        if answered or not known.waiting:
            return self._all(host, known)
        known.first, known.since = known.waiting.popleft(), time.monotonic()
        return [known.first]

    def overdue(self) -> Iterator[T]:
        """Yield what has waited for long enough for the first one of its host."""
        now = time.monotonic()
        for host in [host for host in self._cold if now - self._hosts[host].since > PATIENCE]:
            yield from self._all(host, self._hosts[host])

    @property
    def soon(self) -> float:
        """Seconds until something may be overdue; a long time when nothing waits."""
        if not self._cold:
            return PATIENCE
        return max(0.0, min(self._hosts[host].since for host in self._cold) + PATIENCE - time.monotonic())

    def _all(self, host: str, known: _Host[T]) -> list[T]:
        self._cold.discard(host)
        known.first = None
        known.heard = max(known.heard, time.monotonic() - WARM / 2)
        released = list(known.waiting)
        known.waiting.clear()
        return released
