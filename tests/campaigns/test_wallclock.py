"""Times on the wall of some place are one moment, or refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.wallclock import NoSuchTime, moment


@pytest.mark.faults(41, 42)
def test_wall_clock_times_of_a_whole_year_are_one_moment_or_refused() -> None:
    for day in range(365):
        for hour in range(24):
            wall = datetime(2027, 1, 1) + timedelta(days=day, hours=hour, minutes=30)  # noqa: DTZ001 (a wall clock)
            try:
                at = moment(wall, "Europe/Berlin")
            except NoSuchTime:
                assert (wall.month, wall.hour) in {(3, 2), (10, 2)}
            else:
                assert at.tzinfo is UTC
