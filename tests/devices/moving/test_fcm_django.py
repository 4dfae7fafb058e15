"""The table of fcm-django comes in as its dumpdata and databases write it."""

from __future__ import annotations

from devices.models import App, Device
from tests.devices.moving.conftest import at, counts, fcm, load, load_records, problems


def test_a_dump(app: App) -> None:
    report = load(app, "fcm-django.json")
    assert (counts(report), report.ignored) == ((3, 0, 2), ["user"])
    told = problems(report)
    assert told[4] == "address: element 1 has it already, and the first one counts."
    assert told[5] == "address: it is one for iPhone (APNs), and the row says Android (FCM)."
    assert {device.service for device in Device.objects.all()} == {"fcm"}
    assert (at(fcm(1)).installation, at(fcm(1)).attributes) == ("1234567890", {"type": "android", "name": "Vera"})
    assert [at(fcm(number)).attributes["type"] for number in (1, 2, 3)] == ["android", "ios", "web"]
    assert (at(fcm(2)).status, at(fcm(3)).status, at(fcm(1)).registered_at.year) == ("active", "retired", 2024)


def test_its_table_as_csv(app: App) -> None:
    report = load(app, "fcm_django_fcmdevice.csv")
    assert (counts(report), report.ignored) == ((2, 0, 1), ["user_id"])
    assert problems(report) == {4: "type “watch” is none of ios, android and web."}
    assert (at(fcm(1)).status, at(fcm(2)).status) == ("active", "retired")


def test_a_model_of_a_projects_own_made_from_it(app: App) -> None:
    fields = {"registration_id": fcm(1), "type": "ios", "active": True, "device_id": "", "name": "Vera", "shoe": 43}
    report = load_records(app, {"model": "shop.phone", "pk": 1, "fields": fields})
    assert (counts(report), report.ignored) == ((1, 0, 0), ["shoe"])
    assert (at(fcm(1)).installation, at(fcm(1)).attributes) == ("Vera", {"type": "ios"})
