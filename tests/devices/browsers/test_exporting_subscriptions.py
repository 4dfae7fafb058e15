"""Who moves away takes all along: browsers with their keys, and the key that they are bound to."""

from __future__ import annotations

import io
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.management import CommandError, call_command
from django.test import Client

from devices import importing
from devices.browsers import exporting
from devices.models import App, Credential, Device, Site
from devices.push import vapid
from devices.registration import Registration, register
from tests.devices.browsers.conftest import ENDPOINT, PRIVATE, PUBLIC, key_for
from tests.devices.push.vector import AUTH, UA_PUBLIC

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
KEYS = {"p256dh": UA_PUBLIC, "auth": AUTH}


@pytest.fixture
def app(site: Site) -> App:
    """An App with browsers that have everything that a browser can have, and nothing."""
    full: dict[str, Any] = {
        "service": "webpush",
        "address": f"{ENDPOINT}1",
        "keys": KEYS,
        "installation": "-1+1\u2028",
        "language": "de-AT",
        "time_zone": "Europe/Vienna",
        "os_version": "8.0",
        "app_version": "3.1",
        "model": "Firefox 140, Linux",
        "tags": ["=ski", "coast"],
        "attributes": {"town": "Köln", "paid": True},
    }
    register(site.app, Registration.read(full))
    register(site.app, Registration.read({**full, "address": f"{ENDPOINT}2"}))  # of the same installation
    register(site.app, Registration.read({"service": "webpush", "address": f"{ENDPOINT}3", "keys": KEYS}))
    ids = list(Device.objects.order_by("pk").values_list("pk", flat=True))
    gone = {"status": "retired", "retired_reason": "expired", "retired_at": MOMENT}
    Device.objects.filter(pk=ids[1]).update(**gone, registered_at=MOMENT, seen_at=MOMENT)
    Device.objects.filter(pk=ids[2]).update(test=True)
    return site.app


def run(command: str, **options: Any) -> tuple[str, str]:
    """Run a command; return what it wrote on standard output and on standard error."""
    out, err = io.StringIO(), io.StringIO()
    call_command(command, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def told(app: App) -> list[dict[str, Any]]:
    """Return everything that the devices of an App are, but what is an installation's own: ids and secrets."""
    own = {"id", "app_id", "public_id", "secret_digest"}
    rows = Device.objects.filter(app=app).order_by("pk")
    return [
        {name: value for name, value in vars(row).items() if name not in own and name[0] != "_"}
        | {"tags": list(row.tags.values_list("name", flat=True))}
        for row in rows
    ]


def test_an_export_comes_into_another_app_with_the_same_key_as_it_was(app: App) -> None:
    written, said = run("exportsubscriptions", app=app.slug)
    assert "3 browsers are written." in said
    other = App.objects.create(name="Other", slug="other")
    key_for(other)
    report = importing.load(other, io.BytesIO(written.encode()))
    assert (report.created, report.refused, report.ignored) == (3, 0, []), report.problems
    assert told(other) == told(app)
    assert told(other)[0]["tags"] == ["=ski", "coast"]
    assert [json.loads(line) for line in exporting.lines(other) if line] == [
        json.loads(line) for line in written.splitlines()
    ]
    before = told(other)
    for row in before:
        row.pop("seen_at")
    assert importing.load(other, io.BytesIO(written.encode())).updated == 3  # once more changes nothing
    after = told(other)
    for row in after:
        row.pop("seen_at")
    assert after == before


def test_an_app_with_another_key_takes_no_browser_that_is_bound_to_this_one(app: App) -> None:
    written, _said = run("exportsubscriptions", app=app.slug)
    other = App.objects.create(name="Other", slug="other")
    key_for(other)
    Credential.objects.filter(app=other).update(fingerprint=UA_PUBLIC)
    report = importing.load(other, io.BytesIO(written.encode()))
    assert (report.created, [problem.line for problem in report.problems]) == (1, [1, 3])  # the second is retired
    assert "bound to another key" in report.problems[0].sentence


def test_a_line_is_what_a_browser_prints_and_what_we_keep_beside_it(app: App) -> None:
    line = next(exporting.lines(app))
    assert line is not None
    assert line.isascii()
    read = json.loads(line)
    assert {name: read[name] for name in ("endpoint", "expirationTime", "keys")} == {
        "endpoint": f"{ENDPOINT}1",
        "expirationTime": None,
        "keys": KEYS,
    }
    assert (read["vapid_public_key"], read["status"]) == (PUBLIC, "active")


@pytest.mark.parametrize("command", ["exportsubscriptions", "exportvapid"])
def test_a_file_with_secrets_is_for_its_owner_and_takes_the_place_of_none(
    app: App, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "secrets"
    written, _said = run(command, app=app.slug, output=path)
    assert written == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert content == run(command, app=app.slug)[0]
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (path, link):
        with pytest.raises(CommandError, match="File exists"):
            run(command, app=app.slug, output=taken)
    assert path.read_text() == content
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_could_not_be_finished_is_taken_away(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(device: Device, key: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(exporting, "_told", lost)
    with pytest.raises(OSError, match="No space"):
        run("exportsubscriptions", app=app.slug, output=tmp_path / "half")
    assert list(tmp_path.iterdir()) == []


def test_a_browser_whose_keys_are_lost_is_told_and_the_others_are_written(app: App) -> None:
    Device.objects.filter(address=f"{ENDPOINT}2").update(keys=None)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 browsers were left out"):
        call_command("exportsubscriptions", app=app.slug, stdout=out, stderr=io.StringIO())
    assert [json.loads(line)["endpoint"] for line in out.getvalue().splitlines()] == [f"{ENDPOINT}1", f"{ENDPOINT}3"]


def test_the_key_pair_is_printed_as_other_programs_take_it(app: App) -> None:
    written, _said = run("exportvapid", app=app.slug)
    lines = written.splitlines()
    assert lines[:3] == ["Contact: mailto:ops@example.org", f"Public key: {PUBLIC}", f"Private key: {PRIVATE}"]
    key = load_pem_private_key("\n".join(lines[3:]).encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers().private_value.to_bytes(32) == vapid.decoded(PRIVATE)
    assert vapid.read_key(written) == PRIVATE  # pasted whole on another App's page


def test_a_key_that_is_not_there_or_lost_is_told(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.ENCRYPTION_KEYS", ["5PYVIiYZ2YeRXyE3LtLE5lqPhWyMHLgbQWhFYUvbZxM="])
    with pytest.raises(CommandError, match="cannot be read"):
        run("exportvapid", app=app.slug)
    Credential.objects.all().delete()
    with pytest.raises(CommandError, match="no key for browsers yet"):
        run("exportvapid", app=app.slug)
    for command in ("exportvapid", "exportsubscriptions"):
        with pytest.raises(CommandError, match="There is no App “nobody”"):
            run(command, app="nobody")


def test_no_page_hands_out_the_keys_of_browsers(app: App, admin_client: Client) -> None:
    answer = admin_client.get("/devices/device/export/")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert ENDPOINT.encode() in content
    for device in Device.objects.all():
        page = admin_client.get(f"/devices/device/{device.pk}/change/").content
        assert ENDPOINT.encode() in page
        content += page
    assert AUTH.encode() not in content
    assert UA_PUBLIC.encode() not in content
