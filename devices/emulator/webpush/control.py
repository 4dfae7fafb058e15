"""What can be asked of the emulated Web Push and done to it, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.emulator.control import target_of, text
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.services import Wishes
from devices.emulator.webpush import behaviours
from devices.emulator.webpush.autopush import Autopush
from devices.emulator.webpush.browsers import Browser
from devices.emulator.webpush.encoding import decoded, encoded, public_key
from devices.emulator.webpush.inbox import Received, shown
from devices.emulator.webpush.service import WebPush
from devices.emulator.webpush.subscriptions import Subscription
from devices.emulator.webpush.vendors import PREFIXES

MOST_AT_ONCE = 5000  # subscriptions that one call makes


class Control:
    """The service with its commands. ``services.Running`` is what it is."""

    prefixes = PREFIXES
    groups = (Browser.group,)

    def __init__(self, service: WebPush) -> None:
        self.service = service
        self.autopush = Autopush(lambda key: service.subscriptions.open("mozilla", key), service.shared.clock.now)
        self.sockets: Mapping[str, Callable[[Request], Reply]] = {"/": self.autopush.welcome}
        self.early: Callable[[bytes], Early | None] = service.early
        self.answer: Callable[[Request], Reply] = service.answer
        self.commands: Mapping[str, Callable[[Wishes], object]] = {
            "/emulator/webpush/subscriptions": self._subscribe,
            "/emulator/webpush/behaviour": self._behave,
            "/emulator/webpush/offline": self._go,
            "/emulator/webpush/forget": self._forget,
        }
        self.views: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "/emulator/webpush/messages": self._messages,
            "/emulator/webpush/behaviours": self._behaviours,
        }

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator."""
        service = self.service
        counted = ("delivered", "undecryptable", "dropped", "dead_attempts")
        return {
            "webpush": {
                **{name: service.counts[name] for name in counted},
                "subscriptions": len(service.subscriptions) - self.autopush.opened,  # a reset leaves live ones alone
                "everyone": service.everyone.name if service.everyone else None,
            },
            "live_browsers": self.autopush.shown(),
        }

    def settle(self) -> None:
        """What waits for a browser expires when somebody asks for it."""

    def reset(self) -> None:
        """Forget everything but tokens that were verified, and live browsers with what waits for them."""
        self.service.reset()
        self.autopush.outcomes.clear()

    # commands and views: JSON in, JSON out, or ValueError

    def _subscribe(self, wishes: Wishes) -> object:
        vendor, key = text(wishes, "vendor"), text(wishes, "key")
        if key:
            octets = decoded(key)
            public_key(octets)
            key = encoded(octets)
        plan = behaviours.needed(text(wishes, "behaviour") or "ok")
        names = _names(wishes)
        made = [self.service.subscriptions.make(vendor, key, plan, name) for name in names]
        return {"subscriptions": [self._shown(subscription) for subscription in made]}

    def _shown(self, subscription: Subscription) -> dict[str, object]:
        """Return what the Push API's PushSubscription.toJSON() returns."""
        endpoint = self.service.shared.url + subscription.endpoint_path
        keys = subscription.keys
        return {"endpoint": endpoint, "expirationTime": None, "keys": keys.shown() if keys else {}}

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            name = text(wishes, "everyone") or text(wishes, "behaviour")
            self.service.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        subscription = self._subscription(text(wishes, "endpoint"))
        plan = behaviours.needed(text(wishes, "behaviour"))
        subscription.behave(plan)
        self.service.revive(subscription)
        if subscription.seed is not None:
            self._connect(subscription, plan.name != "offline")
        return {"endpoint": self.service.shared.url + subscription.endpoint_path, "behaviour": plan.name}

    def _go(self, wishes: Wishes) -> object:
        subscription, offline = self._subscription(text(wishes, "endpoint")), wishes.get("offline")
        if not isinstance(offline, bool):
            raise ValueError("offline must be true or false")
        if subscription.seed is None:
            raise ValueError("a live browser comes and goes by itself")
        before = self.service.counts["delivered"]
        self._connect(subscription, not offline)
        return {"offline": offline, "delivered": self.service.counts["delivered"] - before}

    def _forget(self, wishes: Wishes) -> object:
        """End the subscriptions of live browsers, which come again as strangers."""
        known = len(self.autopush.browsers)
        self.autopush.forget()
        return {"browsers": known}

    def _connect(self, subscription: Subscription, online: bool) -> None:
        if not online:
            subscription.listener = None
        elif subscription.listener is None:
            self.service.connect(subscription)

    def _messages(self, query: Mapping[str, str]) -> object:
        subscription = self._subscription(query.get("endpoint", ""))
        received = [shown(one, delivered=True) for one in self.service.inbox.of(subscription.endpoint_path)]
        waiting = [shown(Received(push, None), delivered=False) for push in subscription.waiting]
        return {"messages": received + waiting}

    def _behaviours(self, query: Mapping[str, str]) -> object:
        return [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS]

    def _subscription(self, endpoint: str) -> Subscription:
        """Find a subscription by its endpoint or the path and query of it."""
        subscription = self.service.subscriptions.find(target_of(endpoint))
        if subscription is None:
            raise ValueError(f"no such subscription: {endpoint}")
        return subscription


def _names(wishes: Wishes) -> list[str]:
    """Return the names that were wished for, as many empty ones as were counted, or a single empty one."""
    names, number = wishes.get("names"), wishes.get("count", 1)
    if names is None:
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST_AT_ONCE:
            raise ValueError(f"count must be a number from 1 to {MOST_AT_ONCE}")
        return [""] * number
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("names must be a list of texts")
    if len(names) > MOST_AT_ONCE:
        raise ValueError(f"at most {MOST_AT_ONCE} names at once")
    return names
