"""What is no address of FCM, APNs or WNS gets no further than the registration, and its neighbour does."""

from __future__ import annotations

import pytest

from devices.models import Device
from tests.devices.conftest import Caller

TOKEN, HEX = "dKj3x:APA91bF-_x" + "Z" * 40, "5a" * 32
CHANNEL = "https://db5p.notify.windows.com/?token=AwYAAA%3d"


@pytest.mark.threats(1, 10)
@pytest.mark.parametrize(
    ("service", "address"),
    [
        ("fcm", "https://evil.example/token"),
        ("fcm", "http://169.254.169.254/latest"),
        ("fcm", f'{TOKEN}","token":"x'),
        ("fcm", HEX),
        ("apns", TOKEN),
        ("apns", f"{HEX}/../../evil"),
        ("apns", f"production:{HEX}"),
        ("wns", "https://notify.windows.com.evil.example/?token=x"),
        ("wns", "http://127.0.0.1:1/?token=x"),
        ("wns", CHANNEL.replace("https", "http")),
        ("wns", CHANNEL.replace("/?", "/w/?")),
        ("wns", TOKEN),
    ],
)
def test_an_address_that_is_none_is_refused_when_made_and_when_changed(
    caller: Caller, service: str, address: str
) -> None:
    status, body = caller.register(service=service, address=address)
    assert status == 422
    assert "address" in str(body)
    good = {"fcm": TOKEN, "apns": HEX, "wns": CHANNEL}[service]
    status, made = caller.register(service=service, address=good)
    assert status == 201, made
    status, _ = caller.call("PATCH", f"/devices/{made['id']}", {"address": address}, key=made["secret"])
    assert status == 422
    assert Device.objects.get().address == good
