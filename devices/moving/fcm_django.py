"""The table of fcm-django, FCMDevice, also one of a project's own made from AbstractFCMDevice. All are tokens of FCM.

docs/moving-in/fcm-django.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.moving.django_tables import BROWSERS, OWN, draft
from devices.moving.drafts import Desk, Draft
from devices.registration import RegistrationRefused

TYPES = {"ios", "android", "web"}


def columns(names: frozenset[str]) -> bool:
    """Return whether these are the columns of the table."""
    return {"registration_id", "type"} <= names and not names & (BROWSERS | OWN | {"cloud_message_type"})


def drafts(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the device of a row; its type becomes the attribute ``type``. Raises RegistrationRefused."""
    kind = str(row.get("type", "")).lower()
    if kind not in TYPES:
        told = _("type “%(value)s” is none of ios, android and web.")
        raise RegistrationRefused({"type": told % {"value": kind[:40]}})
    yield draft(desk, row, "fcm", known={"type"}, attributes={"type": kind})
