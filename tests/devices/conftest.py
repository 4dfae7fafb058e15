"""An App whose registration key is known, and a caller of its API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from devices.common.secrets import digest
from devices.models import ApiKey, App

HOST = "127.0.0.1:9100"
KEY = "pk_known-to-the-tests"


def uri(name: str) -> str:
    """Return a channel URI at the emulator."""
    return f"http://{HOST}/throttledthirdparty/01.00/{name}"


class Caller:
    """Calls the API as an app does; every answer comes as (status, parsed body)."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=True)

    def call(self, method: str, path: str, body: Any = None, key: str = KEY, **more: Any) -> tuple[int, Any]:
        """Send ``body`` as JSON (bytes as they are)."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = self.client.generic(
            method, f"/api/v1{path}", sent, **{"content_type": "application/json", "headers": headers, **more}
        )
        self.last = answer
        return answer.status_code, json.loads(answer.content) if answer.content else None

    def register(self, **fields: Any) -> tuple[int, Any]:
        """Register a device at the emulator."""
        return self.call("POST", "/devices", {"service": "mpns", "address": uri("ok.a-1"), **fields})


@pytest.fixture
def app(db: None) -> App:
    """An App with a registration key."""
    app = App.objects.create(name="Weather", slug="weather")
    ApiKey.objects.create(app=app, name="phones", digest=digest(KEY), hint=KEY[:8])
    return app


@pytest.fixture
def caller(app: App, settings: Any) -> Iterator[Caller]:
    """The API, with the emulator let through and nothing counted yet."""
    settings.EMULATOR = HOST
    cache.clear()
    yield Caller()
    cache.clear()
