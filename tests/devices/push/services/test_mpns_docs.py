"""The page about MPNS tells what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.push.base import Answer
from devices.push.services import find

PAGE = Path(__file__).parents[4] / "docs/push-services/mpns.md"
NAMES = ("x-notificationstatus", "x-deviceconnectionstatus", "x-subscriptionstatus")


def rows() -> list[list[str]]:
    """Return the table of answers: number, status, three words, outcome."""
    table = PAGE.read_text().partition("## What the answers mean")[2].partition("## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return [row[:6] for row in cells if row[0].isdecimal()]


def test_the_table_is_whole() -> None:
    assert [int(number) for number, *_ in rows()] == list(range(1, 21))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_answer_of_the_page_means_what_it_says(row: list[str]) -> None:
    _, status, *words, outcome = row
    headers = {name: word for name, word in zip(NAMES, words, strict=True) if word}
    assert find("mpns").interpret(Answer(int(status), headers)).outcome == outcome
