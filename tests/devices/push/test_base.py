"""The parts of the contract that do something themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.push.base import retry_after

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.faults(23)
@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        *(("30", 30), (" 30 ", 30), ("1", 1), ("0", 1), ("00", 1), ("3600", 3600), ("3601", 3600)),
        ("1000000000", 3600),
        *(("9" * 5000, 3600), ("Mon, 23 Nov 2026 12:02:00 GMT", 120), ("Monday, 23-Nov-26 12:02:00 GMT", 120)),
        *(("Mon Nov 23 12:02:00 2026 GMT", 120), ("Mon, 23 Nov 2026 14:02:00 +0200", 120)),
        *(("Mon, 23 Nov 2026 11:00:00 GMT", 1), ("Fri, 31 Dec 9999 23:59:59 GMT", 3600)),
    ],
)  # fmt: skip
def test_a_wish_is_honoured_between_a_second_and_an_hour(raw: str, seconds: int) -> None:
    assert retry_after(raw, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "raw",
    ["", "soon", "-1", "1.5", "1e3", "+5", "0x10", "５", "NaN", "inf", "Mon, 99 Foo 2026 12:00:00 GMT", "12:00", "ÿ"],
)
def test_junk_is_no_wish(raw: str) -> None:
    assert retry_after(raw, NOW) is None


@given(st.text(max_size=60))
def test_whatever_comes_the_pause_is_bounded(raw: str) -> None:
    asked = retry_after(raw, NOW)
    assert asked is None or timedelta(seconds=1) <= asked <= timedelta(hours=1)
