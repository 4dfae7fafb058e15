"""Times as people write them: a date and an hour on the wall of some place."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class NoSuchTime(ValueError):
    """A wall-clock time that does not exist in its zone, or exists twice. ``str(error)`` is a sentence."""


def moment(wall: datetime, zone: str) -> datetime:
    """Return the moment in UTC at which clocks in ``zone`` show ``wall`` (naive); raise NoSuchTime."""
    place = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(place).replace(tzinfo=None) != wall:
        later = max(first, second).astimezone(place)
        told = f"At {zone}, clocks skip {wall:%H:%M} on {wall:%-d %B %Y}. The next time they show is {later:%H:%M}."
        raise NoSuchTime(told)
    if first != second:
        told = f"At {zone}, clocks show {wall:%H:%M} twice on {wall:%-d %B %Y}, because they are set back."
        raise NoSuchTime(told + " Choose a time before or after that hour.")
    return first
