"""Devices from a CSV file, for the command and the page: read as a stream, row by row, in constant memory.

The file is read twice. The first time only its form is looked at: one that is no list of devices, or breaks off in the
middle, changes nothing. Then a row is whole or not there at all: one that cannot be a registration is listed with its
line and its reason, every other is registered by the same path as the API's.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q

from devices import clock, registration
from devices.models import App, Device, Tag
from devices.registration import Registration, RegistrationRefused
from devices.secrets import digest, new_key

COLUMNS = ("service", "address", "installation", "language", "time_zone", "os_version", "app_version", "model", "tags")
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
        for _ in _rows(file):
            pass
        rows = _rows(file)
        read = (_read(line, row, report) for line, row in rows)
        good = (one for one in read if one is not None)
        while chunk := list(islice(good, CHUNK)):
            _write(app, chunk, report)
    return report


def _rows(file: IO[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows by the names of their columns, each with its line."""
    reader = csv.reader(_lines(_text(file)), strict=True)
    header = _next(reader)
    if header is None:
        raise FileRefused("This file is empty.")
    names = [name.strip().lower() for name in header]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise FileRefused(f"The first line must name the columns; {' and '.join(missing)} {verb} missing.")
    wrong = [name for name in names if name not in COLUMNS and not name.startswith(ATTRIBUTE)]
    wrong += [name for name in names if names.count(name) > 1]
    if wrong:
        told = f"“{wrong[0][:40]}” cannot be a column here, or not twice."
        raise FileRefused(f"{told} There can be: {', '.join(COLUMNS)} and {ATTRIBUTE}….")
    while (row := _next(reader)) is not None:
        if not any(row):
            continue
        values = dict(zip(names, row, strict=False)) if len(row) == len(names) else {}
        yield reader.line_num, values


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        line = getattr(reader, "line_num", 0)
        raise FileRefused(f"Line {line} is not CSV ({error}). Nothing was imported.") from None


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
                raise FileRefused(f"Line {number} is longer than any row can be. Nothing was imported.")
            if "\0" in line:
                raise FileRefused(f"Line {number} has a NUL, so this is not a text file. Nothing was imported.")
            yield line
    except UnicodeError:
        raise FileRefused(
            f"Line {number + 1} is not UTF-8. Nothing was imported: save the file as UTF-8 and try again."
        ) from None


def _read(line: int, row: dict[str, str], report: Report) -> tuple[int, Registration] | None:
    if not row:
        report.refuse(line, "This row has more or fewer cells than the first line.")
        return None
    given: dict[str, object] = {name: value for name, value in row.items() if name in COLUMNS and value.strip()}
    if "tags" in given:
        given["tags"] = [tag.strip() for tag in row["tags"].split(";") if tag.strip()]
    attributes = {
        name.removeprefix(ATTRIBUTE): value for name, value in row.items() if name.startswith(ATTRIBUTE) and value
    }
    if attributes:
        given["attributes"] = attributes
    try:
        return line, Registration.read(given)
    except RegistrationRefused as refusal:
        report.refuse(line, str(refusal))
        return None


def _write(app: App, chunk: list[tuple[int, Registration]], report: Report) -> None:
    """Register a chunk: nearly all rows at once, those that meet another row one by one, by the path of the API."""
    rows = [one for _, one in chunk]
    try:
        with transaction.atomic():
            created, updated, others = _write_plain(app, rows)
    except (IntegrityError, OperationalError):  # somebody registered one of them this moment
        created, updated, others = 0, 0, rows
    for one in others:
        done = registration.register(app, one, by_hand=True)
        created += done.created
        updated += not done.created
    report.created += created
    report.updated += updated


def _write_plain(app: App, rows: list[Registration]) -> tuple[int, int, list[Registration]]:
    """Write the rows that concern one device each; return how many were new and known, and the other rows."""
    fresh, known, others = _sorted(app, rows)
    now = clock.now()
    made = Device.objects.bulk_create(
        Device(app=app, seen_at=now, secret_digest=digest(new_key("ds")), **one.columns()) for one in fresh
    )
    changed: set[str] = set()
    for device, one in known:
        columns = registration.changes(device, {**one.columns(), "seen_at": now})
        changed |= set(columns)
        for name, value in columns.items():
            setattr(device, name, value)
    if known:
        # One statement for all, much faster than bulk_update; they are locked, so none is inserted.
        Device.objects.bulk_create(
            [device for device, _ in known], update_conflicts=True, unique_fields=["id"], update_fields=sorted(changed)
        )
    _tag(app, [*zip(made, fresh, strict=True), *known])
    return len(made), len(known), others


def _sorted(
    app: App, rows: list[Registration]
) -> tuple[list[Registration], list[tuple[Device, Registration]], list[Registration]]:
    """Sort rows: new devices, known ones (locked), and rows that meet an earlier row or several devices."""
    means = Q(address_digest__in={digest(one.address) for one in rows})
    means |= Q(installation__in={one.installation for one in rows} - {""})
    locked = Device.objects.select_for_update().filter(means, app=app).order_by("pk")
    owners = {name: device for device in locked for name in _names(device.address_digest, device.installation)}
    fresh, known, others = [], [], []
    taken: set[str] = set()
    for one in rows:
        names = _names(digest(one.address), one.installation)
        found = {owners[name].pk: owners[name] for name in names if name in owners}
        for device in found.values():
            names |= _names(device.address_digest, device.installation)
        if names & taken or len(found) > 1:
            others.append(one)
        elif found:
            known.append((next(iter(found.values())), one))
        else:
            fresh.append(one)
        taken |= names
    return fresh, known, others


def _names(address_digest: str, installation: str) -> set[str]:
    """Return what a device is known by."""
    return {address_digest, f"installation {installation}"} if installation else {address_digest}


def _tag(app: App, devices: list[tuple[Device, Registration]]) -> None:
    """Give each of these devices the tags of its row, if the row has any."""
    told = {device.pk: one.tags for device, one in devices if "tags" in one.given}
    through = Device.tags.through
    names = sorted({name for tags in told.values() for name in tags})
    Tag.objects.bulk_create([Tag(app=app, name=name) for name in names], ignore_conflicts=True)
    ids = dict(Tag.objects.filter(app=app, name__in=names).values_list("name", "pk"))
    wanted = {(device, ids[name]) for device, tags in told.items() for name in tags}
    have = {(row.device_id, row.tag_id): row.pk for row in through.objects.filter(device__in=told)}
    through.objects.filter(pk__in=[pk for pair, pk in have.items() if pair not in wanted]).delete()
    through.objects.bulk_create(through(device_id=device, tag_id=tag) for device, tag in sorted(wanted - set(have)))
