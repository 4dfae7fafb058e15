"""What the export writes comes back unchanged, and no reader of it finds a formula."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from devices import exporting, importing
from devices.common.cells import guarded, unguarded
from devices.models import App, Contact, Device, mark
from devices.registration import Registration, register
from tests.devices.conftest import HOST, uri

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.EMULATOR", HOST)


def exported() -> str:
    return "".join(exporting.lines(Device.objects.all()))


def load(app: App, content: str) -> importing.Report:
    return importing.load(app, io.BytesIO(content.encode()))


def fill(app: App) -> None:
    """Register devices with everything that a device can have, and with nothing."""
    full: dict[str, Any] = {
        "service": "mpns",
        "address": uri("ok.a-1"),
        "installation": "-1+1",
        "language": "de-AT",
        "time_zone": "Europe/Vienna",
        "os_version": "8.0.10517",
        "app_version": "'=3.1",
        "model": 'Lumia, "white"; ＝SUM(1)',
        "tags": ["=ski", "@coast", "'-x"],
        "attributes": {"town": "=1+1", "level": 3, "share": 0.25, "paid": True, "empty": ""},
    }
    register(app, Registration.read(full))
    register(app, Registration.read({**full, "address": uri("ok.a-2")}))  # of the same installation
    register(app, Registration.read({"service": "mpns", "address": uri("ok.a-3")}))
    ids = list(Device.objects.order_by("pk").values_list("pk", flat=True))
    gone = {"status": "retired", "retired_reason": "=expired", "retired_at": MOMENT}
    Device.objects.filter(pk=ids[1]).update(**gone, registered_at=MOMENT, seen_at=MOMENT)
    Device.objects.filter(pk=ids[2]).update(test=True, hold_until=MOMENT)
    heard(Device.objects.get(pk=ids[1]), accepted_at=MOMENT)
    heard(Device.objects.get(pk=ids[2]), connection="Inactive", connection_at=MOMENT)


def heard(device: Device, **said: Any) -> None:
    """Let the service have said something of a device."""
    Contact.objects.create(device=device, mark=mark(device.address_digest), **said)


@pytest.mark.parametrize("erased", [True, False])
def test_an_export_comes_back_unchanged(app: App, erased: bool) -> None:
    fill(app)
    before = exported()
    if erased:
        Device.objects.all().delete()
    report = load(app, before)
    assert (report.created, report.updated, report.refused) == ((3, 0, 0) if erased else (0, 3, 0)), report.problems
    assert exported() == before
    assert load(app, before).updated == 3
    assert exported() == before


def test_an_export_that_a_spreadsheet_saved_with_semicolons_comes_back_too(app: App) -> None:
    fill(app)
    before = exported()
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";")
    writer.writerows(csv.reader(io.StringIO(before.removeprefix("\ufeff"), newline="")))
    Device.objects.all().delete()
    assert load(app, file.getvalue()).created == 3
    assert exported() == before


@pytest.mark.threats(17)
def test_a_row_comes_only_into_its_own_app_and_takes_no_foreign_id(app: App) -> None:
    fill(app)
    other = App.objects.create(name="Other", slug="other")
    assert load(other, exported()).problems[0].sentence.startswith("This row is of the App")
    renamed = exported().replace(",weather,", ",other,")
    report = load(other, renamed)
    assert (report.created, report.refused) == (0, 3)
    assert "another App" in report.problems[0].sentence
    assert Device.objects.filter(app=app).count() == 3


def test_the_id_of_a_row_says_whose_address_it_is(app: App) -> None:
    fill(app)
    first, second = Device.objects.order_by("pk")[:2]
    load(app, f"id,service,address\n{first.public_id},mpns,{second.address}\n")
    first.refresh_from_db()
    assert first.address == second.address
    assert not Device.objects.filter(pk=second.pk).exists()
    known = UUID(int=7)
    load(app, f"id,service,address\n{known},mpns,{uri('ok.new')}\n")
    assert Device.objects.get(address=uri("ok.new")).public_id == known


def test_of_several_with_one_installation_the_address_or_the_id_chooses(app: App) -> None:
    fill(app)
    report = load(app, f"service,address,installation\nmpns,{uri('ok.b')},-1+1\n")
    assert (report.refused, "by its id" in report.problems[0].sentence) == (1, True)
    assert load(app, f"service,address,installation,model\nmpns,{uri('ok.a-2')},-1+1,X\n").updated == 1
    assert Device.objects.get(model="X").address == uri("ok.a-2")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("id", "7"), ("status", "gone"), ("seen_at", "yesterday"), ("seen_at", "2026-01-01T00:00:00")),
        *(("attributes", "[1]"), ("attributes", "{"), ("attributes", '{"a": {}}'), ("connection", "x" * 41)),
    ],
)
def test_a_state_that_is_none_is_told_by_its_column(app: App, column: str, value: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["service", "address", column], ["mpns", uri("ok.a"), value]])
    report = load(app, file.getvalue())
    assert (report.created, report.refused) == (0, 1)
    assert column in report.problems[0].sentence
    assert not Device.objects.exists()


@pytest.mark.threats(37)
@given(st.text(alphabet=";,\t\r\n=+-@＝＋－＠' a\u3000\0\"", max_size=12))
def test_no_part_of_a_cell_begins_a_formula_and_the_guard_comes_off_again(cell: str) -> None:
    safe = guarded(cell)
    assert unguarded(safe) == cell
    for part in re.split("[;,\t\r\n]", safe):
        assert not part.lstrip(" \u3000").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), safe


@pytest.mark.threats(37)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_reader_with_another_separator_finds_no_formula_either(
    app: App, admin_client: Client, delimiter: str
) -> None:
    fill(app)
    lead = ("=", "＝")
    Device.objects.update(model="a;=cmd|' /C calc'!A0", os_version="b\t＝1", app_version="-2+3")
    Contact.objects.update(connection="+1")
    answer = admin_client.get("/devices/device/export/")
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert answer.headers["Content-Type"].startswith("text/csv")
    cells = [cell for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter) for cell in row]
    assert not [cell for cell in cells if cell.strip().startswith((*lead, "+", "-", "@"))]


@pytest.mark.threats(37)
def test_taking_devices_away_as_a_file_needs_a_right_of_its_own(app: App, client: Client) -> None:
    from django.contrib.auth.models import Permission, User

    person = User.objects.create_user("vera", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_device"))
    client.force_login(person)
    assert client.get("/devices/device/export/").status_code == 403
    assert b"Export CSV" not in client.get("/devices/device/").content
    person.user_permissions.add(Permission.objects.get(codename="export_device"))
    assert client.get("/devices/device/export/").status_code == 200
    assert b"Export CSV" in client.get("/devices/device/").content


def test_a_list_that_tells_only_a_part_of_what_was_heard_leaves_the_rest(app: App) -> None:
    done = register(app, Registration.read({"service": "mpns", "address": uri("ok.part")}))
    heard(done.device, connection="connected", connection_at=MOMENT, accepted_at=MOMENT)
    content = f"id,service,address,connection\n{done.device.public_id},mpns,{uri('ok.part')},inactive\n"
    assert load(app, content).updated == 1
    contact = Contact.objects.get()
    assert (contact.connection, contact.accepted_at, contact.connection_at) == ("inactive", MOMENT, MOMENT)
