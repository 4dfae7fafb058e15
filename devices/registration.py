"""Register, refresh, retire, forget: one path for the API, the import and the admin.

What comes from outside becomes a ``Registration``, which checks and normalises itself and knows every problem by the
field that has it. What a known device does not mention stays as it was.

The key of an App is known to everybody who has the app, so a registration with it proves nothing but the address it
names: who knows the address of a device may renew that device, which gets a new secret. The installation is a name
like the model is, worth nothing as a proof. Everything else asks for the secret of the device (``change``) or is done
by somebody of the team (``by_hand``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from devices.common import clock, zones
from devices.common.secrets import digest, new_key
from devices.models import App, Device
from devices.push.base import AddressRefused
from devices.push.services import all_services, find
from devices.targets import let_through
from devices.upsert import ALIVE, Write, upsert
from devices.versions import rank

T = TypeVar("T")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_KEY = re.compile(r"[a-z0-9_]{1,40}")
MOST_TAGS, MOST_ATTRIBUTES, LONGEST_VALUE = 50, 50, 200
LONGEST_KEY = 500  # characters of one of a device's keys
TEXTS = {"installation": 200, "os_version": 40, "app_version": 40, "model": 100}  # field → most characters
FIELDS = ("service", "address", *TEXTS, "language", "time_zone", "tags", "attributes", "keys")


def slugs() -> list[str]:
    """Return the slugs of the push services a device can register with."""
    return [service.slug for service in all_services()]


class RegistrationRefused(ValueError):
    """What came is not a registration. ``problems`` are sentences by field; ``str(error)`` is all of them."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join(self.problems.values()))


class Taken(ValueError):
    """A change would give a device what another one has. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What an installation says of itself, checked and normalised."""

    service: str
    address: str
    installation: str = ""
    language: str = ""
    time_zone: str = ""
    os_version: str = ""
    app_version: str = ""
    model: str = ""
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # secrets that go with the address
    given: frozenset[str] = frozenset()  # the fields that were mentioned

    @classmethod
    def read(cls, given: Mapping[str, Any], known: Device | None = None) -> Registration:
        """Return what ``given`` says; raise RegistrationRefused with every problem.

        With ``known``, a change to that device: service and address need not be mentioned.
        """
        reader = _Reader({"service": known.service, "address": known.address, **given} if known else given)
        for name in sorted(set(given) - set(FIELDS))[:1]:
            told = _("There is no field “%(name)s”. There are: %(names)s.")
            reader.problems[name[:40]] = told % {"name": name[:40], "names": ", ".join(FIELDS)}
        service = reader.service()
        registration = cls(
            service=service,
            address=reader.address(service),
            installation=reader.text("installation", TEXTS["installation"]),
            language=reader.language(),
            time_zone=reader.time_zone(),
            os_version=reader.text("os_version", TEXTS["os_version"]),
            app_version=reader.text("app_version", TEXTS["app_version"]),
            model=reader.text("model", TEXTS["model"]),
            tags=reader.tags(),
            attributes=reader.attributes(),
            keys=reader.keys(service) if known is None or given.get("address") is not None else {},
            given=frozenset(name for name in given if given[name] is not None),
        )
        if known is not None and given.get("keys") and not given.get("address"):
            reader.problems["keys"] = _("keys: they come with an address.")
        if reader.problems:
            raise RegistrationRefused(reader.problems)
        return registration

    def columns(self) -> dict[str, Any]:
        """Return the columns of Device that this sets: those of the fields that were mentioned."""
        plain = ("service", "installation", "language", "time_zone", "os_version", "app_version", "model")
        columns = {name: getattr(self, name) for name in plain if name in self.given}
        if "address" in self.given:
            columns |= {
                "address": self.address,
                "address_digest": digest(self.address),
                "keys": dict(self.keys) or None,
            }
        if "os_version" in self.given:
            columns["os_rank"] = rank(self.os_version)
        if "app_version" in self.given:
            columns["app_rank"] = rank(self.app_version)
        if "attributes" in self.given:
            columns["attributes"] = dict(self.attributes)
        return columns


@dataclass(slots=True)
class _Reader:
    """Reads field by field and gathers what is wrong."""

    given: Mapping[str, Any]
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, longest: int) -> str:
        value = self.given.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.problems[name] = _("%(field)s must be text.") % {"field": name}
            return ""
        value = value.strip()
        if len(value) > longest:
            told = _("%(field)s has %(count)s characters; at most %(most)d are accepted.")
            self.problems[name] = told % {"field": name, "count": f"{len(value):,}", "most": longest}
        elif not printable(value):
            self.problems[name] = _("%(field)s has control characters, which are not accepted.") % {"field": name}
        return value

    def service(self) -> str:
        slug = self.text("service", 20)
        if slug not in slugs() and "service" not in self.problems:
            self.problems["service"] = _("service must be one of: %(names)s.") % {"names": ", ".join(slugs())}
        return slug

    def address(self, service: str) -> str:
        raw = self.given.get("address")
        if not isinstance(raw, str) or not raw:
            told = _("address is missing: where the push service wants the messages for this device.")
            self.problems["address"] = told
            return ""
        if "service" in self.problems:
            return ""
        try:
            return find(service).clean_address(raw.strip(), extra_hosts=let_through())
        except AddressRefused as refusal:
            self.problems["address"] = _("address: %(problem)s") % {"problem": refusal}
            return ""

    def language(self) -> str:
        value = self.text("language", 35)
        if value and "language" not in self.problems and not _LANGUAGE.fullmatch(value):
            told = _("language “%(value)s” is not a language tag; write for example de or de-AT.")
            self.problems["language"] = told % {"value": value[:40]}
        return normal_language(value)

    def time_zone(self) -> str:
        value = self.text("time_zone", 64)
        if value and "time_zone" not in self.problems and value not in zones.KNOWN:
            told = _("time_zone “%(value)s” is not known; write for example Europe/Berlin.")
            self.problems["time_zone"] = told % {"value": value}
        return value

    def tags(self) -> tuple[str, ...]:
        values = self.given.get("tags") or []
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            self.problems["tags"] = _("tags must be a list of words.")
            return ()
        if len(values) > MOST_TAGS:
            told = _("tags has %(count)s words; at most %(most)d are accepted.")
            self.problems["tags"] = told % {"count": f"{len(values):,}", "most": MOST_TAGS}
            return ()
        for value in values:
            if not 1 <= len(value.strip()) <= 60 or not printable(value):
                told = _("tags: “%(value)s” is not a tag of 1 to 60 plain characters.")
                self.problems["tags"] = told % {"value": value[:40]}
                return ()
        return tuple(dict.fromkeys(value.strip() for value in values))

    def attributes(self) -> dict[str, str | int | float | bool]:
        values = self.given.get("attributes") or {}
        if not isinstance(values, Mapping):
            self.problems["attributes"] = _("attributes must be names with values.")
            return {}
        if len(values) > MOST_ATTRIBUTES:
            told = _("attributes has %(count)s names; at most %(most)d are accepted.")
            self.problems["attributes"] = told % {"count": f"{len(values):,}", "most": MOST_ATTRIBUTES}
            return {}
        for name, value in values.items():
            if problem := attribute_problem(name, value):
                self.problems["attributes"] = _("attributes: %(problem)s") % {"problem": problem}
                return {}
        return dict(values)

    def keys(self, service: str) -> dict[str, str]:
        values = self.given.get("keys") or {}
        if not isinstance(values, Mapping) or not all(
            isinstance(value, str) and len(value) <= LONGEST_KEY and printable(value) for value in values.values()
        ):
            told = _("keys must be names with texts of at most %(most)s characters.")
            self.problems["keys"] = told % {"most": LONGEST_KEY}
            return {}
        if "service" in self.problems:
            return {}
        try:
            return find(service).clean_keys(values)
        except AddressRefused as refusal:
            self.problems["keys"] = _("keys: %(refusal)s") % {"refusal": refusal}
            return {}


def attribute_problem(name: Any, value: Any) -> str:
    """Return what is wrong with one attribute as a sentence, or ""."""
    if not isinstance(name, str) or not _KEY.fullmatch(name):
        told = _("“%(name)s” is not a name of 1 to 40 of the characters a-z, 0-9 and _.")
        return told % {"name": str(name)[:40]}
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        # nan and inf are not below it
        return "" if abs(value) < 1e15 else _("the number of “%(name)s” is too large.") % {"name": name}
    if not isinstance(value, str):
        return _("“%(name)s” must be text, a number, true or false.") % {"name": name}
    if len(value) > LONGEST_VALUE:
        told = _("“%(name)s” has %(count)s characters; at most %(most)d are accepted.")
        return told % {"name": name, "count": f"{len(value):,}", "most": LONGEST_VALUE}
    return "" if printable(value) else _("“%(name)s” has control characters, which are not accepted.") % {"name": name}


def printable(text: str) -> bool:
    """Return whether ``text`` has no control characters, no direction overrides and no lone surrogates."""
    return not any(
        unicodedata.category(letter) in {"Cc", "Cs"} or "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
        for letter in text
    )


def is_language(value: str) -> bool:
    """Return whether ``value`` is a language tag as we keep them, in whatever spelling."""
    return len(value) <= 35 and _LANGUAGE.fullmatch(value) is not None


def normal_language(value: str) -> str:
    """Return a language tag in its usual spelling: "DE_at" → "de-AT", "zh-hant-tw" → "zh-Hant-TW"."""
    first, *rest = value.replace("_", "-").split("-")
    parts = [part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part.lower() for part in rest]
    return "-".join([first.lower(), *parts])


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration, with the device's new secret ("" when it keeps the one it has)."""

    device: Device
    created: bool
    secret: str


def register(app: App, registration: Registration) -> Registered:
    """Make a device, or renew the one that has this address. It comes back to life, and only the new secret opens it.

    Of many identical registrations at once exactly one makes the row.
    """
    return _patiently(lambda: _register(app, registration, _at(app, registration.address), new_key("ds")))


def registered(app: App, registration: Registration, known: Callable[[], Device | None]) -> Registered:
    """Make a device, or renew the locked row that ``known`` returns. Nobody learns a secret of it."""
    return _patiently(lambda: _register(app, registration, known(), ""))


def register_by_hand(app: App, registration: Registration, public_id: UUID | None = None) -> Registered:
    """Make a device, or bring up to date the one that has this id (without one: this installation), or this address.

    For people of the team. Another device that has the address gives way: one address, one device, one push. A known
    device keeps its secret, which it could not learn anew. Raises RegistrationRefused when several have the
    installation.
    """

    def step() -> Registered:
        known = _meant(app, registration, public_id)
        return _register(app, registration, known, "" if known else new_key("ds"), public_id)

    return _patiently(step)


def register_at_address(app: App, registration: Registration) -> Registered:
    """Make a device, or bring up to date the one that has this address, whatever else it is called. No new secret."""
    return registered(app, registration, lambda: _at(app, registration.address))


def change(device: Device, registration: Registration) -> Device:
    """Change what a device said of itself; one that had been retired comes back to life with a new address.

    Raises Taken: only a registration takes an address over from another device.
    """
    return _patiently(lambda: _change(device, registration))


def _patiently(step: Callable[[], T]) -> T:
    """Take ``step`` in a transaction; again when somebody else made the same row meanwhile: then it is found.

    Again, too, when the database ended a deadlock at our cost (OperationalError).
    """
    for _attempt in range(4):
        with suppress(IntegrityError, OperationalError), transaction.atomic():
            return step()
    with transaction.atomic():
        return step()


def _register(
    app: App, registration: Registration, known: Device | None, secret: str, public_id: UUID | None = None
) -> Registered:
    (device,) = upsert(app, [Write(registration, known, secret, public_id)])
    return Registered(device, created=known is None, secret=secret)


def _change(device: Device, registration: Registration) -> Device:
    known = Device.objects.select_for_update().get(pk=device.pk)
    columns = registration.columns()
    others = Device.objects.filter(app=known.app_id, address_digest=columns.get("address_digest")).exclude(pk=known.pk)
    if others.exists():
        raise Taken(_("address belongs to another device of this App. Register again to renew that one."))
    return upsert(device.app, [Write(registration, known)])[0]


def _at(app: App, address: str) -> Device | None:
    """Return the locked row that has this address."""
    return Device.objects.select_for_update().filter(app=app, address_digest=digest(address)).first()


def _meant(app: App, registration: Registration, public_id: UUID | None) -> Device | None:
    """Return the locked row that somebody of the team means; another row that has the address gives way."""
    holds, name = digest(registration.address), "" if public_id else registration.installation
    means = Q(address_digest=holds)
    if public_id:
        means |= Q(public_id=public_id)
    elif name:
        means |= Q(installation=name)
    # In one order, so that two that swap their addresses do not wait for each other.
    rows = list(Device.objects.select_for_update().filter(means, app=app).order_by("pk"))
    holder = next((row for row in rows if row.address_digest == holds), None)
    named = [row for row in rows if name and row.installation == name]
    meant = next((row for row in rows if row.public_id == public_id), None)
    if meant is None and len(named) > 1 and holder not in named:
        told = _("installation “%(name)s” is that of %(count)d devices; name the one you mean by its id.")
        raise RegistrationRefused({"installation": told % {"name": name[:40], "count": len(named)}})
    if meant is None:
        meant = holder if holder in named or not named else named[0]
    if holder and meant and holder.pk != meant.pk:
        forget(holder)  # the address moved on
    return meant


def retire(device: Device, reason: str) -> bool:
    """Stop using a device, keeping it with the reason; return False when it was retired already."""
    columns = {"status": Device.Status.RETIRED, "retired_reason": reason[:300], "retired_at": clock.now()}
    return bool(Device.objects.filter(pk=device.pk, status=Device.Status.ACTIVE).update(**columns))


def retire_all(app: App, service: str, reason: str) -> int:
    """Stop using every device of an App at one push service; return how many that were."""
    columns = {"status": Device.Status.RETIRED, "retired_reason": reason[:300], "retired_at": clock.now()}
    return Device.objects.filter(app=app, service=service, status=Device.Status.ACTIVE).update(**columns)


def revive(device: Device) -> bool:
    """Use a retired device again; return False when it was not retired."""
    return bool(Device.objects.filter(pk=device.pk, status=Device.Status.RETIRED).update(**ALIVE))


def forget(device: Device) -> None:
    """Erase a device and everything known of it; the history of campaigns keeps only its bare number."""
    Device.objects.filter(pk=device.pk).delete()
