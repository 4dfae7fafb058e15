"""Subscriptions of browsers: where they live, which key they are bound to, and what waits for them.

Source: RFC 8030 (endpoints in section 4, TTL in 5.2, topics in 5.4) and RFC 8292, section 4 (the bound key).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from devices.emulator import table
from devices.emulator.exchange import Play
from devices.emulator.webpush.encryption import Keys, keys_of
from devices.emulator.webpush.vendors import ADDRESS, HOMES, Fault

MOST_KEPT = 1000  # messages that wait for one browser; the oldest makes room


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What the service does about one push that it could accept.

    ``fault`` is None when it accepts, ``status`` overrides what the vendor would answer when it is not 0. ``taken``
    says whether the service keeps the message. ``seconds`` pass before the answer, ``play`` replaces it on the wire.
    No further try is welcome for ``closed`` seconds. ``longest_ttl`` is the most that is granted, None: the vendor's.
    """

    fault: Fault | None = None
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    taken: bool = False
    seconds: float = 0.0
    play: Play | None = None
    closed: float = 0.0
    longest_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to push. ``tries`` counts it; ``now`` is the emulated moment, ``real`` the real one, in unix seconds."""

    subscription: Subscription
    tries: int
    now: float
    real: float


Act = Callable[[Attempt], Turn]
Plan = table.Plan[Act]


@dataclass(frozen=True, slots=True, eq=False)
class Push:
    """One message that the service accepted.

    ``body`` is as it arrived, encrypted (b"" of a push without payload), ``ttl`` in seconds as the service granted it,
    ``topic`` is "" without one, ``encoding`` the content encoding ("aes128gcm", "" without a body). ``id`` is the last
    part of its message resource, ``arrived`` the emulated moment in unix seconds. ``headers`` has lower-case names.
    """

    body: bytes
    ttl: int
    topic: str = ""
    encoding: str = "aes128gcm"
    id: str = ""
    arrived: float = 0.0
    urgency: str = "normal"
    headers: Mapping[bytes, bytes] = field(default_factory=dict)

    def expired(self, now: float) -> bool:
        """Tell whether the message may no longer be delivered at ``now`` (unix seconds)."""
        return now >= self.arrived + self.ttl


Listener = Callable[[Push], None]


class Subscription:
    """One subscription. ``key`` is the VAPID public key it is bound to, base64url, "" until one has pushed.

    ``endpoint_path`` is path and query of the endpoint.
    """

    __slots__ = (
        "_kept", "_listener", "_now", "closed", "closed_until", "endpoint_path", "id", "key", "plan", "second", "seed",
        "this_second", "tries", "vendor",
    )  # fmt: skip

    def __init__(
        self, vendor: str, subscription_id: str, endpoint_path: str, key: str, now: Callable[[], float]
    ) -> None:
        self.vendor = vendor
        self.id = subscription_id
        self.endpoint_path = endpoint_path
        self.key = key
        self.closed = False  # unsubscribed: 410 from now on
        self.seed: bytes | None = None  # what its keys follow from; None: a live browser keeps them to itself
        self.plan: Plan | None = None
        self.tries = 0  # good pushes since the behaviour was set
        self.closed_until = 0.0  # no try is welcome before this moment (Retry-After)
        self.second = self.this_second = 0
        self._now = now
        self._listener: Listener | None = None
        self._kept: list[Push] | None = None

    @property
    def keys(self) -> Keys | None:
        """Return the browser's keys, or None when only the browser itself has them."""
        return None if self.seed is None else keys_of(self.seed)

    def behave(self, plan: Plan) -> None:
        """Change the behaviour."""
        self.plan = plan
        self.tries = 0
        self.closed_until = 0.0

    def count_this_second(self, now: float) -> int:
        """Count one push of the second and return how many that makes."""
        second = int(now)
        if second != self.second:
            self.second, self.this_second = second, 0
        self.this_second += 1
        return self.this_second

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
        else:  # a TTL of zero has passed at once: now or never
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
    """Every subscription by the path and query of its endpoint. Those whose id names a behaviour exist by themselves.

    ``now`` tells the emulated moment, unix seconds. ``read`` returns the behaviour that an id names, None if none;
    ``attend`` is told of every subscription whose browser is emulated.
    """

    def __init__(
        self,
        now: Callable[[], float],
        read: Callable[[str], Plan | None] = lambda subscription_id: None,
        attend: Callable[[Subscription], None] = lambda subscription: None,
    ) -> None:
        self._now = now
        self._read = read
        self._attend = attend
        self._by_target: dict[bytes, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_target)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_target.values())

    def clear(self) -> None:
        """Forget every subscription of an emulated browser; live ones stay, they cannot know of it."""
        live = {target: one for target, one in self._by_target.items() if one.seed is None}
        self._by_target = live

    def find(self, target: bytes) -> Subscription | None:
        """Return the subscription at ``target``, a closed one too, or None when there never was one."""
        subscription = self._by_target.get(target)
        if subscription is None:
            match = ADDRESS.fullmatch(target.decode("ascii", "replace"))
            plan = match and self._read(match["id"])
            if match and plan:
                subscription = self._emulated(_vendor(match.groupdict()), match["id"], plan, target)
        return subscription

    def open(self, vendor: str, key: str) -> Subscription:
        """Make a subscription with a random id for a browser that keeps its private key to itself.

        ``vendor`` is one of HOMES, ``key`` the VAPID public key, base64url, or "" to bind to the first that pushes.
        Nobody is connected yet: set ``listener``. Raises ValueError for an unknown vendor.
        """
        subscription_id = f"live~{secrets.token_urlsafe(24)}"
        path = _home(vendor) + subscription_id
        subscription = self._by_target[path.encode()] = Subscription(vendor, subscription_id, path, key, self._now)
        return subscription

    def make(self, vendor: str, key: str, plan: Plan, name: str = "") -> Subscription:
        """Make a subscription of an emulated browser, as ``open`` does.

        With a ``name`` the id is behaviour and name, without one it is random. The keys follow from the id. The same
        one made again keeps its state but for the key. Raises ValueError.
        """
        subscription_id = f"{plan.name}.{name}" if name else secrets.token_urlsafe(24)
        path = _home(vendor) + subscription_id
        if ADDRESS.fullmatch(path) is None:
            raise ValueError(f"not a name: {name}")
        subscription = self.find(path.encode()) or self._emulated(vendor, subscription_id, plan, path.encode())
        subscription.key = key
        return subscription

    def _emulated(self, vendor: str, subscription_id: str, plan: Plan, target: bytes) -> Subscription:
        subscription = Subscription(vendor, subscription_id, target.decode(), "", self._now)
        subscription.seed = subscription_id.encode()
        subscription.plan = plan
        self._by_target[target] = subscription
        self._attend(subscription)
        return subscription


def _home(vendor: str) -> str:
    if vendor not in HOMES:
        raise ValueError(f"vendor must be one of {', '.join(HOMES)}")
    return HOMES[vendor]


def _vendor(groups: Mapping[str, str | None]) -> str:
    return next(vendor for vendor in HOMES if groups[vendor])
