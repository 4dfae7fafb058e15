"""The page about Web Push tells what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.push.base import Answer
from devices.push.services import find
from devices.push.services.webpush import HOSTS, KEPT_FOR, OWN_ROOM

PAGE = (Path(__file__).parents[4] / "docs/push-services/webpush.md").read_text()


def rows() -> list[list[str]]:
    """Return the table of answers: number, status, what is said, outcome."""
    table = PAGE.partition("## What the answers mean")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return [row[:4] for row in cells if row[0].isdecimal()]


def test_the_table_is_whole() -> None:
    assert [int(number) for number, *_ in rows()] == list(range(1, 20))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_answer_of_the_page_means_what_it_says(row: list[str]) -> None:
    _, status, said, outcome = row
    name, colon, value = said.strip("`").partition(": ")
    headers = {name.lower(): value} if colon else {}
    body = b"" if colon else name.encode()
    assert find("webpush").interpret(Answer(int(status), headers, body)).outcome == outcome


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert f"{OWN_ROOM} of which" in PAGE
    assert all(f"`{host}`" in PAGE or f"below `{host[1:]}`" in PAGE for host in HOSTS)
    assert min(KEPT_FOR)[0] == 60
    assert max(KEPT_FOR)[0] == 4 * 7 * 86_400
