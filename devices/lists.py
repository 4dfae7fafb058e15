"""A list that somebody hands over, as text: its encoding, its lines, the JSON values in it, and what a cell can say.

Everything is read as a stream: no file is ever in the memory as a whole, whatever its form.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.utils.translation import gettext as _

from devices.registration import RegistrationRefused

LONGEST_CELL = 10_000  # characters
LONGEST_LINE = LONGEST_CELL * 4
LONGEST_ELEMENT = 1_000_000  # characters of one element of a JSON array: a dump may have others than subscriptions
PIECE = 65_536  # bytes read at once
ATTRIBUTE = "attribute."  # a column attribute.town sets the attribute town
RESULTS = re.compile(r'\s*\{\s*"results"\s*:\s*')  # how an answer of Parse's REST API begins
_BLANKS = re.compile(r"[ \t\r\n]*")  # of JSON (RFC 8259, 2)

Values = Iterator[tuple[int, dict[str, Any] | None]]


class FileRefused(ValueError):
    """A file that is no list of devices. ``str(error)`` is a sentence for a person; nothing was changed."""


def encoding(file: IO[bytes]) -> str:
    """Return how the file is encoded, and go to its beginning: UTF-8, with or without a mark, or UTF-16 with one."""
    file.seek(0)
    utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    file.seek(0)
    return "utf-16" if utf16 else "utf-8-sig"


def first_letter(file: IO[bytes]) -> str:
    """Return the first character that is no blank; "" when there is none in the first kilobyte."""
    name = encoding(file)
    return file.read(1024).decode(name, "ignore").lstrip()[:1]


def has_results(file: IO[bytes]) -> bool:
    """Return whether the file is one object whose first member is the list ``results``, as Parse exports a class."""
    name = encoding(file)
    match = RESULTS.match(file.read(1024).decode(name, "ignore"))
    return match is not None and match.string[match.end() : match.end() + 1] == "["


def lines(file: IO[bytes]) -> Iterator[str]:
    """Yield lines, none of them longer than a row can be: a file without line ends must not fill the memory."""
    text = codecs.getreader(encoding(file))(file)
    number = 0
    try:
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) >= LONGEST_LINE and not line.endswith("\n"):
                told = _("Line %(line)d is longer than any row can be. Nothing was imported.")
                raise FileRefused(told % {"line": number})
            if "\0" in line:
                told = _("Line %(line)d has a NUL, so this is not a text file. Nothing was imported.")
                raise FileRefused(told % {"line": number})
            yield line
    except UnicodeError:
        told = _("Line %(line)d is not UTF-8. Nothing was imported: save the file as UTF-8 and try again.")
        raise FileRefused(told % {"line": number + 1}) from None


def _no_number(name: str) -> None:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_number)  # NaN and Infinity are no JSON


def json_lines(file: IO[bytes]) -> Values:
    """Yield the JSON object of every line with its number from 1, None for a line that is none; blank lines are not."""
    known = False
    for number, line in enumerate(lines(file), start=1):
        if not (text := line.strip()):
            continue
        try:
            value = _JSON.decode(text)
        except (ValueError, RecursionError):
            value = None
        if value is None and not known:
            raise FileRefused(
                _(
                    "The first line is not JSON by itself. Write one subscription a line, "
                    "or a list of them between [ and ]. Nothing was imported."
                )
            )
        known = True
        yield number, value if isinstance(value, dict) else None


def json_elements(file: IO[bytes]) -> Values:
    """Yield every element of a JSON array with its number from 1, None for one that is no object."""
    yield from _elements(_Window(_pieces(file)), "")


def json_results(file: IO[bytes]) -> Values:
    """Yield likewise every element of the list ``results`` of the object that the file is, where that comes first."""
    window = _Window(_pieces(file))
    for _mark in range(len('{"results":')):
        window.mark()
    yield from _elements(window, "}")


def _elements(window: _Window, after: str) -> Values:
    """Yield the elements of an array that begins here, and is followed by ``after`` and nothing else."""
    number, mark = 0, window.mark()
    while mark in ("[", ","):
        number += 1
        if number == 1 and window.ahead() == "]":
            number = 0
        else:
            value = window.value(number)
            yield number, value if isinstance(value, dict) else None
        mark = window.mark()
    if mark != "]" or any(window.mark() != end for end in (*after, "")):
        told = _("After element %(number)d this is not a JSON list any more. Nothing was imported.")
        raise FileRefused(told % {"number": number})


def _pieces(file: IO[bytes]) -> Iterator[str]:
    name = encoding(file)
    try:
        yield from codecs.iterdecode(iter(lambda: file.read(PIECE), b""), name)
    except UnicodeError:
        told = _("This file is not UTF-8. Nothing was imported: save the file as UTF-8 and try again.")
        raise FileRefused(told) from None


class _Window:
    """What was read of a text and is not taken yet."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces = pieces
        self.text = ""
        self.at = 0

    def _grow(self) -> bool:
        piece = next(self.pieces, "")
        self.text, self.at = self.text[self.at :] + piece, 0
        return bool(piece)

    def ahead(self) -> str:
        """Return the next character that is no blank, without taking it; "" at the end."""
        while True:
            match = _BLANKS.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._grow():
                return ""

    def mark(self) -> str:
        """Take the next character that is no blank; "" at the end."""
        mark = self.ahead()
        self.at += len(mark)
        return mark

    def value(self, number: int) -> object:
        """Take a JSON value; raise FileRefused when there is none."""
        self.ahead()
        while True:
            try:
                value, end = _JSON.raw_decode(self.text, self.at)
            except (ValueError, RecursionError):
                # It may only be cut off; once all of it is there, it is broken.
                if len(self.text) - self.at <= LONGEST_ELEMENT and self._grow():
                    continue
                told = _("Element %(number)d is not JSON, or longer than any can be. Nothing was imported.")
                raise FileRefused(told % {"number": number}) from None
            length = end - self.at
            if len(self.text) - end < 3 and self._grow():
                continue  # the rest of a number may be in the next piece: of "1.5e+3" at worst "e+" is left over here
            self.at += length
            return value


def attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a row: one object, as it is or as JSON text, and a column ``attribute.…`` for each.

    Raises RegistrationRefused.
    """
    found = json_object("attributes", row.get("attributes"))
    single = {name: value for name, value in row.items() if name.startswith(ATTRIBUTE) and value}
    return {**found, **{name.removeprefix(ATTRIBUTE): value for name, value in single.items()}}


def json_object(name: str, value: object) -> dict[str, Any]:
    """Return an object that stands in a row, as it is or as JSON text; {} for none. Raises RegistrationRefused."""
    found: object = value or {}
    if isinstance(value, str):
        try:
            found = json.loads(value) if value.strip() else {}
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise RegistrationRefused({name: _("%(field)s is not a JSON object.") % {"field": name}})
    return found
