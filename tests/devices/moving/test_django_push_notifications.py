"""The tables of django-push-notifications come in as its dumpdata and databases write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devices.models import App, Device
from devices.moving.django_push_notifications import identity
from tests.devices.moving.conftest import CHANNEL, ENDPOINT, apns, at, counts, fcm, load, load_text, problems


def test_a_dump_of_all_its_tables(app: App) -> None:
    report = load(app, "django-push-notifications.json")
    assert (counts(report), report.elements) == ((5, 0, 4), True)
    assert set(report.ignored) == {"auth.group", "user", "application_id"}
    found = {device.address: device.service for device in Device.objects.all()}
    assert found == {fcm(1): "fcm", fcm(2): "fcm", apns(1): "apns", CHANNEL: "wns", ENDPOINT: "webpush"}
    told = problems(report)
    assert list(told) == [4, 6, 7, 9]
    assert told[4] == "address: it is one for iPhone (APNs), and the row says Android (FCM)."
    assert told[6] == "address: it is one for Android (FCM), and the row says iPhone (APNs)."
    assert told[7] == "address: element 5 has it already, and the first one counts."
    assert told[9] == "address: it is one for Windows Phone (MPNS), and the row says Windows (WNS)."


def test_what_a_row_says_of_its_device(app: App) -> None:
    load(app, "django-push-notifications.json")
    first, second = at(fcm(1)), at(fcm(2))
    assert (first.installation, first.attributes) == (hex(17592186044416255), {"name": "Vera's Pixel"})
    assert first.registered_at == datetime(2024, 5, 6, 7, 8, 9, 123000, UTC)
    assert (first.status, second.status) == ("active", "retired")
    assert second.retired_reason == "It was not active where it came from."
    assert second.retired_at is not None
    assert at(apns(1)).installation == "4b4c2d2a-0f3e-4c47-9c4b-2f6e0c1f6a10"
    assert (at(CHANNEL).installation, at(CHANNEL).attributes) == ("Desk", {})


def test_its_tables_as_csv(app: App) -> None:
    report = load(app, "push_notifications_gcmdevice.csv")
    assert counts(report) == (2, 0, 1)
    assert problems(report) == {4: "cloud_message_type “ADM” is neither FCM nor GCM."}
    assert (at(fcm(1)).installation, at(fcm(2)).status) == ("0xfedcba9876543210", "retired")
    report = load(app, "push_notifications_apnsdevice.csv")
    assert (counts(report), set(report.ignored)) == ((3, 0, 1), {"user", "application_id"})
    assert "hexadecimal without blanks and brackets" in problems(report)[5]
    assert (at(apns(1)).installation[:8], at(apns(2)).status) == ("4b4c2d2a", "retired")
    assert at(f"sandbox:{apns(3)}").service == "apns"
    assert counts(load(app, "push_notifications_wnsdevice.csv")) == (1, 0, 0)
    assert (at(CHANNEL).service, at(CHANNEL).installation) == ("wns", "Desk")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (255, "0xff"),
        ("255", "0xff"),
        (-1, "0xffffffffffffffff"),
        ("-1", "0xffffffffffffffff"),
        ("0xff", "0xff"),
        ("ff", "ff"),
        ("4b4c2d2a-0f3e", "4b4c2d2a-0f3e"),
        ("9" * 30, "9" * 30),
    ],
)
def test_an_android_id_is_written_as_its_admin_shows_it(value: object, shown: str) -> None:
    assert identity(value) == shown


def test_a_table_of_browsers_stays_one_of_browsers(app: App) -> None:
    with pytest.raises(ValueError, match="p256dh and auth are missing"):
        load_text(app, "registration_id,browser,device_id\n")
