"""An App with a key for browsers and a site, and a page of that site that calls the door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from devices.models import App, Credential, Device, Site
from devices.push.services.webpush import Credentials
from tests.devices.push.vector import AUTH, UA_PUBLIC

ORIGIN = "https://www.example.org"
PRIVATE = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
PUBLIC = Credentials("ops@example.org", PRIVATE).public
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA-1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def subscription(endpoint: str = ENDPOINT, **keys: str) -> dict[str, Any]:
    """Return what a browser gives a page."""
    return {"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": UA_PUBLIC, "auth": AUTH, **keys}}


class Visitor:
    """A browser on a page of the site; every answer comes as (status, parsed body)."""

    def __init__(self, key: str) -> None:
        self.client = Client(raise_request_exception=True)
        self.key = key

    def call(self, method: str, body: Any, *, origin: str = ORIGIN, key: str = "", **more: Any) -> tuple[int, Any]:
        """Call the door as a page of ``origin`` does; "" sends no Origin at all."""
        headers = {"Authorization": f"Bearer {key or self.key}", "User-Agent": FIREFOX}
        headers |= {"Origin": origin} if origin else {}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = more.pop("path", "/api/v1/browsers")
        self.last = self.client.generic(method, path, sent, content_type="application/json", headers=headers, **more)
        return self.last.status_code, json.loads(self.last.content) if self.last.content else None

    def subscribe(self, endpoint: str = ENDPOINT, **more: Any) -> tuple[int, Any]:
        """Register a browser."""
        return self.call("POST", {"subscription": subscription(endpoint), "application_key": PUBLIC, **more})

    def unsubscribe(self, endpoint: str = ENDPOINT, **keys: str) -> tuple[int, Any]:
        """Say goodbye."""
        return self.call("DELETE", {"subscription": subscription(endpoint, **keys)})


def key_for(app: App) -> None:
    """Give an App its key for browsers."""
    secret: Any = {"contact": "mailto:ops@example.org", "private": PRIVATE}
    Credential.objects.create(app=app, service="webpush", secret=secret, fingerprint=PUBLIC, subject=secret["contact"])


@pytest.fixture
def site(db: None) -> Site:
    """A site of an App."""
    app = App.objects.create(name="Weather", slug="weather")
    key_for(app)
    site = Site.objects.create(app=app, key="site_known-to-the-tests")
    site.origins.create(origin=ORIGIN)
    return site


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """A browser on a page of the site; nothing is counted yet."""
    cache.clear()
    yield Visitor(site.key)
    cache.clear()


def only() -> Device:
    """Return the one device there is."""
    return Device.objects.get()
