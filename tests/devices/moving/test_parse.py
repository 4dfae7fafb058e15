"""Parse's class _Installation comes in as its dashboard, its REST API and mongoexport write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from devices.models import App, Device
from tests.devices.moving.conftest import (
    CHANNEL,
    OLD_CHANNEL,
    apns,
    at,
    counts,
    fcm,
    load,
    load_records,
    problems,
    tags,
)


def test_an_answer_of_its_rest_api(app: App) -> None:
    report = load(app, "parse.json")
    assert (counts(report), report.elements) == ((6, 0, 5), True)
    found = {device.address: device.service for device in Device.objects.all()}
    assert found == {
        apns(1): "apns",
        fcm(1): "fcm",
        fcm(2): "fcm",
        CHANNEL: "wns",
        OLD_CHANNEL: "mpns",
        f"sandbox:{apns(2)}": "apns",
    }
    told = problems(report)
    assert told[6] == "deviceToken is missing: this installation never got an address."
    assert "no push service here for the deviceType “embedded”" in told[8]
    assert "the deviceType “android” with the pushType “hms”" in told[9]
    assert "deviceUris has no channel “_Default”" in told[10]
    assert told[11] == "address: element 1 has it already, and the first one counts."
    named = {"appIdentifier", "appName", "badge", "GCMSenderId", "user", "deviceUris.tile-1"}
    assert set(report.ignored) == {*named, "channels “”", "time_zone “GMT+02:00”"}


def test_what_an_installation_says_of_its_device(app: App) -> None:
    load(app, "parse.json")
    device = at(apns(1))
    assert device.installation == "3f1c0a5e-0000-4000-8000-000000000001"
    assert (device.language, device.time_zone, device.app_version) == ("de-AT", "Europe/Vienna", "2.10.1")
    assert tags(device) == ["news", "ski & snow"]
    assert device.registered_at == datetime(2021, 5, 6, 7, 8, 9, 123000, UTC)
    assert device.seen_at == datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
    assert (at(fcm(1)).language, at(fcm(1)).time_zone) == ("en-US", "")


def test_what_mongoexport_writes(app: App) -> None:
    report = load(app, "parse.jsonl")
    assert (counts(report), report.elements) == ((2, 0, 0), False)
    assert set(report.ignored) == {"badge", "_p_user"}
    device = at(apns(1))
    assert (device.registered_at.year, device.seen_at.year, device.language) == (2021, 2024, "zh-Hans-CN")
    assert at(fcm(1)).registered_at == datetime(2021, 5, 6, 7, 8, 9, 123000, UTC)


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"deviceType": "ios", "development": True}, f"sandbox:{apns(1)}"),
        ({"deviceType": "tvos", "environment": "sandbox"}, f"sandbox:{apns(1)}"),
        ({"deviceType": "osx", "apnsEnvironment": "production"}, apns(1)),
        ({"deviceType": "ios", "development": False}, apns(1)),
        ({"deviceType": "ios", "deviceToken": f"sandbox:{apns(1)}", "development": True}, f"sandbox:{apns(1)}"),
    ],
)
def test_a_development_build_is_told_by_a_field_or_by_its_address(
    app: App, fields: dict[str, Any], address: str
) -> None:
    assert counts(load_records(app, {"deviceToken": apns(1), **fields})) == (1, 0, 0)
    assert at(address).service == "apns"


@pytest.mark.parametrize(
    ("uris", "sentence"),
    [
        ({"tile": CHANNEL}, ""),
        (f'{{"_Default": "{CHANNEL}"}}', ""),
        ({"a": CHANNEL, "b": CHANNEL}, "no channel “_Default”"),
        ({"_Default": None}, "no channel “_Default”"),
        (
            {"_Default": "https://updates.push.services.mozilla.com/x"},
            "one for Browsers (Web Push), and the row says Windows (WNS)",
        ),
        ([CHANNEL], "deviceUris is not a JSON object"),
    ],
)
def test_the_channel_of_the_app_is_taken_or_the_only_one(app: App, uris: object, sentence: str) -> None:
    report = load_records(app, {"deviceType": "winrt", "deviceUris": uris})
    if sentence:
        assert sentence in problems(report)[1]
    else:
        assert at(CHANNEL).service == "wns"
