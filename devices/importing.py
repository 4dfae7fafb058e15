"""Devices from a CSV file, for the command and the page: read as a stream, row by row, in constant memory.

The file is read twice. The first time only its form is looked at: one that is no list of devices, or breaks off in the
middle, changes nothing. Then a row is whole or not there at all: one that cannot be a registration is listed with its
line and its reason, every other goes through the same upsert as the API's (devices/upsert.py), 500 at a time. What the
export of devices writes comes back as it was, the state of the devices included.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import IO, Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from devices import registration
from devices.common.cells import unguarded
from devices.common.secrets import digest
from devices.exporting import STATE, TIMES
from devices.models import App, Device
from devices.registration import Registration, RegistrationRefused
from devices.upsert import Write, upsert

COLUMNS = ("service", "address", "installation", "language", "time_zone", "os_version", "app_version", "model", "tags")
STATES = ("id", "app", "attributes", "test", *STATE, *TIMES)  # what the export has beside them
NEEDED = ("service", "address")
ATTRIBUTE = "attribute."  # a column attribute.town sets the attribute town
CHUNK = 500  # rows in one transaction
LONGEST_CELL = 10_000  # characters
LISTED = 100  # problems that are kept; more are counted


class FileRefused(ValueError):
    """A file that is no list of devices. ``str(error)`` is a sentence for a person; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was left out, and why. ``line`` counts from 1, the header included."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be a device: what the device says of itself, and what only an export tells of it."""

    line: int
    registration: Registration
    public_id: UUID | None = None
    state: dict[str, Any] = field(default_factory=dict)  # columns of Device

    @property
    def names(self) -> set[str]:
        """What the device is known by: where there is an id, the installation says nothing more."""
        installation = "" if self.public_id else self.registration.installation
        return _names(digest(self.registration.address), installation, self.public_id)


@dataclass(slots=True)
class Report:
    """What became of a file."""

    created: int = 0
    updated: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, sentence: str) -> None:
        """Count a row that was left out; the first ones are listed."""
        self.refused += 1
        if len(self.problems) < LISTED:
            self.problems.append(Problem(line, sentence))


@contextmanager
def _cell_limit() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def load(app: App, file: IO[bytes]) -> Report:
    """Register every device that ``file`` lists; raise FileRefused when it is no such list."""
    report = Report()
    with _cell_limit():
        for _row in _rows(file):
            pass
        rows = _rows(file)
        read = (_read(app, line, row, report) for line, row in rows)
        good = (one for one in read if one is not None)
        while chunk := list(islice(good, CHUNK)):
            _write(app, chunk, report)
    return report


def _rows(file: IO[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows by the names of their columns, each with its line."""
    delimiter = _delimiter(file)
    reader = csv.reader(_lines(_text(file)), strict=True, delimiter=delimiter)
    header = _next(reader)
    if header is None:
        raise FileRefused(_("This file is empty."))
    names = [name.strip().lower() for name in header]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        told = _("The first line must name the columns; %(first)s is missing.")
        if len(missing) > 1:
            told = _("The first line must name the columns; %(first)s and %(last)s are missing.")
        raise FileRefused(told % {"first": missing[0], "last": missing[-1]})
    wrong = [name for name in names if name not in (*COLUMNS, *STATES) and not name.startswith(ATTRIBUTE)]
    wrong += [name for name in names if names.count(name) > 1]
    if wrong:
        told = _("“%(name)s” cannot be a column here, or not twice. There can be: %(names)s and %(last)s.")
        raise FileRefused(told % {"name": wrong[0][:40], "names": ", ".join(COLUMNS), "last": f"{ATTRIBUTE}…"})
    while (row := _next(reader)) is not None:
        if not any(row):
            continue
        cells = [unguarded(cell) for cell in row]
        yield reader.line_num, dict(zip(names, cells, strict=False)) if len(row) == len(names) else {}


def _delimiter(file: IO[bytes]) -> str:
    """Return what separates the cells: ";" where the header has more of them than of ",", as in many spreadsheets."""
    first = next(_lines(_text(file)), "")
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


def _text(file: IO[bytes]) -> codecs.StreamReader:
    """Return the file as text. UTF-8, with or without a mark, or UTF-16 with one."""
    file.seek(0)
    utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    file.seek(0)
    return codecs.getreader("utf-16" if utf16 else "utf-8-sig")(file)


def _lines(text: codecs.StreamReader) -> Iterator[str]:
    """Yield lines, none of them longer than a row can be: a file without line ends must not fill the memory."""
    number = 0
    try:
        while line := text.readline(LONGEST_CELL * 4):
            number += 1
            if len(line) >= LONGEST_CELL * 4 and not line.endswith("\n"):
                told = _("Line %(line)d is longer than any row can be. Nothing was imported.")
                raise FileRefused(told % {"line": number})
            if "\0" in line:
                told = _("Line %(line)d has a NUL, so this is not a text file. Nothing was imported.")
                raise FileRefused(told % {"line": number})
            yield line
    except UnicodeError:
        told = _("Line %(line)d is not UTF-8. Nothing was imported: save the file as UTF-8 and try again.")
        raise FileRefused(told % {"line": number + 1}) from None


def _read(app: App, line: int, row: dict[str, str], report: Report) -> Row | None:
    if not row:
        report.refuse(line, _("This row has more or fewer cells than the first line."))
        return None
    given: dict[str, object] = {name: value for name, value in row.items() if name in COLUMNS and value.strip()}
    if "tags" in given:
        given["tags"] = [tag.strip() for tag in row["tags"].split(";") if tag.strip()]
    try:
        if attributes := _attributes(row):
            given["attributes"] = attributes
        public_id, state = _state(app, row)
        return Row(line, Registration.read(given), public_id, state)
    except RegistrationRefused as refusal:
        report.refuse(line, str(refusal))
        return None


def _attributes(row: dict[str, str]) -> dict[str, Any]:
    """Return the attributes of a row: the export's one column of JSON, and a column for each."""
    found: Any = {}
    if words := row.get("attributes", "").strip():
        try:
            found = json.loads(words)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RegistrationRefused({"attributes": _("attributes is not a JSON object.")})
    single = {name: value for name, value in row.items() if name.startswith(ATTRIBUTE) and value}
    return {**found, **{name.removeprefix(ATTRIBUTE): value for name, value in single.items()}}


def _state(app: App, row: dict[str, str]) -> tuple[UUID | None, dict[str, Any]]:
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
                done = registration.register_by_hand(app, one.registration, one.public_id)
                upsert(app, [Write(one.registration, done.device, state=one.state)])
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
    writes = [Write(one.registration, None, "", one.public_id, one.state) for one in fresh]
    writes += [Write(one.registration, device, state=one.state) for device, one in known]
    upsert(app, writes)
    return len(fresh), len(known), others


def _sorted(app: App, rows: list[Row]) -> tuple[list[Row], list[tuple[Device, Row]], list[Row]]:
    """Sort rows: new devices, known ones (locked), and rows that meet an earlier row or several devices."""
    means = Q(address_digest__in={digest(one.registration.address) for one in rows})
    means |= Q(installation__in={one.registration.installation for one in rows} - {""})
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
            names |= _names(device.address_digest, device.installation, device.public_id)
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
