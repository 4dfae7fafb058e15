"""Devices as a CSV file, written as a stream. devices/importing.py reads it back unchanged; no cell begins a formula.

Secrets are not in it: a device that was erased and comes back from a file gets a new one when its app registers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from devices.common.cells import Lines
from devices.models import Device
from devices.upsert import HEARD

TEXTS = ("service", "address", "installation", "language", "time_zone", "os_version", "app_version", "model")
STATE = ("status", "retired_reason", "connection")
TIMES = ("retired_at", "connection_at", "hold_until", "registered_at", "seen_at", "accepted_at")
COLUMNS = ("id", "app", *TEXTS, "tags", "attributes", "test", *STATE, *TIMES)


def lines(devices: QuerySet[Device]) -> Iterator[str]:
    """Yield the lines of the file in the order of registration, the header first."""
    written = Lines()
    yield written.head(COLUMNS)
    rows = devices.select_related("app", "contact").prefetch_related("tags").order_by("pk")
    for device in rows.iterator(chunk_size=1000):
        yield written.of(_cells(device))


def _cells(device: Device) -> list[str]:
    tags = ";".join(tag.name for tag in device.tags.all())
    attributes = json.dumps(device.attributes, ensure_ascii=False) if device.attributes else ""
    texts = [getattr(device, name) for name in TEXTS]
    heard = device.heard
    times: list[Any] = [getattr(heard if name in HEARD else device, name) for name in TIMES]
    moments = [moment.isoformat() if moment else "" for moment in times]
    state = [getattr(heard if name in HEARD else device, name) for name in STATE]
    test = "yes" if device.test else "no"
    return [str(device.public_id), device.app.slug, *texts, tags, attributes, test, *state, *moments]
