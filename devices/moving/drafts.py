"""What a row of another program tells of a device, and the steps from there to a registration that every source shares.

An address decides whether a row can be a device. What stands beside it (language, time zone, tags, …) and cannot be
kept is left out and named, and costs nobody the device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from devices.browsers.importing import EARLIEST, Said, read_moment, yes
from devices.browsers.importing import Reader as BrowserReader
from devices.browsers.subscribing import SERVICE as WEBPUSH
from devices.common import clock
from devices.models import App, Device
from devices.push.base import AddressRefused
from devices.push.services import all_services, find
from devices.registration import (
    MOST_ATTRIBUTES,
    MOST_TAGS,
    Registration,
    RegistrationRefused,
    attribute_problem,
    printable,
)
from devices.targets import let_through

BESIDE = {"installation", "language", "time_zone", "os_version", "app_version", "model"}  # what may be left out
NOTHING = ("", "NULL", "\\N")  # what an empty cell is in the CSV of PostgreSQL and MySQL
SANDBOX = "sandbox:"  # before a device token that a development build got
HEXADECIMAL = re.compile("(?:[0-9a-f]{64}|[0-9A-F]{64})")  # a device token of today
LONG = 100  # characters from which on a text without blanks is rather a registration token than a slip


@dataclass(frozen=True, slots=True)
class Draft:
    """One device as a row tells of it, nothing of it checked. Moments are as the row has them."""

    service: str
    address: object
    fields: Mapping[str, Any] = field(default_factory=dict)  # further ones of a registration
    keys: Mapping[str, Any] = field(
        default_factory=dict
    )  # of a browser's subscription, by the names of our own list: p256dh, auth, browser
    active: bool = True
    reason: str = ""  # why it is not active
    registered_at: object = None
    seen_at: object = None
    retired_at: object = None


class Desk:
    """Makes registrations of drafts, for one App. ``ignore`` is told the name of what a device has no place for."""

    def __init__(self, app: App, ignore: Callable[[str], None]) -> None:
        self.app = app
        self.ignore = ignore
        self.now = clock.now()

    @cached_property
    def browsers(self) -> BrowserReader:
        """What reads subscriptions of browsers."""
        return BrowserReader(self.app, self.ignore)

    def said(self, draft: Draft) -> Said:
        """Return what a draft says; raise RegistrationRefused when its address, or a browser's key, is none."""
        fields = {name: value for name, value in draft.fields.items() if value not in (None, "", [], {})}
        try:
            return self._said(draft, fields)
        except RegistrationRefused as refused:
            wrong = set(refused.problems) & BESIDE
            if set(refused.problems) - BESIDE:
                raise RegistrationRefused(
                    {name: told for name, told in refused.problems.items() if name not in BESIDE}
                ) from None
        for name in sorted(wrong):
            self.ignore(f"{name} “{fields[name]}”")
        return self._said(draft, {name: value for name, value in fields.items() if name not in wrong})

    def _said(self, draft: Draft, fields: dict[str, Any]) -> Said:
        names = ("registered_at", "seen_at", "retired_at")
        found = {name: self.moment(name, getattr(draft, name)) for name in names}
        moments = {name: moment for name, moment in found.items() if moment}
        state: dict[str, Any] = {}
        if not draft.active:
            reason = draft.reason or _("It was not active where it came from.")
            state = {"status": Device.Status.RETIRED, "retired_reason": reason[:300], "retired_at": self.now}
            state |= {"retired_at": moments["retired_at"]} if "retired_at" in moments else {}
        if draft.service == WEBPUSH:
            row = {**fields, **draft.keys, "endpoint": draft.address}
            registration = self.browsers.read(row).registration  # type: ignore[union-attr]  # it is no record of a dump
        else:
            registration = _read(draft, fields)
        initial = {name: moment for name, moment in moments.items() if name != "retired_at"}
        return Said(registration, state, initial)

    def moment(self, name: str, value: object) -> datetime | None:
        """Return a moment as the sources write them; None, and the value named, when it is none of the past."""
        while isinstance(value, Mapping):  # {"$date": {"$numberLong": "…"}} of MongoDB, {"iso": …} of Parse
            value = next((value[key] for key in ("$date", "$numberLong", "iso") if key in value), None)
        if isinstance(value, str):
            value = value.strip().removesuffix(" UTC")
        if value in (None, ""):
            return None
        moment = read_moment(value)
        if moment is None or not EARLIEST <= moment <= self.now + timedelta(days=1):
            self.ignore(f"{name} “{value}”")
            return None
        return moment

    def rest(self, row: Mapping[str, Any], known: Iterable[str]) -> None:
        """Name the columns of a row that are not among the known ones."""
        for name in sorted(row.keys() - set(known)):
            self.ignore(name)

    def tags(self, name: str, values: object) -> list[str]:
        """Return those of the values that a tag may be; the others are named."""
        tags: list[str] = []
        for value in values if isinstance(values, list) else [values] if values else []:
            plain = value.strip() if isinstance(value, str) else ""
            if not 1 <= len(plain) <= 60 or not printable(plain) or (len(tags) >= MOST_TAGS and plain not in tags):
                self.ignore(f"{name} “{value}”")
            elif plain not in tags:
                tags.append(plain)
        return tags

    def attributes(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by names that attributes may have: lower case, "_" for every other character.

        Those that cannot be kept are named.
        """
        found: dict[str, Any] = {}
        for key, value in values.items():
            plain = re.sub(r"[^a-z0-9_]", "_", str(key).strip().lower())
            if attribute_problem(plain, value) or plain in found or len(found) >= MOST_ATTRIBUTES:
                self.ignore(f"{name}.{key}")
            elif value != "":
                found[plain] = value
        return found


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row tells: texts without the blanks around them, and nothing that is empty."""
    plain = {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}
    return {name: value for name, value in plain.items() if value is not None and value not in NOTHING}


def is_active(row: Mapping[str, Any], name: str = "active") -> bool:
    """Return whether a row that may say so is active; raise RegistrationRefused when it says neither."""
    problems: dict[str, str] = {}
    active = yes(name, row.get(name, True), problems)
    if problems:
        raise RegistrationRefused(problems)
    return active


def sandboxed(address: object, *, sandbox: bool) -> object:
    """Return a device token as it is registered: ``sandbox:`` before that of a development build."""
    if sandbox and isinstance(address, str) and not address.startswith(SANDBOX):
        return SANDBOX + address
    return address


def channel(address: object) -> str:
    """Return the slug of the service whose channel of Windows this is; "wns" when it is none of any."""
    slug = owner(address)
    return slug if isinstance(address, str) and "://" in address and slug not in ("", WEBPUSH) else "wns"


def owner(address: object) -> str:
    """Return the slug of the service whose address this is beyond doubt; "" when it could be anything."""
    if not isinstance(address, str):
        return ""
    if "://" not in address:
        if HEXADECIMAL.fullmatch(address.removeprefix(SANDBOX)):
            return "apns"
        return "fcm" if len(address) >= LONG and _is_address("fcm", address) else ""
    slugs = [service.slug for service in all_services()]
    ordered = sorted(slugs, key=lambda slug: slug == WEBPUSH)  # browsers last: they have hosts of the others, too
    return next((slug for slug in ordered if _is_address(slug, address)), "")


def _is_address(slug: str, address: str) -> bool:
    try:
        find(slug).clean_address(address, extra_hosts=let_through())
    except AddressRefused:
        return False
    return True


def _read(draft: Draft, fields: dict[str, Any]) -> Registration:
    """Return the registration; raise RegistrationRefused, in other words when the address is another service's."""
    try:
        return Registration.read({**fields, "service": draft.service, "address": draft.address})
    except RegistrationRefused as refused:
        other = owner(draft.address) if "address" in refused.problems else ""
        if other in ("", draft.service):
            raise
        sentence = _("address: it is one for %(other)s, and the row says %(service)s.")
        labels = {"other": find(other).label, "service": find(draft.service).label}
        raise RegistrationRefused({**refused.problems, "address": sentence % labels}) from None
