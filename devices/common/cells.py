"""Cells of CSV files that no spreadsheet takes for a formula, and the way back (OWASP, CSV injection).

A reader may split at commas, semicolons or tabs whatever the writer meant, so no part of a cell begins a formula.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any

# What a formula begins with, the full-width forms too, behind what a reader may strip.
_BEGINS = r"(?=[ '\u3000]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n\0])"
_PART = r"(?:^|(?<=[;,\t\r\n]))"
_OPEN = re.compile(_PART + _BEGINS)
_GUARDED = re.compile(_PART + "'" + _BEGINS)


def guarded(cell: str) -> str:
    """Return ``cell`` with an apostrophe before every part that could begin a formula."""
    return _OPEN.sub("'", cell)


def unguarded(cell: str) -> str:
    """Return what ``guarded`` was given."""
    return _GUARDED.sub("", cell)


class Lines:
    """Makes lines of a CSV file (RFC 4180), every text in them guarded."""

    def __init__(self) -> None:
        self._writer = csv.writer(self)

    def write(self, text: str) -> str:
        """Hand on what csv writes."""
        return text

    def head(self, names: Iterable[str]) -> str:
        """Return the first line, behind the mark without which spreadsheets take UTF-8 for something else."""
        return "\ufeff" + self.of(names)

    def of(self, values: Iterable[Any]) -> str:
        """Return a line."""
        line: str = self._writer.writerow([guarded(value) if isinstance(value, str) else value for value in values])
        return line
