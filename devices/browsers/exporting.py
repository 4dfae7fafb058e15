"""Subscriptions with their keys as JSON lines, in the form that devices/browsers/importing.py takes.

The keys of a subscription are secrets: with them and the App's private key anybody sends to the browser. No page shows
or hands out this; the CSV export of the page has no keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from devices.browsers.subscribing import SERVICE, public_key
from devices.models import App, Device
from devices.registration import TEXTS

WORDS = (*TEXTS, "language", "time_zone", "retired_reason")
MOMENTS = {"created_at": "registered_at", "seen_at": "seen_at", "retired_at": "retired_at"}  # name → column


def lines(app: App) -> Iterator[str | None]:
    """Yield a line for each browser of an App, in the order of registration; None for one whose keys are unreadable."""
    key = public_key(app)
    rows = Device.objects.filter(app=app, service=SERVICE).prefetch_related("tags").order_by("pk")
    for device in rows.iterator(chunk_size=1000):
        yield json.dumps(_told(device, key)) + "\n" if device.keys else None


def _told(device: Device, key: str) -> dict[str, Any]:
    """Return what a line tells: a PushSubscription as a browser prints it, and what is kept beside it."""
    told: dict[str, Any] = {"endpoint": device.address, "expirationTime": None, "keys": device.keys}
    moments = {name: getattr(device, column) for name, column in MOMENTS.items()}
    told |= {name: moment.isoformat() for name, moment in moments.items() if moment}
    told |= {name: words for name in WORDS if (words := getattr(device, name))}
    told |= {"tags": [tag.name for tag in device.tags.all()], "attributes": device.attributes}
    told |= {"status": device.status, "test": device.test}
    # One that is retired may be so for having been bound to a former key.
    return told | ({"vapid_public_key": key} if key and device.status == Device.Status.ACTIVE else {})
