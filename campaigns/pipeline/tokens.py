"""The bearer tokens of one sender: asked for when first needed, renewed before they end, given up when refused."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from devices.push import tokens
from devices.push.base import PushService, Token

SHARE = 0.8  # of a token's life after which a new one is asked for
Whose = tuple[int, str]  # App and slug of the push service


@dataclass(slots=True)
class Tokens:
    """Tokens by App and service. Times are on the monotonic clock."""

    _held: dict[Whose, tuple[Token, float]] = field(default_factory=dict)  # with the moment of renewal
    _on_trial: set[Whose] = field(default_factory=set)  # whose last token was refused; the new one was not taken yet
    _hopeless: dict[Whose, str] = field(default_factory=dict)  # the token that was refused right after another one

    def get(self, app: int, service: PushService, credentials: object | None) -> str:
        """Return a token that is good for a while, "" when the service wants none; raise TokenRefused."""
        request = service.authorize(credentials)
        if request is None:
            return ""
        whose = (app, service.slug)
        token, renew_at = self._held.get(whose, (None, 0.0))
        if token is None or time.monotonic() >= renew_at:
            token = service.token(tokens.exchanged(request))
            self._held[whose] = token, time.monotonic() + SHARE * token.seconds
        return token.value

    def holds(self, value: str) -> bool:
        """Return whether ``value`` is a token that is still good, or none at all."""
        return not value or any(token.value == value for token, _ in self._held.values())

    def refuse(self, app: int, service: str, value: str) -> bool:
        """Give up the token ``value``, which a push was refused for; return whether it may go again with another one.

        A token that is refused right after another one, and was never taken, is not to blame: our credential is.
        """
        whose = (app, service)
        if not value or self._hopeless.get(whose) == value:
            return False
        token, _ = self._held.get(whose, (None, 0.0))
        if token is None or token.value != value:
            return True  # given up already, for another push
        del self._held[whose]
        if whose in self._on_trial:
            self._hopeless[whose] = value
            return False
        self._on_trial.add(whose)
        return True

    def taken(self, app: int, service: str) -> None:
        """Note that a push with the present token was accepted."""
        self._on_trial.discard((app, service))
