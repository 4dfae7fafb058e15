"""What holds for every source: nothing twice, nothing changed by a second time, and what is wrong stands alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from devices import lists
from devices.importing import FileRefused
from devices.models import App, Device
from devices.moving import sources
from devices.moving.drafts import Desk, owner
from devices.moving.met import Met
from tests.devices.browsers.conftest import ENDPOINT, subscription
from tests.devices.moving.conftest import (
    ALL,
    CHANNEL,
    FILES,
    OLD_CHANNEL,
    apns,
    at,
    counts,
    everything,
    fcm,
    load,
    load_records,
    load_text,
    problems,
    tags,
)

APNS = {"active": True, "device_id": None, "name": "", "registration_id": apns(1)}


@pytest.mark.parametrize("name", ALL)
def test_a_second_time_changes_nothing(app: App, name: str) -> None:
    first = load(app, name)
    before = everything()
    assert first.created == len(before) > 0
    second = load(app, name)
    assert counts(second) == (0, first.created, first.refused)
    assert everything() == before


@pytest.mark.parametrize("name", ALL)
def test_no_file_makes_an_address_twice_or_a_device_of_a_torn_row(app: App, name: str) -> None:
    load(app, name)
    addresses = list(Device.objects.values_list("address", flat=True))
    assert len(set(addresses)) == len(addresses)
    file = (FILES / name).read_text()
    Device.objects.all().delete()
    if name.endswith(".csv"):
        report = load_text(app, file + "torn,row\n")
        assert (report.created, "cells" in report.problems[-1].sentence) == (len(addresses), True)
    elif name.endswith(".jsonl"):
        report = load_text(app, file + "{torn\n")
        assert (report.created, report.problems[-1].sentence) == (len(addresses), "This is no JSON object.")
    else:
        with pytest.raises(FileRefused, match="Nothing was imported"):
            load_text(app, file.rstrip()[:-1])
        assert not Device.objects.exists()


def test_what_a_row_does_not_tell_stays_and_a_list_is_no_sign_of_life(app: App) -> None:
    load_records(app, APNS)
    Device.objects.update(language="fr", secret_digest="its own", seen_at="2025-01-01T00:00:00Z")
    load_records(app, APNS)
    device = at(apns(1))
    assert (device.language, device.secret_digest, device.seen_at.year) == ("fr", "its own", 2025)


def test_an_inactive_row_retires_once_and_an_active_one_brings_back(app: App) -> None:
    load_records(app, APNS)
    load_records(app, {**APNS, "active": False})
    device = at(apns(1))
    assert (device.status, device.retired_reason) == ("retired", "It was not active where it came from.")
    Device.objects.update(retired_reason="Apple said so.")
    load_records(app, {**APNS, "active": "f"})
    again = at(apns(1))
    assert (again.retired_reason, again.retired_at) == ("Apple said so.", device.retired_at)
    load_records(app, APNS)
    assert (at(apns(1)).status, at(apns(1)).retired_at) == ("active", None)
    assert "active must be" in problems(load_records(app, {**APNS, "active": "perhaps"}))[1]


def test_an_address_that_comes_again_gets_a_sentence_that_names_the_first_row(app: App) -> None:
    twice = {**APNS, "registration_id": apns(1).upper(), "name": "again"}
    report = load_records(app, APNS, {**APNS, "registration_id": apns(2)}, twice)
    assert counts(report) == (2, 0, 1)
    assert problems(report) == {3: "address: element 1 has it already, and the first one counts."}
    assert at(apns(1)).installation == ""


def test_a_row_that_was_not_taken_has_no_address_to_come_again(app: App) -> None:
    report = load_records(app, {**APNS, "active": "perhaps"}, APNS)
    assert (counts(report), list(problems(report))) == ((1, 0, 1), [1])


def test_sources_and_subscriptions_may_stand_in_one_file(app: App) -> None:
    installation = {"deviceType": "android", "deviceToken": fcm(1), "channels": ["a"]}
    report = load_records(app, APNS, subscription(), installation, {"model": "auth.user", "fields": {"name": "x"}})
    assert (counts(report), report.ignored) == ((3, 0, 0), ["auth.user"])
    assert {one.service for one in Device.objects.all()} == {"apns", "webpush", "fcm"}
    assert at(ENDPOINT).keys


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        (apns(1), "apns"),
        (f"sandbox:{apns(1)}", "apns"),
        (fcm(1), "fcm"),
        (CHANNEL, "wns"),
        (OLD_CHANNEL, "mpns"),
        (ENDPOINT, "webpush"),
        ("https://evil.example/", ""),
        ("what-somebody-typed", ""),
        ("x" * 50 + " " + "y" * 60, ""),
        (None, ""),
    ],
)
def test_an_address_tells_whose_it_is_only_when_it_is_beyond_doubt(address: object, slug: str) -> None:
    assert owner(address) == slug


@pytest.mark.threats(10)
@pytest.mark.parametrize("address", ["http://127.0.0.1/?token=x", "https://evil.example/?token=x", "../x", "", None, 7])
def test_addresses_are_judged_as_everywhere_else(app: App, address: object) -> None:
    record = {"model": "push_notifications.wnsdevice", "pk": 1, "fields": {**APNS, "registration_id": address}}
    report = load_records(app, record)
    assert (counts(report), "address" in problems(report)[1]) == ((0, 0, 1), True)


def test_what_cannot_be_kept_beside_an_address_is_named_and_costs_nobody_the_device(app: App) -> None:
    installation = {
        "deviceType": "ios",
        "deviceToken": apns(1),
        "installationId": "x" * 201,
        "localeIdentifier": "German, I think",
        "timeZone": "Mars/Base",
        "appVersion": 7,
        "channels": ["", "x" * 61, "a\u202eb", 7, *[f"c{number}" for number in range(51)]],
        "createdAt": "yesterday",
    }
    report = load_records(app, installation)
    assert counts(report) == (1, 0, 0)
    named = ["language “German, I think”", "time_zone “Mars/Base”", "app_version “7”", "channels “”", "channels “7”"]
    assert set(named) <= set(report.ignored)
    assert {"channels “c50”", "registered_at “yesterday”"} <= set(report.ignored)
    assert any(name.startswith("installation “xxx") for name in report.ignored)
    device = at(apns(1))
    assert (device.installation, device.language, device.time_zone, len(tags(device))) == ("", "", "", 50)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-05-06 07:08:09", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06 07:08:09.5+02", "2024-05-06T07:08:09.500000+02:00"),
        ("2024-05-06 07:08:09 UTC", "2024-05-06T07:08:09+00:00"),
        ({"$date": {"$numberLong": "1714979289000"}}, "2024-05-06T07:08:09+00:00"),
        ({"__type": "Date", "iso": "2024-05-06T07:08:09.000Z"}, "2024-05-06T07:08:09+00:00"),
        ({"$date": None}, None),
        ({}, None),
        ("1899-01-01", None),
        ("2999-01-01", None),
    ],
)
def test_moments_are_read_as_databases_write_them(app: App, value: Any, moment: str | None) -> None:
    found = Desk(app, print).moment("registered_at", value)
    assert (found.isoformat() if found else None) == moment


@pytest.mark.threats(36)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"results": [', "not JSON|After element"),
        ('{"results": [{"a": 1}]', "After element 1"),
        ('{"results": [{"a": 1}}', "After element 1"),
        ('{"results": [], "count": 0}', "After element 0"),
        ('{"results": []} {}', "After element 0"),
        ('{"results": {}}\n[', ""),
        ("identifier,device_type,identifier\n", "not twice"),
    ],
)
def test_a_file_that_is_no_list_changes_nothing(app: App, content: str, sentence: str) -> None:
    if sentence:
        with pytest.raises(FileRefused, match=sentence):
            load_text(app, content)
    else:
        assert load_text(app, content).refused == 2
    assert not Device.objects.exists()


@pytest.mark.parametrize("piece", [1, 3, 65_536])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_answer_of_a_rest_api_is_a_list_in_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, piece: int, mark: str
) -> None:
    monkeypatch.setattr(lists, "PIECE", piece)
    values = [{"a": [{"results": "]}"}]}, {}]
    for text in (
        json.dumps({"results": values}),
        json.dumps({"results": values}, indent=2),
        '\n{ "results" :[{},{}] }',
    ):
        file = io.BytesIO((mark + text).encode())
        assert lists.has_results(file)
        assert list(lists.json_results(file)) == list(enumerate(json.loads(text)["results"], start=1))
    assert not lists.has_results(io.BytesIO(b'{"result": []}'))


def test_an_address_is_met_first_in_one_line_and_taken_once_from_the_last() -> None:
    met = Met()
    assert [met.first("a", 2), met.first("b", 3), met.first("a", 4)] == [0, 0, 2]
    met.note("c", 5)
    met.note("c", 6)
    assert [met.take("c", 5), met.take("c", 6), met.take("c", 6)] == [False, True, False]
    met.close()


def test_our_own_list_and_a_list_of_subscriptions_are_of_no_other_source() -> None:
    own = {"service", "address", "installation", "device_id", "registration_id", "type", "app"}
    assert sources.of_columns(own - {"registration_id", "type"}) is None
    assert sources.of_columns({"service", "address", "app", "id", "tags", "test", "status"}) is None
    assert sources.of_columns({"registration_id", "p256dh", "auth", "device_id", "active"}) is None
    assert sources.of_columns(subscription()) is None


def test_many_rows_take_few_queries(app: App, django_assert_max_num_queries: Any) -> None:
    rows = [{**APNS, "registration_id": f"{number:064x}"} for number in range(300)]
    for _time in range(2):
        with django_assert_max_num_queries(15):
            load_records(app, *rows)
    assert Device.objects.count() == 300


def test_the_page_and_the_command_tell_what_became_of_every_row(app: App, admin_client: Client) -> None:
    path: Path = FILES / "rpush_notifications.csv"
    file = SimpleUploadedFile(path.name, path.read_bytes())
    page = admin_client.post("/devices/device/import/", {"app": app.pk, "file": file}).content.decode()
    assert "no push service here for the type “Rpush::Client::ActiveRecord::Adm::Notification”" in page
    assert "where the last one counts: 3." in " ".join(page.split())
    assert "docs/moving-in" in page
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="left out"):
        call_command("importdevices", str(path), app=app.slug, stdout=out, stderr=err)
    assert "0 new, 10 brought up to date, 3 left out." in out.getvalue()
    assert "Line 15: This row names no address." in err.getvalue()
    assert "3 addresses stand in a later row again" in err.getvalue()
