"""The bearer tokens of one sender: asked for when first needed, renewed before they end, given up when refused."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from devices.push import tokens
from devices.push.base import PushService, Token

SHARE = 0.8  # of a token's life after which a new one is asked for
Whose = tuple[int, str]  # App and slug of the push service


class TokenAway(Exception):
    """Nobody could be asked for a token: the service is down, not our credential wrong. ``str(error)`` says why."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token with the credentials it was given for, and the moment on the monotonic clock to ask for the next one."""

    token: Token = field(repr=False)
    credentials: object = field(repr=False)
    renew_at: float


@dataclass(slots=True)
class Tokens:
    """Tokens by App and service."""

    _held: dict[Whose, Held] = field(default_factory=dict)
    _on_trial: set[Whose] = field(default_factory=set)  # whose last token was refused; the new one was not taken yet
    _hopeless: dict[Whose, str] = field(default_factory=dict, repr=False)  # refused right after another one
    _renewed: set[tuple[int, int]] = field(default_factory=set)  # (campaign, device) that had their one renewal

    def get(self, app: int, service: PushService, credentials: object | None, allow: frozenset[str]) -> str:
        """Return a token that is good for a while, "" when the service wants none; raise TokenRefused or TokenAway.

        ``allow`` are the ``host:port`` pairs that pass the address guard. It waits for the answer, tokens.DEADLINE
        seconds at the most.
        """
        request = service.authorize(credentials)
        if request is None:
            return ""
        held = self._held.get((app, service.slug))
        if held is None or held.credentials != credentials or time.monotonic() >= held.renew_at:
            answer = tokens.exchanged(request, allow)
            if answer.lost is not None or answer.status == 429 or answer.status >= 500:
                raise TokenAway(f"No token could be asked for: {answer.error or answer.status}")
            token = service.token(answer)
            held = Held(token, credentials, time.monotonic() + SHARE * token.seconds)
            self._held[app, service.slug] = held
        return held.token.value

    def holds(self, value: str) -> bool:
        """Return whether ``value`` is a token that is still good, or none at all."""
        return not value or any(held.token.value == value for held in self._held.values())

    def refuse(self, app: int, service: str, value: str, push: tuple[int, int]) -> bool:
        """Give up the token ``value``, which a push was refused for; return whether it may go again with another one.

        ``push`` is (campaign, device): each may once. A token that is refused right after another one, and was never
        taken, is not to blame: our credential is.
        """
        whose = (app, service)
        if not value or self._hopeless.get(whose) == value or push in self._renewed:
            return False
        self._renewed.add(push)
        held = self._held.get(whose)
        if held is None or held.token.value != value:
            return True  # given up already, for another push
        del self._held[whose]
        if whose in self._on_trial:
            self._hopeless[whose] = value
            return False
        self._on_trial.add(whose)
        return True

    def taken(self, app: int, service: str, value: str) -> None:
        """Note that a push with the token ``value`` was accepted."""
        held = self._held.get((app, service))
        if held is not None and held.token.value == value:
            self._on_trial.discard((app, service))
