"""The API keeps the description it gives of itself, whatever is sent: no error of ours, no undeclared answer."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from devices import api as api_module
from devices.common.limits import Limit
from devices.models import App, Credential, Device, Site
from tests.devices.conftest import KEY, Caller, uri

DECLARED = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def description(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The API's own description, with nothing counted, and a database that requests leave open."""
    monkeypatch.setattr(api_module, "PER_ADDRESS", Limit("off", 10**9))
    monkeypatch.setattr(api_module, "PER_KEY", Limit("off", 10**9))
    monkeypatch.setattr(signals.request_started, "send", lambda **more: [])
    monkeypatch.setattr(signals.request_finished, "send", lambda **more: [])
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())


PLACES = [
    *(("devices", method) for method in ("post", "get", "patch", "delete")),
    *(("browsers", method) for method in ("post", "delete")),
    ("reports", "post"),
]


@pytest.mark.parametrize(("place", "method"), PLACES)
def test_every_answer_is_a_declared_one(description: Any, caller: Caller, place: str, method: str) -> None:
    known = [one.ok() for one in description.get_all_operations()]
    assert len(known) == len(PLACES)
    (operation,) = [
        one for one in known if one.method == method and one.path.split("/")[-1 if "{" not in one.path else -2] == place
    ]
    Site.objects.create(app=App.objects.get(), key="site_x").origins.create(origin="https://www.example.org")
    secret = {"contact": "ops@example.org", "private": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}
    Credential.objects.create(app=App.objects.get(), service="webpush", secret=secret, fingerprint="B")  # type: ignore[misc]

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) | operation.as_strategy())
    def attack(case: Any) -> None:
        key = KEY
        if place == "devices" and method != "post":
            _, own = caller.register()
            key, case.path_parameters = own["secret"], {"device": own["id"]}
        if place == "browsers":
            key = "site_x"
        own_headers = {"Authorization": f"Bearer {key}", "Origin": "https://www.example.org"}
        case.headers = {**(case.headers or {}), **own_headers}
        case.call_and_validate(checks=DECLARED)

    attack()


def test_what_the_description_shows_is_accepted(caller: Caller) -> None:
    described = caller.client.get("/api/v1/openapi.json").json()
    fields = described["paths"]["/api/v1/devices"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    examples = {name: field["examples"][0] for name, field in fields["properties"].items() if "examples" in field}
    assert caller.register(**examples, address=uri("ok.a"))[0] == 201
    assert Device.objects.get().language == examples["language"]
