"""The CSV file that OneSignal exports: a row for each of its subscriptions, formerly players.

docs/moving-in/onesignal.md. Its tags are names with values, so they become attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.browsers.subscribing import SERVICE as WEBPUSH
from devices.lists import json_object
from devices.moving.drafts import Desk, Draft, channel, is_active, sandboxed
from devices.registration import RegistrationRefused

APPLE, ANDROID, WINDOWS = {0, 9}, {1}, {3, 6}  # its numbers of device_type
BROWSERS = {5: "chrome", 8: "firefox", 12: "edge", 17: "safari"}
DEVELOPMENT = "1"  # test_type: a build signed for development, whose tokens are of the sandbox; 2 is ad hoc
KNOWN = {
    *("id", "identifier", "language", "timezone", "timezone_id", "game_version", "device_os", "device_type"),
    *("device_model", "tags", "last_active", "created_at", "invalid_identifier", "external_user_id"),
    *("notification_types", "web_auth", "web_p256", "test_type"),
}
HOUR = 3600  # seconds
# Offsets of no whole hour, in seconds, where one zone without daylight saving time has nearly all who live there.
UNEVEN = {
    12_600: "Asia/Tehran",
    16_200: "Asia/Kabul",
    19_800: "Asia/Kolkata",
    20_700: "Asia/Kathmandu",
    23_400: "Asia/Yangon",
}


def columns(names: frozenset[str]) -> bool:
    """Return whether these are columns of the export."""
    return {"identifier", "device_type"} <= names


def drafts(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the device of a row. Raises RegistrationRefused for a type that no push service here is for."""
    desk.rest(row, KNOWN)
    if "identifier" not in row:
        raise RegistrationRefused({"address": _("identifier is missing: this subscription never got an address.")})
    service, address = _address(row)
    attributes = desk.attributes("tags", json_object("tags", row.get("tags")))
    if "external_user_id" in row:
        attributes = desk.attributes("tags", {"external_user_id": row["external_user_id"], **attributes})
    active, reason = _activity(row)
    keys = {"p256dh": row.get("web_p256"), "auth": row.get("web_auth")}
    yield Draft(
        service,
        address,
        {
            "installation": row.get("id"),
            "language": row.get("language"),
            "time_zone": row.get("timezone_id") or _zone(desk, row.get("timezone")),
            "app_version": row.get("game_version"),
            "os_version": row.get("device_os"),
            "model": row.get("device_model"),
            "attributes": attributes,
        },
        {**keys, "browser": BROWSERS[_number(row, "device_type") or 0]} if service == WEBPUSH else {},
        active=active,
        reason=reason,
        registered_at=row.get("created_at"),
        seen_at=row.get("last_active"),
    )


def _address(row: Mapping[str, Any]) -> tuple[str, object]:
    """Return the service's slug and the address; raise RegistrationRefused."""
    number, address = _number(row, "device_type"), row["identifier"]
    if number in APPLE:
        return "apns", sandboxed(address, sandbox=str(row.get("test_type")) == DEVELOPMENT)
    if number in ANDROID:
        return "fcm", address
    if number in BROWSERS:
        return WEBPUSH, address
    if number in WINDOWS:
        return channel(address), address
    told = _("There is no push service here for the device_type %(number)s.")
    raise RegistrationRefused({"service": told % {"number": str(row.get("device_type", ""))[:20] or "“”"}})


def _activity(row: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether anything is to be sent there, and why not; raise RegistrationRefused."""
    if "invalid_identifier" in row and is_active(row, "invalid_identifier"):
        return False, _("OneSignal found its address invalid.")
    number = _number(row, "notification_types")
    if number is not None and number < 0:
        return False, _("It was unsubscribed at OneSignal (notification_types %(number)d).") % {"number": number}
    return True, ""


def _number(row: Mapping[str, Any], name: str) -> int | None:
    """Return the whole number that a cell has; None for an empty one. Raises RegistrationRefused."""
    try:
        return int(str(row[name])) if name in row else None
    except ValueError:
        told = _("%(field)s is not a whole number.") % {"field": name}
        raise RegistrationRefused({name: told}) from None


def _zone(desk: Desk, offset: object) -> str:
    """Return the time zone of an offset from UTC in seconds: one without daylight saving time; "" when there is none.

    The names of the zones of whole hours count westwards: Etc/GMT-1 is an hour ahead of UTC (tz database, etcetera).
    """
    try:
        seconds = int(str(offset)) if offset is not None else None
    except ValueError:
        seconds = -1
    if seconds is None:
        return ""
    if seconds == 0:
        return "Etc/UTC"
    if seconds % HOUR == 0 and -12 <= seconds // HOUR <= 14:
        return f"Etc/GMT{-seconds // HOUR:+d}"
    if seconds not in UNEVEN:
        desk.ignore(f"timezone “{offset}”")
    return UNEVEN.get(seconds, "")
