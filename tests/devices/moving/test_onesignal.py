"""OneSignal's export comes in as it writes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devices.models import App, Device
from tests.devices.moving.conftest import (
    CHANNEL,
    ENDPOINT,
    OLD_CHANNEL,
    apns,
    at,
    counts,
    fcm,
    load,
    load_text,
    problems,
)

ROW = f'identifier,device_type,{{}}\n{apns(1)},0,"{{}}"\n'


def test_an_export(app: App) -> None:
    report = load(app, "onesignal.csv")
    assert counts(report) == (8, 0, 6)
    found = {device.address: device.service for device in Device.objects.all()}
    assert found == {
        apns(1): "apns",
        f"sandbox:{apns(2)}": "apns",
        apns(3): "apns",
        fcm(1): "fcm",
        fcm(2): "fcm",
        ENDPOINT: "webpush",
        CHANNEL: "wns",
        OLD_CHANNEL: "mpns",
    }
    told = problems(report)
    assert [told[7], told[12]] == [f"There is no push service here for the device_type {n}." for n in (2, 11)]
    assert "p256dh" in told[9]
    assert told[13] == "identifier is missing: this subscription never got an address."
    assert told[14] == "address: line 2 has it already, and the first one counts."
    assert told[15] == "address: it is one for Android (FCM), and the row says iPhone (APNs)."
    columns = {"session_count", "playtime", "amount_spent", "badge_count", "country", "ip", "rooted"}
    assert set(report.ignored) == {*columns, "timezone “-12600”"}


def test_what_a_row_says_of_its_device(app: App) -> None:
    load(app, "onesignal.csv")
    device = at(apns(1))
    assert device.installation == "7c1d6f3e-0000-4000-8000-000000000001"
    assert (device.language, device.time_zone) == ("en", "Europe/Vienna")
    assert (device.app_version, device.os_version, device.model) == ("2.3", "17.4", "iPhone15,2")
    assert device.attributes == {"external_user_id": "u-17", "favourite_sport": "ski", "level": "3"}
    assert device.registered_at == datetime(2023, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert device.seen_at == datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert at(f"sandbox:{apns(2)}").time_zone == "Asia/Kolkata"
    assert (at(apns(3)).time_zone, at(apns(3)).language, at(fcm(1)).time_zone) == ("", "zh-Hans", "Etc/GMT-1")


def test_who_is_not_to_be_sent_to_is_retired_with_the_reason(app: App) -> None:
    load(app, "onesignal.csv")
    told = {device.address: device.retired_reason for device in Device.objects.filter(status="retired")}
    assert told == {
        fcm(1): "It was unsubscribed at OneSignal (notification_types -2).",
        fcm(2): "OneSignal found its address invalid.",
    }


def test_a_browser_comes_with_its_keys(app: App) -> None:
    load(app, "onesignal.csv")
    device = at(ENDPOINT)
    assert device.keys is not None
    assert set(device.keys) == {"p256dh", "auth"}
    assert (device.model, device.installation[-2:]) == ("Linux x86_64", "07")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("notification_types", "many", "notification_types is not a whole number"),
        ("invalid_identifier", "perhaps", "invalid_identifier must be true or false"),
        ("tags", "{", "tags is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_row_is_a_sentence(app: App, name: str, value: str, sentence: str) -> None:
    assert sentence in problems(load_text(app, ROW.format(name, value)))[2]


@pytest.mark.parametrize(
    ("seconds", "zone"),
    [("0", "Etc/UTC"), ("-18000", "Etc/GMT+5"), ("46800", "Etc/GMT-13"), ("54000", ""), ("x", ""), ("", "")],
)
def test_an_offset_becomes_the_zone_that_has_it_all_year(app: App, seconds: str, zone: str) -> None:
    assert counts(load_text(app, ROW.format("timezone", seconds))) == (1, 0, 0)
    assert at(apns(1)).time_zone == zone


def test_tags_that_no_attribute_can_be_are_named(app: App) -> None:
    value = '{""Level"": ""3"", ""level"": ""4"", ""x"": [1], ""long"": ""' + "y" * 201 + '""}'
    report = load_text(app, ROW.format("tags", value))
    assert (at(apns(1)).attributes, report.ignored) == ({"level": "3"}, ["tags.level", "tags.x", "tags.long"])
