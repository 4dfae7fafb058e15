"""What every test may ask for: the emulator, a clock that can be moved, and a browser that notices everything."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest
from django.test import Client

from devices.common import clock as database_clock
from pushadmin.logs import Line
from tests.emulator import EmulatorProcess
from tests.firefox import Firefox

pytest_plugins = ["tests.browser"]


own_folder = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep off the developer's var/, and let Django run beside Playwright's event loop; both in tests only."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    config.stash[own_folder] = tempfile.TemporaryDirectory(prefix="pushadmin-tests-", ignore_cleanup_errors=True)
    folder = Path(config.stash[own_folder].name)
    os.environ["PUSHADMIN_VAR"] = str(folder)  # for the processes that tests start
    os.environ["SPT_NOENV"] = "1"  # their titles leave the environment alone, by which tests find them again
    # Keys for this process and for those that tests start; nothing of them lies in the checkout.
    os.environ["SECRET_KEY"] = settings.SECRET_KEY = "only-for-tests-" + "x" * 50
    os.environ["ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [os.environ["ENCRYPTION_KEYS"]]
    settings.VAR, settings.STATIC_ROOT, settings.MEDIA_ROOT = folder, folder / "static", folder / "media"
    settings.STATIC_ROOT.mkdir()
    # What makes guessing passwords slow makes tests slow too: the other way round here.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        database["TEST"]["NAME"] = folder / "test.sqlite3"
    # Pages link to the files as they lie in static/; nothing has to be collected.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    config.stash[own_folder].cleanup()


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    """One emulator for the whole run; tests tell their phones apart by their addresses."""
    with EmulatorProcess() as process:
        yield process


@pytest.fixture(scope="session", autouse=True)
def _reports_wait() -> None:
    """Let a test write reports itself: a thread would not see its transaction, or come when there is none any more."""
    from campaigns.monitor.reports import INTAKE

    INTAKE._thread = threading.current_thread()


@pytest.fixture
def firefox(emulator: EmulatorProcess) -> Iterator[Firefox]:
    """A new Firefox (1.5 s) whose push service is ``emulator``; a word to anybody else fails the test.

    One for several tests, whose sites were forgotten between them, now and then neither subscribed nor renewed.
    """
    with Firefox() as running:
        running.use_push_service(emulator.url)
        yield running
        assert running.outside.asked == []


class Clock:
    """Moves the time that the product reads; nothing has to wait."""

    def advance(self, by: timedelta) -> None:
        """Let ``by`` pass."""
        database_clock.shift += by


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The database's clock, to be moved."""
    before = database_clock.shift
    yield Clock()
    database_clock.shift = before


@pytest.fixture(autouse=True)
def _just_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a test signs in by ``force_login`` has just shown a password, as after a real sign-in."""
    plain = Client.force_login

    def force_login(client: Client, user: Any, backend: str | None = None) -> None:
        from pushadmin import step_up

        plain(client, user, backend)
        request = HttpRequest()
        request.session = client.session
        step_up.proved(request, step_up.BY_PASSWORD)
        request.session.save()

    monkeypatch.setattr(Client, "force_login", force_login)


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of this test's own for journals and whatever else the product writes."""
    settings.VAR = tmp_path
    return tmp_path


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the console would show it."""
    words = io.StringIO()
    console = logging.StreamHandler(words)
    console.setFormatter(Line())
    root = logging.getLogger()
    before = root.level
    root.addHandler(console)
    root.setLevel(logging.DEBUG)
    yield words
    root.removeHandler(console)
    root.setLevel(before)
