"""The bench of a grown installation comes to its end with few rows, and its table says what is met and what is not."""

from __future__ import annotations

import re

import pytest

from tests.bench import scale
from tests.bench.row import Row


def test_the_table_tells_each_goal_and_whether_it_is_met() -> None:
    shown = scale.table([Row("overview", 0.2, 0.12, 0.3), Row("count", 1.0, 1.5, 1.6, 480_000)]).splitlines()
    assert shown[1].split() == ["overview", "120", "ms", "300", "ms", "200", "ms", "met"]
    assert shown[2].split() == ["count", "1,500", "ms", "1,600", "ms", "1,000", "ms", "MISSED,", "480,000", "rows"]
    assert shown[-1].startswith("1 of 2 goals are met.")


def test_a_small_installation_is_grown_and_every_page_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--devices", "600", "--deliveries", "1200", "--runs", "1"]) == 0
    shown = capfd.readouterr().out
    for label in ("overview", "devices: by address", "parked devices", "segment with its count"):
        assert re.search(rf"^{label} +\d+ ms +\d+ ms +[\d,]+ ms  (met|MISSED)$", shown, re.MULTILINE), label
    assert re.search(r"^prepare a campaign to everybody .* 585 rows$", shown, re.MULTILINE)  # one in 40 is retired
    assert re.search(r"^600 devices, 3 campaigns, \d+ batches, 1,2\d\d deliveries;", shown, re.MULTILINE)
