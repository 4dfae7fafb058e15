"""An App with a key for browsers, and files as other programs write them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from devices import importing
from devices.importing import Report
from devices.models import App, Device
from tests.devices.browsers.conftest import key_for

FILES = Path(__file__).parent / "files"
ALL = sorted(path.name for path in FILES.iterdir())
FCM = "dK3x{:02d}Qz0E:APA91bH"  # how the registration tokens in the files begin
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA-1"
CHANNEL = "https://db5p.notify.windows.com/?token=AwYAAAB1example%3d%3d"
OLD_CHANNEL = "http://db3.notify.live.net/throttledthirdparty/01.00/AQExample"


def apns(number: int) -> str:
    """Return a device token of the files."""
    return f"{number:02x}" * 32


def fcm(number: int) -> str:
    """Return a registration token of the files."""
    return FCM.format(number) + (f"example{number:02d}-token_of_no_device" * 6)[:140]


@pytest.fixture
def app(db: None) -> App:
    """An App with a key for browsers."""
    app = App.objects.create(name="Weather", slug="weather")
    key_for(app)
    return app


def load(app: App, name: str) -> Report:
    """Import one of the files."""
    with (FILES / name).open("rb") as file:
        return importing.load(app, file)


def load_text(app: App, content: str) -> Report:
    """Import what is no file of the folder."""
    return importing.load(app, io.BytesIO(content.encode()))


def load_records(app: App, *records: dict[str, Any]) -> Report:
    """Import a JSON array."""
    return load_text(app, json.dumps(records))


def counts(report: Report) -> tuple[int, int, int]:
    """Return how many were new, known and left out."""
    return report.created, report.updated, report.refused


def problems(report: Report) -> dict[int, str]:
    """Return why rows were left out, by their line or element."""
    assert len({problem.line for problem in report.problems}) == len(report.problems)
    return {problem.line: problem.sentence for problem in report.problems}


def at(address: str) -> Device:
    """Return the device at an address."""
    return next(device for device in Device.objects.all() if device.address == address)


def tags(device: Device) -> list[str]:
    """Return the names of a device's tags."""
    return sorted(device.tags.values_list("name", flat=True))


def everything() -> list[dict[str, Any]]:
    """Return all that is known of every device."""
    names = [field.name for field in Device._meta.concrete_fields]
    devices = Device.objects.order_by("pk")
    return [{**{name: getattr(one, name) for name in names}, "tags": tags(one)} for one in devices]
