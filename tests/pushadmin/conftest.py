"""Ada, who may do everything, with a password, an authenticator app and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.models import User
from django.test import Client

from devices.common.secrets import decrypt

WORDS = "correct horse battery"
ASK = "/sign-in/second-factor/"
MINE = "/second-factor/"


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self, travel: Any) -> None:
        self.travel = travel

    def on(self, **by: float) -> None:
        """Let time pass."""
        self.travel.shift(timedelta(**by))


@pytest.fixture
def watch(db: None) -> Iterator[Watch]:
    with time_machine.travel(datetime.now().astimezone(), tick=False) as travel:
        yield Watch(travel)


@pytest.fixture
def ada(watch: Watch) -> User:
    """A superuser with a password."""
    return User.objects.create_superuser("ada", password=WORDS)


def secret_of(user: User) -> str:
    return str(decrypt(Authenticator.objects.get(user=user, type="totp").data["secret"]))


def code(secret: str, steps: int = 0) -> str:
    here = list(totp.yield_hotp_counters_from_time())[1]
    return str(totp.format_hotp_value(totp.hotp_value(secret, here + steps)))


def by_password(user: User, client: Client | None = None) -> Client:
    client = client or Client()
    sent = {"username": user.username, "password": WORDS, "next": "/devices/app/"}
    client.answer = client.post("/login/", sent)  # type: ignore[attr-defined]
    return client


def enrol(client: Client) -> tuple[str, list[str]]:
    """Set up an authenticator app; return its secret and the recovery codes."""
    secret = client.get(f"{MINE}app/").context["secret"].replace(" ", "")
    answer = client.post(f"{MINE}app/", {"code": code(secret)})
    return secret, list(answer.context["codes"])


@pytest.fixture
def boss(ada: User) -> Client:
    """Ada, signed in by her password alone."""
    return by_password(ada)


@pytest.fixture
def recovery(boss: Client, watch: Watch) -> list[str]:
    """Ada has an authenticator app; these are her recovery codes."""
    codes = enrol(boss)[1]
    watch.on(minutes=1)
    return codes


def asked(answer: Any) -> bool:
    return answer.status_code in {200, 429} and "pushadmin/step_up.html" in [part.name for part in answer.templates]
