"""The bearer tokens of one sender: shared with all others (devices/bearer.py), asked for beside the sending.

Nothing here waits. While a token is on its way, the batches that need it stand still and all others go on.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from campaigns.pipeline.outage import AWAY
from devices import bearer
from devices.bearer import Held
from devices.common import clock
from devices.push import tokens
from devices.push.base import Answer, PushService, Request, Token, TokenRefused
from devices.targets import let_through, trusted

AT_ONCE = 4  # tokens that are asked for at the same time


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token as a push shows it. ``value`` is "" for a service without; None while it is on its way."""

    mark: str
    value: str | None = field(repr=False)

    @property
    def waiting(self) -> bool:
        """Whether nothing can be sent yet."""
        return self.value is None


NONE = Bearer("", "")


@dataclass(slots=True)
class Tokens:
    """Tokens by the mark of the credential they belong to."""

    _held: dict[str, Held] = field(default_factory=dict)
    _asking: dict[str, tuple[Future[Answer], datetime]] = field(default_factory=dict)  # with when it was asked for
    _on_trial: set[str] = field(default_factory=set)  # whose last token was refused; the new one was not taken yet
    _hopeless: dict[str, str] = field(default_factory=dict, repr=False)  # refused right after another one
    _renewed: set[tuple[int, int]] = field(default_factory=set)  # (campaign, device) that had their one renewal
    _threads: ThreadPoolExecutor | None = None  # made when first needed

    def get(self, service: PushService, credentials: object | None) -> Bearer:
        """Return a token that is good for a while, or what says that it is on its way; never waits.

        Raises TokenRefused when our credential is not taken, bearer.TokenAway when nobody could be asked.
        """
        if not service.has_tokens:
            return NONE
        mark, now = bearer.mark_of(service, credentials), clock.now()
        arrived = self._arrived(mark, service, now)
        held = arrived or self._held.get(mark)
        if held is None or now >= held.renew_at:
            held = bearer.held(mark) or held
        if held is not None and held.good(now):
            self._held[mark] = held
            if now >= held.renew_at:
                with suppress(TokenRefused):  # the old one is good for a while, and may be till the end
                    self._ask(mark, service, credentials, now)
            return Bearer(mark, self._held[mark].value)
        self._held.pop(mark, None)
        return self._ask(mark, service, credentials, now)

    def _arrived(self, mark: str, service: PushService, now: datetime) -> Held | None:
        """Return the token that we asked for, when it came; raise what its answer says.

        An answer that could not be kept, the database being away, is taken at the next call.
        """
        future, asked_at = self._asking.get(mark, (None, now))
        if future is None or not future.done():
            return None
        old = self._held.get(mark)
        try:
            kept = self._held[mark] = bearer.keep(mark, bearer.read(service, future.result()), asked_at)
        except (TokenRefused, bearer.TokenAway) as none:
            at_leisure = old is not None and old.good(now)
            rests = at_leisure or isinstance(none, bearer.TokenAway)
            bearer.end_turn(mark, now + bearer.REST if rests else None)
            del self._asking[mark]
            if not at_leisure:
                raise
            return old
        del self._asking[mark]
        return kept

    def _ask(self, mark: str, service: PushService, credentials: object | None, now: datetime) -> Bearer:
        """Begin to ask for a token, unless we or somebody else do; return it where it is made here."""
        waiting = Bearer(mark, None)
        if mark in self._asking:
            return waiting
        asked = service.authorize(credentials)
        if asked is None:
            return NONE
        if not bearer.take_turn(mark, now):
            return waiting
        if isinstance(asked, Token):
            self._held[mark] = bearer.keep(mark, asked, now)
            return Bearer(mark, asked.value)
        self._asking[mark] = self._begin(asked), now
        return waiting

    def _begin(self, asked: Request) -> Future[Answer]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="token")
        return self._threads.submit(tokens.exchanged, asked, let_through(), trusted())

    def settled(self, mark: str) -> bool:
        """Return whether it is time to look for a token again: we do not ask, or our answer is there."""
        return mark not in self._asking or self._asking[mark][0].done()

    def holds(self, token: Bearer) -> bool:
        """Return whether a token is still the one to show."""
        held = self._held.get(token.mark)
        return not token.value or (held is not None and held.value == token.value)

    def refuse(self, token: Bearer, push: tuple[int, int]) -> bool:
        """Give up a token that a push was refused for; return whether the push may go again with another one.

        ``push`` is (campaign, device): each may once. A token that is refused right after another one, and was never
        taken, is not to blame, and neither is one that the service would not let us change so soon: our credential is.
        """
        mark, value = token.mark, token.value
        if not value or self._hopeless.get(mark) == value or push in self._renewed:
            return False
        held = self._held.get(mark)
        if held is not None and held.value == value:
            try:
                dropped = bearer.drop(mark, value, clock.now())
            except AWAY:  # it stays for now, to be refused once more, which proves nothing and costs nobody his renewal
                return True
            if not dropped:
                self._hopeless[mark] = value
                return False
            del self._held[mark]
            if mark in self._on_trial:
                self._hopeless[mark] = value
                return False
            self._on_trial.add(mark)
        self._renewed.add(push)
        return True

    def taken(self, token: Bearer) -> None:
        """Note that a push with a token was accepted."""
        held = self._held.get(token.mark)
        if held is not None and held.value == token.value:
            self._on_trial.discard(token.mark)

    def close(self) -> None:
        """Wait for nothing more; whoever asks next takes the turn when it is over."""
        with suppress(*AWAY):
            for mark in self._asking:
                bearer.end_turn(mark)
        self._asking.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
