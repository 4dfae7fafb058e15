"""The tables of django-push-notifications beside its browsers: GCMDevice, APNSDevice, WNSDevice.

docs/moving-in/django-push-notifications.md. The tables of Apple's and of Windows' devices have the same columns: in a
CSV file the address tells which of them it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.moving.django_tables import BROWSERS, OWN, draft
from devices.moving.drafts import Desk, Draft
from devices.registration import RegistrationRefused

MODELS = {"gcmdevice": "fcm", "apnsdevice": "apns", "wnsdevice": "wns"}
CLOUDS = {"FCM", "GCM"}  # a token of the former GCM is one of FCM
SIGNED = 2**64  # what PostgreSQL writes of an ANDROID_ID from 2**63 on is that less this, below zero


def columns(names: frozenset[str]) -> bool:
    """Return whether these are the columns of one of the three tables."""
    if "registration_id" not in names or names & (BROWSERS | OWN):
        return False
    return "cloud_message_type" in names or ("device_id" in names and "type" not in names)


def drafts(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the device of a row; ``model`` is the name of its model, "" in a CSV file. Raises RegistrationRefused."""
    cloud = row.get("cloud_message_type")
    if cloud is not None and str(cloud).upper() not in CLOUDS:
        told = _("cloud_message_type “%(value)s” is neither FCM nor GCM.")
        raise RegistrationRefused({"cloud_message_type": told % {"value": str(cloud)[:40]}})
    service = MODELS.get(model.rpartition(".")[2].lower(), "fcm" if cloud is not None else "")
    if not service:
        service = "wns" if "://" in str(row.get("registration_id", "")) else "apns"
    if service == "fcm" and "device_id" in row:
        row = {**row, "device_id": identity(row["device_id"])}
    yield draft(desk, row, service, known={"cloud_message_type"})


def identity(value: object) -> str:
    """Return a device_id as its admin shows it: an ANDROID_ID, which the table keeps as a number, in hexadecimal."""
    if isinstance(value, int):
        return hex(value % SIGNED)
    text = str(value)
    return hex(int(text) % SIGNED) if text.removeprefix("-").isdecimal() and len(text) <= 20 else text
