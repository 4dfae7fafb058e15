"""Subscriptions of browsers: where they live, which key they are bound to, and what waits for them.

Source: RFC 8030 (endpoints in section 4, TTL in 5.2, topics in 5.4) and RFC 8292, section 4 (the bound key).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

# Where each vendor's endpoints lie at the emulator. What follows is the id of the subscription.
HOMES = {"mozilla": "/wpush/v2/", "google": "/fcm/send/", "apple": "/apple/", "microsoft": "/w/?token="}
MOST_KEPT = 1000  # messages that wait for one browser; the oldest makes room


@dataclass(frozen=True, slots=True, eq=False)
class Push:
    """One message that the service accepted.

    ``body`` is as it arrived, encrypted ("" of a push without payload), ``ttl`` in seconds as the service granted it,
    ``topic`` is "" without one, ``encoding`` the content encoding ("aes128gcm", "" without a body). ``id`` is the last
    part of its message resource, ``arrived`` the emulated moment in unix seconds.
    """

    body: bytes
    ttl: int
    topic: str = ""
    encoding: str = "aes128gcm"
    id: str = ""
    arrived: float = 0.0
    urgency: str = "normal"

    def expired(self, now: float) -> bool:
        """Tell whether the message may no longer be delivered at ``now`` (unix seconds)."""
        return now >= self.arrived + self.ttl


Listener = Callable[[Push], None]


class Subscription:
    """One subscription. ``key`` is the VAPID public key it is bound to, base64url, "" until one has pushed.

    ``endpoint_path`` is path and query of the endpoint.
    """

    __slots__ = ("_kept", "_listener", "_now", "closed", "endpoint_path", "id", "key", "vendor")

    def __init__(
        self, vendor: str, subscription_id: str, endpoint_path: str, key: str, now: Callable[[], float]
    ) -> None:
        self.vendor = vendor
        self.id = subscription_id
        self.endpoint_path = endpoint_path
        self.key = key
        self.closed = False  # unsubscribed: 410 from now on
        self._now = now
        self._listener: Listener | None = None
        self._kept: list[Push] | None = None

    @property
    def listener(self) -> Listener | None:
        """Whoever gets the messages at once; None while nobody is connected, and messages wait."""
        return self._listener

    @listener.setter
    def listener(self, listener: Listener | None) -> None:
        self._listener = listener
        while listener is not None and listener is self._listener and self._kept:
            push = self._kept.pop(0)
            if not push.expired(self._now()):
                listener(push)

    @property
    def waiting(self) -> list[Push]:
        """Return what waits and has not expired, the oldest first."""
        now = self._now()
        return [push for push in self._kept or () if not push.expired(now)]

    def deliver(self, push: Push) -> None:
        """Hand an accepted message over, or keep it for its TTL; one of the same topic that waits is replaced."""
        if self._listener is not None:
            self._listener(push)
        elif push.ttl > 0:  # zero means now or never
            kept = [old for old in self.waiting if not push.topic or old.topic != push.topic]
            self._kept = [*kept, push][-MOST_KEPT:]

    def cancel(self, message_id: str) -> bool:
        """Forget a message that waits. Returns whether there was one."""
        waiting = self.waiting
        self._kept = [push for push in waiting if push.id != message_id]
        return len(self._kept) < len(waiting)

    def close(self) -> None:
        """Unsubscribe: what waits is forgotten and every push from now on is answered with 410."""
        self.closed = True
        self._listener = None
        self._kept = None


class Subscriptions:
    """Every subscription by the path and query of its endpoint. ``now`` tells the emulated moment, unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_target: dict[bytes, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_target)

    def find(self, target: bytes) -> Subscription | None:
        """Return the subscription at ``target``, a closed one too, or None when there never was one."""
        return self._by_target.get(target)

    def open(self, vendor: str, key: str) -> Subscription:
        """Make a subscription with a random id for a browser that keeps its private key to itself.

        ``vendor`` is one of HOMES, ``key`` the VAPID public key, base64url, or "" to bind to the first that pushes.
        Nobody is connected yet: set ``listener``. Raises ValueError for an unknown vendor.
        """
        home = HOMES.get(vendor)
        if home is None:
            raise ValueError(f"vendor must be one of {', '.join(HOMES)}")
        subscription_id = f"live~{secrets.token_urlsafe(24)}"
        path = home + subscription_id
        subscription = self._by_target[path.encode()] = Subscription(vendor, subscription_id, path, key, self._now)
        return subscription
