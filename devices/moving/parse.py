"""Parse's class _Installation, as its dashboard, its REST API and mongoexport write it.

docs/moving-in/parse.md. Parse Server sends to ios, osx and tvos through APNs, to android through FCM, and to the
channel of Windows that deviceUris names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.lists import json_object
from devices.moving.drafts import Desk, Draft, channel, sandboxed
from devices.registration import RegistrationRefused

APPLE = {"ios", "osx", "macos", "tvos"}
ANDROID = {"android": {"", "gcm", "fcm"}}  # by deviceType the values of pushType that are FCM's
WINDOWS = {"winrt", "winphone", "dotnet"}
DEVELOPMENT = {"development", "sandbox"}
MAIN = "_Default"  # the channel of the app itself; the others are those of secondary tiles
HINTS = ("apnsEnvironment", "environment")  # no field of Parse's own; apps that need it keep it there
KNOWN = {
    *("deviceType", "deviceToken", "deviceUris", "pushType", "installationId", "channels", "timeZone"),
    *("localeIdentifier", "appVersion", "osVersion", "deviceModel", "createdAt", "updatedAt", "_created_at"),
    *("_updated_at", *HINTS, "development"),
}
SILENT = {  # Parse's own bookkeeping
    *("_id", "objectId", "deviceTokenLastModified", "parseVersion", "ACL", "_acl", "_rperm", "_wperm"),
    *("__type", "className"),
}


def columns(names: frozenset[str]) -> bool:
    """Return whether a record with these fields is an installation."""
    return "deviceType" in names and bool(names & {"installationId", "deviceToken", "deviceUris"})


def drafts(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the device of an installation. Raises RegistrationRefused for one that nothing can be sent to."""
    desk.rest(row, KNOWN | SILENT)
    service, address = _address(desk, row)
    yield Draft(
        service,
        address,
        {
            "installation": row.get("installationId"),
            "language": row.get("localeIdentifier"),
            "time_zone": row.get("timeZone"),
            "app_version": row.get("appVersion"),
            "os_version": row.get("osVersion"),
            "model": row.get("deviceModel"),
            "tags": desk.tags("channels", row.get("channels")),
        },
        registered_at=row.get("createdAt", row.get("_created_at")),
        seen_at=row.get("updatedAt", row.get("_updated_at")),
    )


def _address(desk: Desk, row: Mapping[str, Any]) -> tuple[str, object]:
    """Return the service's slug and the address; raise RegistrationRefused."""
    kind, push = str(row["deviceType"]).lower(), str(row.get("pushType", "")).lower()
    if kind in WINDOWS:
        uri = _uri(desk, row)
        return channel(uri), uri
    if kind not in APPLE and push not in ANDROID.get(kind, set()):
        told = _("There is no push service here for the deviceType “%(kind)s” with the pushType “%(push)s”.")
        raise RegistrationRefused({"service": told % {"kind": kind[:40], "push": push[:40]}})
    if "deviceToken" not in row:
        raise RegistrationRefused({"address": _("deviceToken is missing: this installation never got an address.")})
    if kind in APPLE:
        hints = {str(row.get(name, "")).lower() for name in HINTS}
        return "apns", sandboxed(
            row["deviceToken"], sandbox=bool(hints & DEVELOPMENT) or row.get("development") is True
        )
    return "fcm", row["deviceToken"]


def _uri(desk: Desk, row: Mapping[str, Any]) -> object:
    """Return the channel of the app itself, or the only one; raise RegistrationRefused when there is none."""
    uris = json_object("deviceUris", row.get("deviceUris"))
    name = MAIN if MAIN in uris or len(uris) != 1 else next(iter(uris))
    if not uris.get(name):
        raise RegistrationRefused({"address": _("deviceUris has no channel “_Default”: there is nowhere to send.")})
    for other in uris.keys() - {name}:
        desk.ignore(f"deviceUris.{other}")
    return uris[name]
