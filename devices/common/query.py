"""Reading what a query string names."""

from __future__ import annotations

LARGEST_KEY = 2**63 - 1  # of a bigint


def primary_key(value: object) -> int:
    """Return the primary key that ``value`` spells, 0 (which no row has) when it spells none.

    Only ASCII digits count, and nothing that a bigint cannot hold: either would be an error of the database.
    """
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return 0
    number = int(text)
    return number if number <= LARGEST_KEY else 0
