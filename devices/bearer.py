"""Bearer tokens: one for all senders of all machines, asked for by one of them, kept encrypted in the database.

A row belongs to a credential by its ``mark``, and to every App that shows the same one. Who is to ask for the next
token takes the turn first (one guarded UPDATE, with a lease); the others look at the row again, and go on with the old
token as long as it is good.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.crypto import salted_hmac

from devices.common import clock
from devices.common.secrets import digest
from devices.models import BearerToken
from devices.push import tokens
from devices.push.base import Answer, PushService, Request, Token, TokenRefused
from devices.push.fields import stored
from devices.targets import let_through, trusted

SHARE = 0.8  # of a token's life after which the next one is asked for
MARGIN = timedelta(seconds=30)  # a token that ends within is not used: the clocks differ, and a push takes its time
TURN = timedelta(seconds=3 * tokens.DEADLINE)  # for which somebody may be asking before another one does
REST = timedelta(seconds=5)  # for which an endpoint that gave no token is left alone, whoever wants one
NAP = 0.1  # seconds between two looks while somebody else asks and a person waits
GIVEN_UP: dict[str, Any] = {"value": None, "digest": "", "renew_at": None, "ends_at": None}  # columns of a lost token


class TokenAway(Exception):
    """Nobody could be asked for a token: the service is down, not our credential wrong. ``str(error)`` says why."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token that is good until ``ends_at``; the next one is due at ``renew_at``."""

    value: str = field(repr=False)
    renew_at: datetime
    ends_at: datetime

    def good(self, now: datetime) -> bool:
        """Return whether it can be shown; one of a short life until the next one is due."""
        return now < max(self.ends_at - MARGIN, self.renew_at)


def mark_of(service: PushService, credentials: object | None) -> str:
    """Return by what a token of these credentials is found again: the same for all that a token is good for."""
    told = stored(credentials) if credentials is not None else {}
    told = {name: value for name, value in told.items() if name in (service.token_subject or told)}
    said = json.dumps([service.slug, told], sort_keys=True)
    return salted_hmac("pushadmin.bearer", said, secret=settings.ENCRYPTION_KEYS[-1], algorithm="sha256").hexdigest()


def held(mark: str) -> Held | None:
    """Return the token that is kept under ``mark``, good or not; None when there is none.

    One that cannot be read any more (a key of ENCRYPTION_KEYS was taken away) makes place for the next one.
    """
    row = BearerToken.objects.filter(mark=mark, ends_at__isnull=False).first()
    if row is None or row.renew_at is None or row.ends_at is None:
        return None
    if not isinstance(row.value, str):
        BearerToken.objects.filter(mark=mark, digest=row.digest).update(**GIVEN_UP)
        return None
    return Held(row.value, row.renew_at, row.ends_at)


def take_turn(mark: str, now: datetime) -> bool:
    """Return whether it is ours to ask for the next token: nobody asks, none has come since, and one is due."""
    BearerToken.objects.get_or_create(mark=mark)
    free = Q(asking_until__isnull=True) | Q(asking_until__lt=now)
    due = Q(renew_at__isnull=True) | Q(renew_at__lte=now)
    return bool(BearerToken.objects.filter(free, due, mark=mark).update(asking_until=now + TURN))


def keep(mark: str, token: Token, asked_at: datetime) -> Held:
    """Keep a token for everybody, and end the turn. Its life is counted from when it was asked for."""
    life = timedelta(seconds=token.seconds)
    made = Held(token.value, asked_at + SHARE * life, asked_at + life)
    columns = {
        "value": token.value,
        "digest": digest(token.value),
        "renew_at": made.renew_at,
        "ends_at": made.ends_at,
        "settled_at": asked_at + timedelta(seconds=token.least),
        "asking_until": None,
    }
    BearerToken.objects.update_or_create(mark=mark, defaults=columns)
    return made


def end_turn(mark: str, until: datetime | None = None) -> None:
    """Let another one ask, at once or from a moment on: no token came."""
    BearerToken.objects.filter(mark=mark).update(asking_until=until)


def drop(mark: str, value: str, now: datetime) -> bool:
    """Give up a token that was refused; return whether another one may be asked for so soon.

    True as well when it was given up before, or was replaced.
    """
    row = BearerToken.objects.filter(mark=mark, digest=digest(value))
    row.filter(settled_at__lte=now).update(**GIVEN_UP)
    return not row.exists()


def forget_old(now: datetime) -> int:
    """Delete tokens that ended a day ago, and what was kept for one that never came; return how many."""
    before = now - timedelta(days=1)
    never = Q(ends_at__isnull=True) & (Q(asking_until__isnull=True) | Q(asking_until__lt=before))
    return BearerToken.objects.filter(Q(ends_at__lt=before) | never).delete()[0]


def read(service: PushService, answer: Answer) -> Token:
    """Return the token in an answer; raise TokenRefused, or TokenAway when the other side cannot answer now."""
    if answer.lost is not None or answer.status == 429 or answer.status >= 500:
        raise TokenAway(f"No token could be asked for: {answer.error or answer.status}")
    return service.token(answer)


def obtain(service: PushService, credentials: object | None, *, anew: bool = False) -> str:
    """Return a token for a person who waits, "" where there is none; raise TokenRefused or TokenAway.

    It waits for its own exchange, or for that of whoever asks already. With ``anew`` one is asked for although one is
    kept: what a person checks is whether the credentials are taken now.
    """
    asked = service.authorize(credentials)
    if asked is None:
        return ""
    if anew and isinstance(asked, Request):
        return read(service, tokens.exchanged(asked, let_through(), trusted())).value
    mark, until = mark_of(service, credentials), time.monotonic() + 2 * tokens.DEADLINE
    while True:
        now = clock.now()
        kept = held(mark)
        if kept is not None and kept.good(now) and now < kept.renew_at:
            return kept.value
        if take_turn(mark, now):
            return _asked(service, asked, mark, now).value
        if kept is not None and kept.good(now):
            return kept.value
        if time.monotonic() > until:
            raise TokenAway("Somebody else asks for a token, and none came.")
        time.sleep(NAP)


def _asked(service: PushService, asked: Request | Token, mark: str, now: datetime) -> Held:
    if isinstance(asked, Token):
        return keep(mark, asked, now)
    try:
        answer = tokens.exchanged(asked, let_through(), trusted())
        return keep(mark, read(service, answer), now)
    except TokenRefused:
        end_turn(mark)
        raise
    except TokenAway:
        end_turn(mark, clock.now() + REST)
        raise
