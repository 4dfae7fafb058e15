"""The emulated push services of the browsers: one request in, one reply out (RFC 8030)."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from itertools import count

from devices.emulator.control import is_local
from devices.emulator.exchange import Early, Reply, Request, plain
from devices.emulator.inboxes import Inboxes
from devices.emulator.ledger import Entry
from devices.emulator.shared import Shared
from devices.emulator.webpush import behaviours
from devices.emulator.webpush.browsers import Browser, read
from devices.emulator.webpush.checks import Refused, accepted_push, sender_of
from devices.emulator.webpush.encryption import Undecryptable, decrypt
from devices.emulator.webpush.inbox import Received
from devices.emulator.webpush.subscriptions import Attempt, Plan, Push, Subscription, Subscriptions, Turn
from devices.emulator.webpush.vapid import Tokens
from devices.emulator.webpush.vendors import MESSAGES, Fault, Vendor, vendor_at

NAME = "webpush"  # in the ledger and the counts
MOST_DEAD = 1_000_000  # endpoints whose end is remembered
MOST_WAITING = 100_000  # messages that can be taken back, the latest ones
_DEAD = (404, 410)


class WebPush:
    """The services with all they remember. ``everyone`` overrides every subscription's behaviour while it is set."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._tokens = Tokens()
        self.subscriptions = Subscriptions(shared.clock.now, behaviours.plan_of_id, self._attend)
        self.reset()

    def reset(self) -> None:
        """Forget everything but tokens that were verified."""
        self.subscriptions.clear()
        self.everyone: Plan | None = None
        self.counts: Counter[str] = Counter()
        self.inbox: Inboxes[Received] = Inboxes()
        self._dead: set[bytes] = set()
        self._waiting: dict[bytes, Subscription] = {}
        self._numbers = count(1)

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a push to ``target`` is read, if anything."""
        subscription = self.subscriptions.find(target)
        plan = self.everyone or (subscription and subscription.plan)
        return plan.early if plan else None

    def answer(self, request: Request) -> Reply:
        """Decide about one push, count it, and write it down before anything is answered."""
        target = request.target
        if target.startswith(MESSAGES):
            return self._cancel(request)
        subscription, vendor = self.subscriptions.find(target), vendor_at(target)
        push: Push | None = None
        try:
            turn, push = self._turn(request, subscription, vendor)
        except Refused as refused:
            turn = Turn(refused.fault, refused.status)
            self.shared.board.refuse(target.decode("latin-1"), str(refused))
        status = turn.status or (vendor.status(turn.fault) if turn.fault else 201)
        if request.method == b"POST":
            self._mourn(target, status)
        label = "" if turn.play else str(status)
        self.shared.board.push(label, "web", NAME)
        plan = self.everyone or (subscription.plan if subscription else None)
        self.shared.ledger.note(
            Entry(
                service=NAME,
                message_id=request.headers.get(b"topic", b"").decode("utf-8", "backslashreplace"),
                channel=target.decode("utf-8", "backslashreplace"),
                behaviour=plan.name if plan and subscription else "",
                kind="web",
                size=request.size,
                answer=label,
                taken=turn.taken,
            )
        )
        if subscription is not None and push is not None and turn.taken:
            self._take(subscription, push)
        return Reply(
            self._written(request, vendor, turn, status, push), turn.seconds + self.shared.latency(), turn.play
        )

    def _turn(self, request: Request, subscription: Subscription | None, vendor: Vendor) -> tuple[Turn, Push | None]:
        """Return what is done about one push, and the push itself when it is in order. Raises Refused."""
        if request.method != b"POST":
            raise Refused(Fault.UNKNOWN, "only POST pushes", 405)
        if not is_local(request):
            raise Refused(Fault.UNKNOWN, "dialled under a name that is not this machine's", 421)
        if subscription is None:
            return Turn(Fault.UNKNOWN), None
        if subscription.closed:
            return Turn(Fault.GONE), None
        now = self.shared.clock.now()
        plan = self.everyone or subscription.plan or behaviours.OK
        turn = plan.act(Attempt(subscription, subscription.tries + 1, now, time.time()))
        if turn.fault not in (Fault.GONE, Fault.UNKNOWN):
            longest = vendor.longest_ttl if turn.longest_ttl is None else turn.longest_ttl
            push = accepted_push(request, vendor, longest, now, f"{next(self._numbers):x}-{time.time_ns():x}")
            sender_of(request, vendor, self._tokens).bind(subscription)
        else:
            push = None
        subscription.tries += 1
        if now < subscription.closed_until:
            self.shared.board.violate(subscription.endpoint_path, subscription.closed_until - now)
        subscription.closed_until = now + turn.closed if turn.closed else 0.0
        return turn, push

    def _mourn(self, target: bytes, status: int) -> None:
        """Count a push to an endpoint that has answered 404 or 410 before, and remember whether it did so now."""
        if target in self._dead:
            self.counts["dead_attempts"] += 1
        if status in _DEAD and len(self._dead) < MOST_DEAD:
            self._dead.add(target)
        elif status < 300:
            self._dead.discard(target)

    def revive(self, subscription: Subscription) -> None:
        """Forget that the endpoint has answered 404 or 410: its behaviour was changed."""
        self._dead.discard(subscription.endpoint_path.encode())

    def _written(self, request: Request, vendor: Vendor, turn: Turn, status: int, push: Push | None) -> bytes:
        if turn.fault is not None:
            headers, body = vendor.wording(turn.fault, status) if status not in (405, 421) else ((), b"")
            allow = (("Allow", "POST"),) if status == 405 else ()
            return plain(status, body, (*headers, *turn.headers, *allow))
        if push is None or turn.status:
            return plain(status, headers=turn.headers)
        scheme = "https" if request.secure else "http"
        place = f"{scheme}://{request.headers[b'host'].decode('latin-1')}{MESSAGES.decode()}{push.id}"
        return plain(201, headers=(("Location", place), ("TTL", str(push.ttl)), *vendor.accepted(), *turn.headers))

    # messages on their way

    def _attend(self, subscription: Subscription) -> None:
        """Connect the emulated browser, unless its behaviour is to be away."""
        if subscription.plan is None or subscription.plan.name != "offline":
            self.connect(subscription)

    def connect(self, subscription: Subscription) -> None:
        """Let the emulated browser behind ``subscription`` receive, at first what waits for it."""
        subscription.listener = partial(self._receive, subscription)

    def _take(self, subscription: Subscription, push: Push) -> None:
        online = subscription.listener is not None
        subscription.deliver(push)
        if online:
            if subscription.seed is None:  # what a live browser gets is told too, as far as it can be
                self.counts["delivered"] += 1
                self.inbox.put(subscription.endpoint_path, Received(push, None))
        elif push.ttl:
            self._waiting[push.id.encode()] = subscription
            if len(self._waiting) > MOST_WAITING:  # those that expired or were replaced are not looked for
                del self._waiting[next(iter(self._waiting))]
        else:
            self.counts["dropped"] += 1

    def _receive(self, subscription: Subscription, push: Push) -> None:
        """Do what the browser does: open the message and show it."""
        plaintext: bytes | None = b""
        why = ""
        keys = subscription.keys
        if push.body and keys is not None:
            try:
                plaintext = decrypt(push.body, keys)
            except Undecryptable as error:
                plaintext, why = None, str(error)
                self.counts["undecryptable"] += 1
        self.counts["delivered"] += 1
        self.inbox.put(subscription.endpoint_path, Received(push, plaintext, why))
        plan = subscription.plan or behaviours.OK
        content = (subscription.vendor, read(plaintext, push.topic))
        now = self.shared.clock.now()
        self.shared.wall.deliver(Browser, subscription.endpoint_path, subscription.id, plan.name, content, now)

    def _cancel(self, request: Request) -> Reply:
        """Take back a message that still waits (RFC 8030, section 6.2 has the resource of a message)."""
        if request.method != b"DELETE":
            return Reply(plain(405, headers=(("Allow", "DELETE"),)))
        message = request.target[len(MESSAGES) :]
        subscription = self._waiting.pop(message, None)
        found = subscription is not None and subscription.cancel(message.decode("ascii", "replace"))
        return Reply(plain(204 if found else 404))
