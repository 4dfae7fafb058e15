"""A browser's subscription into a device's row: new, renewed, moved to another endpoint, ended."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from devices.common import zones
from devices.common.secrets import digest
from devices.models import App, Credential, Device
from devices.push.base import AddressRefused
from devices.push.services import find
from devices.registration import (
    Registered,
    Registration,
    RegistrationRefused,
    Taken,
    is_language,
    registered,
    retire,
)
from devices.targets import let_through

SERVICE = "webpush"
OWN = ("installation", "language", "time_zone", "tags", "attributes")  # what a page may say beside the subscription
FIELDS = ("subscription", "former", "application_key", *OWN)
UNSUBSCRIBED = "Its visitor unsubscribed."
RENEWED = "Its browser has another subscription now."


def public_key(app: App) -> str:
    """Return the key that browsers subscribe with; "" when the App has none."""
    row = Credential.objects.filter(app=app, service=SERVICE).only("fingerprint").first()
    return row.fingerprint if row else ""


def read(app: App, given: Mapping[str, Any], model: str = "") -> tuple[Registration, tuple[str, str] | None]:
    """Return what a page said: a registration, and endpoint and auth of the subscription that it takes the place of.

    Raises RegistrationRefused with every problem, each naming its field, and Taken when the browser subscribed with
    another key than this App's.
    """
    for name in sorted(set(given) - set(FIELDS))[:1]:
        told = _("There is no field “%(name)s”. There are: %(names)s.")
        raise RegistrationRefused({name[:40]: told % {"name": name[:40], "names": ", ".join(FIELDS)}})
    key, theirs = public_key(app), given.get("application_key")
    if not key:
        raise Taken(_("This App has no key for browsers yet; it is made on the App's page."))
    if theirs is not None and theirs != key:
        raise Taken(_("The browser subscribed with another key than this App's: unsubscribe it, then subscribe again."))
    endpoint, keys = _subscription(given.get("subscription"))
    said = {name: given[name] for name in OWN if given.get(name) is not None and not _odd(name, given[name])}
    registration = Registration.read({"service": SERVICE, "address": endpoint, "keys": keys, "model": model, **said})
    return registration, _former(given.get("former"))


def _odd(name: str, value: Any) -> bool:
    """Return whether a browser told a language or zone that nobody can use, such as "en-US@posix" or "+02:00".

    Its visitor can do nothing about it, so it is left out.
    """
    if not isinstance(value, str):
        return False
    return (name == "language" and not is_language(value)) or (name == "time_zone" and value not in zones.KNOWN)


def _subscription(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, Mapping):
        told = _("subscription is missing: what JSON.stringify makes of the browser's PushSubscription.")
        raise RegistrationRefused({"subscription": told})
    return value.get("endpoint"), value.get("keys")


def _former(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    endpoint = value.get("endpoint") if isinstance(value, Mapping) else None
    auth = value.get("auth") if isinstance(value, Mapping) else None
    if not isinstance(endpoint, str) or not isinstance(auth, str):
        raise RegistrationRefused({"former": _("former must have the endpoint and the auth of the old subscription.")})
    return endpoint, auth


def subscribe(app: App, registration: Registration, former: tuple[str, str] | None = None) -> Registered:
    """Make a device of a browser, or bring up to date the one it is; it comes back to life.

    The one that it is has this endpoint, or the ``former`` one, proved by that subscription's secret. Raises Taken when
    somebody names another's endpoint with keys of their own: a browser never changes the keys of an endpoint.
    """

    def known() -> Device | None:
        row = _locked(app, registration.address)
        if row is not None and row.keys is not None and not _same(row.keys, registration.keys):
            raise Taken(_("This endpoint is known with other keys, and a browser never changes them."))
        old = _locked(app, former[0]) if former else None
        if old is None or former is None or not _proved(old, former[1]):
            return row
        if row is not None and row.pk != old.pk:
            retire(old, RENEWED)
        return row or old

    return registered(app, registration, known)


def unsubscribe(app: App, subscription: Mapping[str, Any]) -> bool:
    """Retire the device of a subscription, proved by its secret; return whether there was one."""
    keys = subscription.get("keys")
    endpoint, auth = subscription.get("endpoint"), keys.get("auth") if isinstance(keys, Mapping) else None
    if not isinstance(endpoint, str) or not isinstance(auth, str):
        told = _("subscription must have the endpoint, and keys with auth, of the browser's PushSubscription.")
        raise RegistrationRefused({"subscription": told})
    row = Device.objects.filter(app=app, service=SERVICE, address_digest=digest(_clean(endpoint))).first()
    return row is not None and _proved(row, auth) and retire(row, UNSUBSCRIBED)


def _locked(app: App, endpoint: str) -> Device | None:
    rows = Device.objects.select_for_update().filter(app=app, service=SERVICE)
    return rows.filter(address_digest=digest(_clean(endpoint))).first()


def _clean(endpoint: str) -> str:
    try:
        return find(SERVICE).clean_address(endpoint.strip(), extra_hosts=let_through())
    except AddressRefused:
        return ""


def _proved(row: Device, auth: str) -> bool:
    try:
        kept = row.keys or {}
        clean = find(SERVICE).clean_keys({**kept, "auth": auth})
    except AddressRefused:
        return False
    return hmac.compare_digest(kept["auth"], clean["auth"])


def _same(kept: Mapping[str, str], given: Mapping[str, str]) -> bool:
    return all(hmac.compare_digest(kept.get(name, ""), given.get(name, "")) for name in ("p256dh", "auth"))
