"""Times as people write them: a date and an hour on the wall of some place."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _


class NoSuchTime(ValueError):
    """A wall-clock time that does not exist in its zone, or exists twice. ``str(error)`` is a sentence."""


def moment(wall: datetime, zone: str) -> datetime:
    """Return the moment in UTC at which clocks in ``zone`` show ``wall`` (naive); raise NoSuchTime."""
    place = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    shown = {"zone": zone, "time": f"{wall:%H:%M}", "date": f"{wall:%-d %B %Y}"}
    if first.astimezone(place).replace(tzinfo=None) != wall:
        later = max(first, second).astimezone(place)
        told = _("At %(zone)s, clocks skip %(time)s on %(date)s. The next time they show is %(later)s.")
        raise NoSuchTime(told % {**shown, "later": f"{later:%H:%M}"})
    if first != second:
        told = _(
            "At %(zone)s, clocks show %(time)s twice on %(date)s, because they are set back. Choose a time before or "
            "after that hour."
        )
        raise NoSuchTime(told % shown)
    return first
