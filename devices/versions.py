"""Dotted versions as one sortable number, and back."""

from __future__ import annotations

from functools import lru_cache


def rank(version: str) -> int | None:
    """Return a dotted version as one sortable number, 16 bits for each of the first four parts; None if it has none.

    >>> rank("8.0.10492") < rank("8.10") < rank("8.10.1")
    True
    """
    parts = numbers(version)
    if not parts:
        return None
    padded = (*parts[:4], 0, 0, 0, 0)[:4]
    return (min(padded[0], 0x7FFF) << 48) | (padded[1] << 32) | (padded[2] << 16) | padded[3]


@lru_cache(maxsize=1024)  # a campaign's devices have the same few
def unranked(rank: int | None) -> tuple[int, ...]:
    """Return the version numbers that ``rank`` packed into one."""
    if rank is None:
        return ()
    return (rank >> 48, rank >> 32 & 0xFFFF, rank >> 16 & 0xFFFF, rank & 0xFFFF)


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers a dotted version begins with, each at most 65535: "8.0.10492-x" → (8, 0, 10492)."""
    found: list[int] = []
    for part in version.split("."):
        digits = ""
        for letter in part:
            if not ("0" <= letter <= "9"):
                break
            digits += letter
        if not digits:
            break
        found.append(min(int(digits[:9]), 0xFFFF))
        if digits != part:
            break
    return tuple(found)
