"""Chromium for tests: the distribution's own, without a word to anybody outside, and strict about what it sees."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import ConsoleMessage, Page, Request

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch the distribution's Chromium; without one the test fails, with a sentence."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return {**browser_type_launch_args, "executable_path": found, "args": QUIET}
    pytest.fail("These tests need Chromium: install the package “chromium”.", pytrace=False)


def complaints_of(page: Page) -> list[str]:
    """Return a list that grows with every error in the console, script error, and request to another host.

    A violation of the content security policy is an error in the console.
    """
    complaints: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def request(sent: Request) -> None:
        address = urlsplit(sent.url)
        if address.scheme not in {"data", "blob"} and address.hostname not in {"localhost", "127.0.0.1"}:
            complaints.append(f"request to {sent.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("request", request)
    return complaints


def barriers(page: Page, path: str) -> list[str]:
    """Return what keeps people from using the page that is open, in light colours and in dark ones, under ``path``."""
    every = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    page.emulate_media(color_scheme="dark")
    every += page.evaluate("axe.run({runOnly: ['color-contrast'], resultTypes: ['violations']})")["violations"]
    page.emulate_media(color_scheme="light")
    serious = [one for one in every if one["impact"] in {"serious", "critical"}]
    return [f"{path}: {one['id']}: {one['nodes'][0]['html'][:160]}" for one in serious]


@pytest.fixture
def strict_page(page: Page) -> Iterator[Page]:
    """A page that fails its test on the first complaint."""
    complaints = complaints_of(page)
    page.set_default_timeout(10_000)
    yield page
    assert complaints == []


@pytest.fixture
def admin(transactional_db: None) -> User:
    """A superuser without a password, as a fresh installation makes it."""
    return User.objects.create_superuser("ada", password=None)


@pytest.fixture
def signed_in(strict_page: Page, live_server: Any, admin: User, client: Any) -> Page:
    """A strict page that is signed in as ``admin``; ``live_server.url`` is where."""
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies["sessionid"]
    strict_page.context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
    return strict_page
