"""The programs and services that devices come from, how their rows are known, and the way from a row to its devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from devices.browsers.importing import Said
from devices.common.secrets import digest
from devices.models import App
from devices.moving import django_push_notifications, fcm_django, onesignal, parse, rpush
from devices.moving.drafts import Desk, Draft, told
from devices.moving.met import Met
from devices.registration import RegistrationRefused


@dataclass(frozen=True, slots=True)
class Source:
    """A table of another program: which columns or fields it has, and what a row of it tells.

    ``drafts`` takes the desk, the row without what is empty, and the name of the model in a dump (else "").
    """

    columns: Callable[[frozenset[str]], bool]
    drafts: Callable[[Desk, Mapping[str, Any], str], Iterator[Draft]]
    repeats: bool = False  # the same address comes again and again, as a matter of course: the last row counts


SOURCES = (
    Source(django_push_notifications.columns, django_push_notifications.drafts),
    Source(fcm_django.columns, fcm_django.drafts),
    Source(parse.columns, parse.drafts),
    Source(onesignal.columns, onesignal.drafts),
    Source(rpush.columns, rpush.drafts, repeats=True),
    Source(rpush.feedback_columns, rpush.feedback, repeats=True),
)


def of_columns(names: Iterable[str]) -> Source | None:
    """Return the source whose rows have these columns; None for a list of any other kind."""
    names = frozenset(names)
    return next((source for source in SOURCES if source.columns(names)), None)


def unfolded(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the fields of a record of Django's dumpdata and the name of its model; of any other row itself and ""."""
    if isinstance(row.get("model"), str) and isinstance(row.get("fields"), Mapping):
        return row["fields"], row["model"]
    return row, ""


class Mover:
    """Reads rows of other programs' tables for an App: every address once, whatever else the rows say.

    ``ignore`` is told the name of what a device has no place for, ``repeat`` of every row that a later one replaces.
    ``elements``: rows are counted as elements of a JSON array, not as lines.
    """

    def __init__(self, app: App, ignore: Callable[[str], None], repeat: Callable[[], None], *, elements: bool) -> None:
        self.desk = Desk(app, ignore)
        self.repeat = repeat
        self.elements = elements
        self.met = Met()

    def look(self, line: int, row: Mapping[str, Any]) -> None:
        """Look at a row for the first time: where addresses repeat, the last row of each is remembered."""
        fields, model = unfolded(row)
        source = of_columns(fields)
        if source is not None and source.repeats:
            for said in self._said(source, fields, model):
                if isinstance(said, Said):
                    self.met.note(digest(said.registration.address), line)

    def read(self, line: int, row: Mapping[str, Any]) -> Iterator[Said | RegistrationRefused] | None:
        """Return what a row says, device by device, and what is not taken; None for a row of no source known here."""
        fields, model = unfolded(row)
        source = of_columns(fields)
        return self._devices(source, line, fields, model) if source is not None else None

    def _devices(
        self, source: Source, line: int, fields: Mapping[str, Any], model: str
    ) -> Iterator[Said | RegistrationRefused]:
        for said in self._said(source, fields, model):
            if isinstance(said, RegistrationRefused):
                yield said
            elif source.repeats:
                if self.met.take(digest(said.registration.address), line):
                    yield said
                else:
                    self.repeat()
            elif earlier := self.met.first(digest(said.registration.address), line):
                sentence = _("address: line %(line)d has it already, and the first one counts.")
                if self.elements:
                    sentence = _("address: element %(line)d has it already, and the first one counts.")
                yield RegistrationRefused({"address": sentence % {"line": earlier}})
            else:
                yield said

    def _said(self, source: Source, fields: Mapping[str, Any], model: str) -> Iterator[Said | RegistrationRefused]:
        drafts = source.drafts(self.desk, told(fields), model)
        while True:
            try:
                draft = next(drafts, None)
                if draft is None:
                    return
                yield self.desk.said(draft)
            except RegistrationRefused as refusal:
                yield refusal
