"""Times on the wall of some place are one moment, or refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.compose.wallclock import NoSuchTime, moment


@pytest.mark.faults(41, 42)
def test_wall_clock_times_of_a_whole_year_are_one_moment_or_refused() -> None:
    berlin, refused = ZoneInfo("Europe/Berlin"), {}
    for hour in range(365 * 24):
        wall = datetime(2027, 1, 1) + timedelta(hours=hour, minutes=30)  # noqa: DTZ001 (a wall clock)
        try:
            at = moment(wall, "Europe/Berlin")
        except NoSuchTime as told:
            refused[wall.isoformat(timespec="minutes")] = str(told)
        else:
            assert at.tzinfo is UTC
            assert at.astimezone(berlin).replace(tzinfo=None) == wall
    skipped, shown_twice = refused.pop("2027-03-28T02:30"), refused.pop("2027-10-31T02:30")
    assert "skip 02:30" in skipped
    assert "03:30" in skipped
    assert "02:30 twice" in shown_twice
    assert refused == {}
