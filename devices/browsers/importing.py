"""Subscriptions of browsers as other programs keep them, into registrations: one row, one subscription.

Read are what a browser prints of its PushSubscription (Push API, 8.2: endpoint, expirationTime, keys), by itself or
beside what a site keeps with it; the tables of django-push-notifications (WebPushDevice) and django-webpush
(SubscriptionInfo), as CSV or as Django's dumpdata writes them; and our own export. docs/importing-subscriptions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from devices.browsers.subscribing import SERVICE, public_key
from devices.browsers.user_agents import model_of
from devices.common import clock
from devices.lists import ATTRIBUTE, attributes, json_object
from devices.models import App, Device
from devices.push import vapid
from devices.registration import TEXTS, Registration, RegistrationRefused, printable

# By which names a row may tell something; upper and lower case and "_" make no difference.
SPELLED = {
    "endpoint": ("endpoint", "registration_id"),
    "application_key": ("vapid_public_key", "application_key", "applicationServerKey"),
    "registered_at": ("created_at", "made_at", "date_created", "registered_at"),
}
PLAIN = (
    *("p256dh", "auth", "keys", "subscription", "tags", "attributes", "language", "time_zone", *TEXTS),
    *("name", "browser", "user_agent", "status", "active", "test", "retired_reason", "retired_at", "seen_at"),
)
SILENT = {"id", "expirationtime"}  # worth no word: our own id is another one, and a push service says what has expired
LONGEST_NAME = TEXTS["installation"]
# Where django-push-notifications put the end of an endpoint that it kept without its beginning, by its name of the
# browser. Of Edge's there are many.
BEGINNINGS = {
    "chrome": "https://fcm.googleapis.com/fcm/send/",
    "opera": "https://fcm.googleapis.com/fcm/send/",
    "firefox": "https://updates.push.services.mozilla.com/wpush/v2/",
}
BROWSERS = (*BEGINNINGS, "edge", "safari")
TRUE, FALSE = {"true", "t", "yes", "1"}, {"false", "f", "no", "0"}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MILLISECONDS = 1e11  # from here on a number counts milliseconds since 1970, not seconds: as seconds it is the year 5138


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "")


MEANT = {_folded(name): name for name in PLAIN} | {
    _folded(spelling): name for name, spellings in SPELLED.items() for spelling in spellings
}


def are_columns(names: Iterable[str]) -> bool:
    """Return whether a CSV file with these columns lists subscriptions, and not devices of any push service."""
    names = set(names)
    meant = {MEANT.get(_folded(name)) for name in names}
    return not {"service", "address"} <= names and bool(meant & {"endpoint", "subscription"})


def missing_columns(names: Iterable[str]) -> list[str]:
    """Return the columns without which no row can be a subscription."""
    meant = {MEANT.get(_folded(name)) for name in names}
    needed = ["endpoint"] if "keys" in meant else ["endpoint", "p256dh", "auth"]
    return [] if "subscription" in meant else [name for name in needed if name not in meant]


@dataclass(frozen=True, slots=True)
class Said:
    """What a row says: of the device, of its state, and what concerns only a device that is new here."""

    registration: Registration
    state: dict[str, Any] = field(default_factory=dict)  # columns of Device
    initial: dict[str, Any] = field(default_factory=dict)  # likewise


class Reader:
    """Reads rows for an App. ``ignore`` is told the name of what a row has and a device has not."""

    def __init__(self, app: App, ignore: Callable[[str], None]) -> None:
        self.key = public_key(app)
        self.ignore = ignore
        self.now = clock.now()

    def read(self, given: Mapping[str, Any]) -> Said | None:
        """Return what a row says; None for a record of a dump that is no subscription.

        Raises RegistrationRefused with every problem, each naming its field.
        """
        if isinstance(given.get("model"), str) and isinstance(given.get("fields"), Mapping):
            if not are_columns(given["fields"]) or missing_columns(given["fields"]):
                self.ignore(given["model"])
                return None
            given = given["fields"]
        row = self._flat(given)
        problems: dict[str, str] = {}
        fields = self._fields(row, problems)
        state, initial = self._state(row, problems)
        if refusal := self._bound(row.get("application_key")):
            problems["application_key"] = refusal
        try:
            registration = Registration.read(fields)
        except RegistrationRefused as refused:
            raise RegistrationRefused({**refused.problems, **problems}) from None
        if problems:
            raise RegistrationRefused(problems)
        return Said(registration, state, initial)

    def _flat(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a row says by its usual name, what is empty left out; subscription and keys unfolded."""
        row: dict[str, Any] = {}
        for spelled, value in given.items():
            name = MEANT.get(_folded(spelled))
            if spelled.startswith(ATTRIBUTE):
                row[spelled] = value
            elif name is None:
                if _folded(spelled) not in SILENT:
                    self.ignore(spelled)
            elif name == "subscription":
                inner = json_object(name, value)
                row |= self._flat({one: inner[one] for one in inner if MEANT.get(_folded(one)) != name})
            elif name == "keys":
                found = json_object(name, value)
                row |= {key: found[key] for key in ("p256dh", "auth") if found.get(key)}
            elif value is not None and value != "":
                row.setdefault(name, value)
        return row

    def _fields(self, row: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
        """Return the fields of a registration."""
        fields = {name: row[name] for name in (*TEXTS, "language", "time_zone", "tags") if name in row}
        if isinstance(words := row.get("tags"), str):
            fields["tags"] = [tag.strip() for tag in words.split(";") if tag.strip()]
        if found := attributes(row):
            fields["attributes"] = found
        if isinstance(name := row.get("name"), str):
            fields.setdefault("installation", name.strip()[:LONGEST_NAME])
        if model := _model(row):
            fields.setdefault("model", model)
        fields["keys"] = {name: row[name] for name in ("p256dh", "auth") if name in row}
        fields |= {"service": SERVICE, "address": _endpoint(row, problems)}
        return fields

    def _bound(self, theirs: object) -> str:
        """Return why the key that a browser subscribed with is not the App's own, as a sentence; "" when it is."""
        if not self.key:
            return _(
                "This App has no key for browsers yet. Bring the one along that they subscribed with: on its page."
            )
        if theirs is None:
            return ""
        try:
            plain = vapid.encoded(vapid.decoded(theirs)) if isinstance(theirs, str) else ""
        except ValueError:
            plain = ""
        if plain == self.key:
            return ""
        if not plain:
            return _("The row's public key is not base64url.")
        told = _("This subscription is bound to another key (%(theirs)s…) than this App's (%(ours)s…).")
        return told % {"theirs": plain[:12], "ours": self.key[:12]}

    def _state(self, row: Mapping[str, Any], problems: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the state that a row tells, and what it tells of a device that is new here."""
        state: dict[str, Any] = {}
        status = row.get("status", Device.Status.ACTIVE)
        if status not in Device.Status.values:
            problems["status"] = _("status must be one of: %(names)s.") % {"names": ", ".join(Device.Status.values)}
        if status == Device.Status.RETIRED or not yes("active", row.get("active", True), problems):
            reason = row.get("retired_reason") or _("It was not active where it came from.")
            if not printable(str(reason)):
                problems["retired_reason"] = _("retired_reason has control characters, which are not accepted.")
            state = {"status": Device.Status.RETIRED, "retired_reason": str(reason)[:300]}
            state["retired_at"] = self._moment("retired_at", row.get("retired_at"), problems) or self.now
        if "test" in row:
            state["test"] = yes("test", row["test"], problems)
        moments = {name: self._moment(name, row.get(name), problems) for name in ("registered_at", "seen_at")}
        return state, {name: moment for name, moment in moments.items() if moment}

    def _moment(self, name: str, value: object, problems: dict[str, str]) -> datetime | None:
        """Return a moment: ISO 8601 (UTC when it names no zone), or seconds or milliseconds since 1970."""
        if value is None:
            return None
        moment = read_moment(value)
        if moment is None or not EARLIEST <= moment <= self.now + timedelta(days=1):
            told = _("%(field)s is no moment of the past, such as 2026-11-24T20:15:00Z.")
            problems[name] = told % {"field": name}
            return None
        return moment


def _endpoint(row: Mapping[str, Any], problems: dict[str, str]) -> object:
    """Return the endpoint; of one that was kept without its beginning, the whole."""
    endpoint = row.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint.strip():
        problems["address"] = _("endpoint is missing: where the push service wants the messages for this browser.")
        return None
    if "/" in endpoint:
        return endpoint
    beginning = BEGINNINGS.get(str(row.get("browser", "")).strip().lower())
    if beginning is None:
        problems["address"] = _("endpoint is not a whole address, and the browser does not tell how it begins.")
        return None
    return beginning + endpoint.strip()


def _model(row: Mapping[str, Any]) -> str:
    """Return what browser it is: by its User-Agent, else by the name somebody else gave it."""
    words = row.get("user_agent")
    if isinstance(words, str) and (model := model_of(words)):
        return model
    name = str(row.get("browser", "")).strip().lower()
    return name.capitalize() if name in BROWSERS else ""


def yes(name: str, value: object, problems: dict[str, str]) -> bool:
    """Return what a row answers to a question; a problem when it is neither yes nor no."""
    word = str(value).strip().lower()
    if word not in TRUE | FALSE:
        problems[name] = _("%(field)s must be true or false.") % {"field": name}
    return word in TRUE


def read_moment(value: object) -> datetime | None:
    """Return a moment: ISO 8601 (UTC when it names no zone), or seconds or milliseconds since 1970; None for none."""
    try:
        if isinstance(value, str) and not value.strip().isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not isinstance(value, str | int | float):
            return None
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
