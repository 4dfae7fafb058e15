"""Secrets are looked for everywhere that somebody else may read: logs, pages, dumps, tables, the queue."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from devices.models import Credential
from pushadmin import links
from tests.campaigns.conftest import House


def everything_stored() -> str:
    """Return every cell of every table, as text."""
    cells: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            cells += [str(bytes(cell) if isinstance(cell, memoryview) else cell) for row in cursor for cell in row]
    return "\n".join(cells)


@pytest.mark.threats(13, 39, 40)
def test_no_secret_is_found_in_the_log_an_error_page_a_dump_the_tables_or_the_queue(
    house: House, log: io.StringIO, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary: Any = {"certificate": "canary-certificate", "key": "canary-private-key"}
    Credential.objects.create(app=house.app, service="mpns", secret=canary)
    ada = User.objects.create_superuser("ada", password="canary-password")
    client = Client(raise_request_exception=False)
    assert client.post("/login/", {"username": "ada", "password": "canary-wrong-password"}).status_code == 200
    client.force_login(ada)
    key = client.post(f"/devices/app/{house.app.pk}/keys/", {"name": "phones"}).context["key"]
    body = {"service": "mpns", "address": house.emulator.uri(f"ok.{house.mark}-new")}
    answer = client.post("/api/v1/devices", body, "application/json", headers={"Authorization": f"Bearer {key}"})
    secret = answer.json()["secret"]
    phone, _ = house.phones("ok", "expired")
    house.send()
    link = links.path_for(ada).rstrip("/").rpartition("/")[2]
    client.get(f"/sign-in/x/{link}/")
    shown = [client.get(path).content.decode() for path in ("/", f"/devices/app/{house.app.pk}/change/")]

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("devices.views.registration.retire", broken)
    monkeypatch.setattr("devices.certificates.read", broken)
    device = phone
    failed = client.post(f"/devices/device/{device.pk}/do/retire/", {"password": "canary-typed"})
    upload = {"mpns-file": io.BytesIO(b"canary-upload"), "mpns-password": "canary-pfx-password"}
    stored = client.post(reverse("admin:devices_app_credential", args=[house.app.pk, "mpns"]), upload)
    assert (failed.status_code, stored.status_code) == (500, 500)
    shown += [failed.content.decode(), stored.content.decode()]
    dump = tmp_path / "dump.json"
    call_command("dumpdata", output=str(dump))
    everything = "\n".join([*shown, log.getvalue(), dump.read_text(), everything_stored()])
    assert "broken on purpose" in log.getvalue()
    assert house.app.name in everything
    places = [word for word in ("canary-", key, secret, link, settings.SECRET_KEY) if word in everything]
    assert places == []
