"""What rpush knows of devices: the addresses it sent to, those that a feedback named, and a table of its users' own.

docs/moving-in/rpush.md. rpush has no list of devices: its table rpush_notifications has a row for every message, so the
same address comes again and again, and the last row counts. The type of a row is a class of Ruby, such as
Rpush::Client::ActiveRecord::Apnsp8::Notification or …::Fcm::App.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.browsers.subscribing import SERVICE as WEBPUSH
from devices.moving.drafts import Desk, Draft, channel, is_active, sandboxed
from devices.registration import RegistrationRefused

SERVICES = {"apns": "apns", "apns2": "apns", "apnsp8": "apns", "fcm": "fcm", "gcm": "fcm", "webpush": WEBPUSH}
WINDOWS = {"wns", "wpns"}
KINDS = ("type", "rpush_app_type", "app")  # the columns that may have the class
ADDRESSES = ("device_token", "registration_ids", "registration_id", "uri")
RUBY = re.compile(r"(?:\w+::)*(?P<service>\w+)::\w*(?:Notification|App)")
DEVELOPMENT = {"development", "sandbox"}  # of rpush_apps.environment
# What says for good that nobody is at the address: 410 of APNs and Web Push, 404 of FCM, WNS and Web Push, and 8
# (invalid token) of Apple's former binary interface. Of a 400 the message may have been the cause.
GONE = {"apns": {"8", "410"}, "fcm": {"404"}, "wns": {"404", "410"}, WEBPUSH: {"404", "410"}}
UNREGISTERED = "NotRegistered"  # of GCM, which has no code: rpush tells the word in error_description
OF_DEVICES = {*ADDRESSES, *KINDS, "environment", "created_at", "error_code", "error_description", "failed", "failed_at"}
OF_MESSAGES = {  # columns of rpush_notifications that say nothing of a device, worth no word
    *("id", "badge", "sound", "alert", "data", "expiry", "delivered", "delivered_at", "deliver_after", "updated_at"),
    *("alert_is_json", "sound_is_json", "collapse_key", "delay_while_idle", "app_id", "retries", "fail_after"),
    *("processing", "priority", "url_args", "category", "content_available", "notification", "mutable_content"),
    *("external_device_id", "thread_id", "dry_run"),
}


def columns(names: frozenset[str]) -> bool:
    """Return whether these are columns of rpush_notifications, or of a table of devices that names rpush's classes."""
    if names & {"endpoint", "service", "identifier"}:
        return False
    if names & {"rpush_app_type", "app"} and names & set(ADDRESSES):
        return True
    return "type" in names and bool(names & {"device_token", "registration_ids", "uri"})


def feedback_columns(names: frozenset[str]) -> bool:
    """Return whether these are columns of rpush_feedback."""
    return {"device_token", "failed_at"} <= names and not names & set(KINDS)


def drafts(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the devices that a row names: of a message to several, each. Raises RegistrationRefused."""
    desk.rest(row, OF_DEVICES | OF_MESSAGES)
    kind = _kind(row)
    addresses = _addresses(row)
    if not addresses:
        raise RegistrationRefused({"address": _("This row names no address.")})
    for address in addresses:
        yield _draft(row, kind, address, alone=len(addresses) == 1)


def feedback(desk: Desk, row: Mapping[str, Any], model: str) -> Iterator[Draft]:
    """Yield the device that Apple's feedback service named: it is not there any more. Raises RegistrationRefused."""
    desk.rest(row, OF_DEVICES | OF_MESSAGES)
    token = sandboxed(row.get("device_token"), sandbox=_is_sandbox(row))
    reason = _("Apple's feedback service named its address to rpush.")
    yield Draft("apns", token, active=False, reason=reason, retired_at=row.get("failed_at"))


def _kind(row: Mapping[str, Any]) -> str:
    """Return rpush's short name of the service in lower case; raise RegistrationRefused when none is here."""
    said = [str(row[name]) for name in KINDS if name in row]
    found = [match["service"].lower() for word in said if (match := RUBY.fullmatch(word))]
    for kind in found:
        if kind in SERVICES or kind in WINDOWS:
            return kind
    told = _("There is no push service here for the type “%(kind)s”.")
    raise RegistrationRefused({"service": told % {"kind": (said or [""])[0][:80]}})


def _addresses(row: Mapping[str, Any]) -> list[object]:
    """Return the addresses of a row; raise RegistrationRefused when a list of them is none."""
    several = row.get("registration_ids")
    found: list[object] = [row[name] for name in ("device_token", "registration_id", "uri") if name in row]
    if isinstance(several, str):
        try:
            several = json.loads(several)
        except (ValueError, RecursionError):
            several = several.split() if "[" not in several else {}
    if several is not None and not isinstance(several, list):
        raise RegistrationRefused({"address": _("registration_ids is not a JSON list.")})
    return found + (several or [])


def _draft(row: Mapping[str, Any], kind: str, address: object, *, alone: bool) -> Draft:
    keys: Mapping[str, Any] = {}
    service = channel(address) if kind in WINDOWS else SERVICES[kind]
    if service == WEBPUSH:
        subscription = address if isinstance(address, Mapping) else {}
        address, keys = subscription.get("endpoint"), {"keys": subscription.get("keys")}
    if service == "apns":
        address = sandboxed(address, sandbox=_is_sandbox(row))
    gone = alone and _is_gone(row, service)
    reason = _("Its push service told rpush that it is gone.") if gone else ""
    return Draft(
        service,
        address,
        keys=keys,
        active=not gone,
        reason=reason,
        retired_at=row.get("failed_at") if gone else None,
        registered_at=row.get("created_at"),
    )


def _is_sandbox(row: Mapping[str, Any]) -> bool:
    return str(row.get("environment", "")).lower() in DEVELOPMENT


def _is_gone(row: Mapping[str, Any], service: str) -> bool:
    """Return whether a row says that a message failed because nobody is at the address."""
    if "failed" not in row or not is_active(row, "failed"):
        return False
    if str(row.get("error_code", "")) in GONE.get(service, set()):
        return True
    return service == "fcm" and UNREGISTERED in str(row.get("error_description", ""))
