"""What the tables of both Django packages have in common: BooleanField active, name, device_id, date_created.

As CSV (the admin's, the database's) or as records of Django's dumpdata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from devices.moving.drafts import Desk, Draft, is_active
from devices.registration import TEXTS

SILENT = {"id", "pk"}  # numbers of the other program's own
COMMON = {"name", "active", "date_created", "device_id", "registration_id"}
BROWSERS = {"p256dh", "auth", "keys", "endpoint", "subscription", "browser"}  # what only subscriptions have
OWN = {"service", "address"}  # what only our own list has


def draft(desk: Desk, row: Mapping[str, Any], service: str, *, known: Iterable[str], **more: Any) -> Draft:
    """Return the draft of a row: its columns in common, and ``more`` fields of a registration.

    ``known`` are further columns that need not be named. Raises RegistrationRefused.
    """
    desk.rest(row, COMMON | SILENT | set(known))
    name, installation = str(row.get("name", "")), str(row.get("device_id", ""))
    fields = {**more, "installation": (installation or name)[: TEXTS["installation"]]}
    if installation and name:
        fields["attributes"] = desk.attributes("attributes", {**more.get("attributes", {}), "name": name[:200]})
    return Draft(
        service,
        row.get("registration_id"),
        fields,
        active=is_active(row),
        registered_at=row.get("date_created"),
    )
