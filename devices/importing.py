"""Devices from a list, for the command and the page: read as a stream, row by row, in constant memory.

A list is a CSV file as the export of devices writes it, or subscriptions of browsers as other programs keep them: CSV,
JSON lines or a JSON array (devices/browsers/importing.py), or a table of another program (devices/moving). How it
begins and the names of its columns or fields tell which.

The file is read twice. The first time only its form is looked at: one that is no list of devices, or breaks off in the
middle, changes nothing. Then a row is whole or not there at all: one that cannot be a registration is listed with its
line and its reason, every other goes through the same upsert as the API's (devices/upsert.py), 500 at a time. What the
export of devices writes comes back as it was, the state of the devices included.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO, Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from devices import lists, registration
from devices.browsers.importing import Reader, Said, are_columns, missing_columns
from devices.common.cells import unguarded
from devices.common.secrets import digest
from devices.exporting import STATE, TIMES
from devices.lists import ATTRIBUTE, LONGEST_CELL, FileRefused, attributes
from devices.models import App, Device
from devices.moving.sources import Mover, of_columns, unfolded
from devices.registration import Registration, RegistrationRefused
from devices.upsert import Write, upsert

__all__ = ["COLUMNS", "LISTED", "FileRefused", "Problem", "Report", "load"]

COLUMNS = ("service", "address", "installation", "language", "time_zone", "os_version", "app_version", "model", "tags")
STATES = ("id", "app", "attributes", "test", *STATE, *TIMES)  # what the export has beside them
NEEDED = ("service", "address")
CHUNK = 500  # rows in one transaction
LISTED = 100  # problems that are kept; more are counted


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was left out, and why. ``line`` counts from 1, the header included; so do elements of an array."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be a device: what the device says of itself, and what only an export tells of it."""

    line: int
    registration: Registration
    public_id: UUID | None = None
    state: dict[str, Any] = field(default_factory=dict)  # columns of Device
    initial: dict[str, Any] = field(default_factory=dict)  # further ones, of a device that is new here
    alone: bool = False  # nothing but the address tells which device it is, as of every browser's subscription
    past: bool = (
        False  # another program's word, so not a sign of life: a known device was not heard of, nor retired anew
    )

    @property
    def installation(self) -> str:
        """The installation, if a device is known by it: where there is an id, it says nothing more."""
        return "" if self.alone or self.public_id else self.registration.installation

    @property
    def names(self) -> set[str]:
        """What the device is known by."""
        return _names(digest(self.registration.address), self.installation, self.public_id)

    def state_of(self, device: Device) -> dict[str, Any]:
        """Return the columns that the row sets of a device that is known."""
        if not self.past:
            return self.state
        kept = ["seen_at"]
        if device.status == Device.Status.RETIRED == self.state.get("status"):
            kept += ["retired_reason", "retired_at"]
        return self.state | {name: getattr(device, name) for name in kept}

    def names_of(self, device: Device) -> set[str]:
        """What a device is known by, for a row of this kind."""
        return _names(device.address_digest, "" if self.alone else device.installation, device.public_id)


@dataclass(slots=True)
class Report:
    """What became of a file."""

    created: int = 0
    updated: int = 0
    refused: int = 0
    repeated: int = 0  # rows whose address a later row has, where that is a matter of course
    problems: list[Problem] = field(default_factory=list)
    elements: bool = False  # problems are told by the element of a JSON array, not by the line
    ignored: list[str] = field(default_factory=list)  # columns and kinds of records that are not taken over

    def refuse(self, line: int, sentence: str) -> None:
        """Count a row that was left out; the first ones are listed."""
        self.refused += 1
        if len(self.problems) < LISTED:
            # Half of a surrogate pair, which JSON can spell and no page can show, may be quoted in it.
            self.problems.append(Problem(line, sentence.encode("utf-8", "replace").decode()))

    def repeat(self) -> None:
        """Count a row that a later one of the same address replaces."""
        self.repeated += 1

    def ignore(self, name: str) -> None:
        """Name something that the file has and a device has not; the first ones are listed."""
        name = name[:60].encode("utf-8", "replace").decode()
        if name not in self.ignored and len(self.ignored) < LISTED:
            self.ignored.append(name)


@contextmanager
def _cell_limit() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a file is read: its rows, each with its number (None for one that is torn), and what a row says."""

    rows: Callable[[IO[bytes]], Iterator[tuple[int, dict[str, Any] | None]]]
    read: Callable[[int, Mapping[str, Any]], Iterable[Row | RegistrationRefused]]
    look: Callable[[int, Mapping[str, Any]], None] = lambda line, row: None  # at a row, before any is read
    close: Callable[[], None] = lambda: None


def load(app: App, file: IO[bytes]) -> Report:
    """Register every device that ``file`` lists; raise FileRefused when it is no such list."""
    report = Report()
    with _cell_limit():
        form = _form(app, file, report)
        try:
            for line, row in form.rows(file):
                if row is not None:
                    form.look(line, row)
            good = (one for line, row in form.rows(file) for one in _read(form, line, row, report))
            while chunk := list(islice(good, CHUNK)):
                _write(app, chunk, report)
        finally:
            form.close()
    return report


def _form(app: App, file: IO[bytes], report: Report) -> _Form:
    """Return how a file is to be read, by how it begins; raise FileRefused."""
    first = lists.first_letter(file)
    if first not in ("[", "{"):
        names = _header(file)
        if not are_columns(names) and of_columns(names) is None:
            return _Form(_rows, lambda line, row: [_device(app, line, row)])
    results = first == "{" and lists.has_results(file)
    report.elements = results or first == "["
    browsers = Reader(app, report.ignore)
    mover = Mover(app, report.ignore, report.repeat, elements=report.elements)

    def read(line: int, row: Mapping[str, Any]) -> Iterator[Row | RegistrationRefused]:
        moved = mover.read(line, row)
        found = [browsers.read(row)] if moved is None else moved
        for said in found:
            if isinstance(said, Said):
                past = moved is not None or bool(unfolded(row)[1])  # a dump, likewise, is no sign of life
                yield Row(line, said.registration, state=said.state, initial=said.initial, alone=True, past=past)
            elif said is not None:
                yield said

    rows = lists.json_results if results else {"[": lists.json_elements, "{": lists.json_lines}.get(first, _rows)
    return _Form(rows, read, mover.look, mover.met.close)


def _header(file: IO[bytes]) -> list[str]:
    """Return the names of the columns; raise FileRefused when they are not those of a list of devices."""
    header = _next(csv.reader(lists.lines(file), strict=True, delimiter=_delimiter(file)))
    if header is None:
        raise FileRefused(_("This file is empty."))
    names = [name.strip().lower() for name in header]
    moved = of_columns(names) is not None
    subscriptions = not moved and are_columns(names)
    needed = () if moved else NEEDED
    missing = missing_columns(names) if subscriptions else [name for name in needed if name not in names]
    if missing:
        told = _("The first line must name the columns; %(first)s is missing.")
        if len(missing) > 1:
            told = _("The first line must name the columns; %(first)s and %(last)s are missing.")
        raise FileRefused(told % {"first": missing[0], "last": missing[-1]})
    known = (*COLUMNS, *STATES)
    wrong = [name for name in names if not (moved or subscriptions or name in known or name.startswith(ATTRIBUTE))]
    wrong += [name for name in names if names.count(name) > 1]
    if wrong:
        told = _("“%(name)s” cannot be a column here, or not twice. There can be: %(names)s and %(last)s.")
        raise FileRefused(told % {"name": wrong[0][:40], "names": ", ".join(COLUMNS), "last": f"{ATTRIBUTE}…"})
    return names


def _rows(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the rows of a CSV file by the names of their columns, each with its line."""
    names, delimiter = _header(file), _delimiter(file)
    reader = csv.reader(lists.lines(file), strict=True, delimiter=delimiter)
    _next(reader)
    while (row := _next(reader)) is not None:
        if not any(row):
            continue
        cells = [unguarded(cell) for cell in row]
        yield reader.line_num, dict(zip(names, cells, strict=False)) if len(row) == len(names) else None


def _delimiter(file: IO[bytes]) -> str:
    """Return what separates the cells: ";" where the header has more of them than of ",", as in many spreadsheets."""
    first = next(lists.lines(file), "")
    return ";" if first.count(";") > first.count(",") else ","


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        line = getattr(reader, "line_num", 0)
        told = _("Line %(line)d is not CSV (%(error)s). Nothing was imported.")
        raise FileRefused(told % {"line": line, "error": error}) from None


def _read(form: _Form, line: int, row: Mapping[str, Any] | None, report: Report) -> Iterator[Row]:
    """Yield the devices of a row; what is not taken is listed."""
    if row is None:
        torn = _("This row has more or fewer cells than the first line.")
        report.refuse(line, _("This is no JSON object.") if form.rows is not _rows else torn)
        return
    try:
        for one in form.read(line, row):
            if isinstance(one, Row):
                yield one
            else:
                report.refuse(line, str(one))
    except RegistrationRefused as refusal:
        report.refuse(line, str(refusal))


def _device(app: App, line: int, row: Mapping[str, str]) -> Row:
    """Return what a row of a list of devices says; raise RegistrationRefused."""
    given: dict[str, object] = {name: value for name, value in row.items() if name in COLUMNS and value.strip()}
    if "tags" in given:
        given["tags"] = [tag.strip() for tag in row["tags"].split(";") if tag.strip()]
    if found := attributes(row):
        given["attributes"] = found
    public_id, state = _state(app, row)
    return Row(line, Registration.read(given), public_id, state)


def _state(app: App, row: Mapping[str, str]) -> tuple[UUID | None, dict[str, Any]]:
    """Return the id and the state that an exported row tells; raise RegistrationRefused."""
    given = {name: row[name].strip() for name in STATES if row.get(name, "").strip()}
    problems: dict[str, str] = {}
    if given.get("app", app.slug) != app.slug:
        told = _("This row is of the App “%(other)s”, not of “%(app)s”.")
        problems["app"] = told % {"other": given["app"][:60], "app": app.slug}
    state: dict[str, Any] = {name: given[name] for name in STATE if name in given}
    if given.get("status", "active") not in Device.Status.values:
        problems["status"] = _("status must be one of: %(names)s.") % {"names": ", ".join(Device.Status.values)}
    if "test" in given:
        state["test"] = given["test"] == "yes"
    for name in ("retired_reason", "connection"):
        if len(given.get(name, "")) > (300 if name == "retired_reason" else 40):
            problems[name] = _("%(field)s is too long.") % {"field": name}
    for name in TIMES:
        if name in given:
            state[name] = _moment(name, given[name], problems)
    public_id = None
    try:
        public_id = UUID(given["id"]) if "id" in given else None
    except ValueError:
        problems["id"] = _("id is not one that an export gives.")
    if problems:
        raise RegistrationRefused(problems)
    return public_id, state


def _moment(name: str, words: str, problems: dict[str, str]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        told = _("%(field)s is not a moment with its zone, such as 2026-11-24T20:15:00+00:00.")
        problems[name] = told % {"field": name}
        return None
    return moment


def _write(app: App, chunk: list[Row], report: Report) -> None:
    """Register a chunk: nearly all rows at once, those that meet another row one by one, by the path of the page."""
    told = [one.public_id for one in chunk if one.public_id]
    foreign = set(Device.objects.filter(public_id__in=told).exclude(app=app).values_list("public_id", flat=True))
    rows = [one for one in chunk if one.public_id not in foreign]
    for one in chunk:
        if one.public_id in foreign:
            report.refuse(one.line, _("This id is that of a device of another App."))
    try:
        with transaction.atomic():
            created, updated, others = _write_plain(app, rows)
    except (IntegrityError, OperationalError):  # somebody registered one of them this moment
        created, updated, others = 0, 0, rows
    for one in others:
        try:
            with transaction.atomic():
                if one.alone:
                    done = registration.register_at_address(app, one.registration)
                else:
                    done = registration.register_by_hand(app, one.registration, one.public_id)
                state = {**one.initial, **one.state} if done.created else one.state_of(done.device)
                upsert(app, [Write(one.registration, done.device, state=state)])
        except RegistrationRefused as refusal:
            report.refuse(one.line, str(refusal))
            continue
        created += done.created
        updated += not done.created
    report.created += created
    report.updated += updated


def _write_plain(app: App, rows: list[Row]) -> tuple[int, int, list[Row]]:
    """Write the rows that concern one device each; return how many were new and known, and the other rows."""
    fresh, known, others = _sorted(app, rows)
    writes = [Write(one.registration, None, "", one.public_id, {**one.initial, **one.state}) for one in fresh]
    writes += [Write(one.registration, device, state=one.state_of(device)) for device, one in known]
    upsert(app, writes)
    return len(fresh), len(known), others


def _sorted(app: App, rows: list[Row]) -> tuple[list[Row], list[tuple[Device, Row]], list[Row]]:
    """Sort rows: new devices, known ones (locked), and rows that meet an earlier row or several devices."""
    means = Q(address_digest__in={digest(one.registration.address) for one in rows})
    means |= Q(installation__in={one.installation for one in rows} - {""})
    means |= Q(public_id__in={one.public_id for one in rows if one.public_id})
    owners: dict[str, list[Device]] = {}
    for device in Device.objects.select_for_update().filter(means, app=app).order_by("pk"):
        for name in _names(device.address_digest, device.installation, device.public_id):
            owners.setdefault(name, []).append(device)
    fresh, known, others = [], [], []
    taken: set[str] = set()
    for one in rows:
        names = one.names
        found = {device.pk: device for name in names for device in owners.get(name, ())}
        for device in found.values():
            names |= one.names_of(device)
        if names & taken or len(found) > 1:
            others.append(one)
        elif found:
            known.append((next(iter(found.values())), one))
        else:
            fresh.append(one)
        taken |= names | {f"installation {one.registration.installation}"}
    return fresh, known, others


def _names(address_digest: str, installation: str, public_id: UUID | None) -> set[str]:
    """Return what a device is known by."""
    names = {address_digest, f"installation {installation}" if installation else "", str(public_id or "")}
    return names - {""}
