"""The pages about FCM, APNs and WNS tell what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from devices.push.base import Answer
from devices.push.fields import form_fields
from devices.push.services import find

FOLDER = Path(__file__).parents[4] / "docs/push-services"
COUNTS = {"fcm": 18, "apns": 28, "wns": 19}
PAGES = {service: (FOLDER / f"{service}.md").read_text() for service in COUNTS}


def table(service: str, heading: str) -> list[list[str]]:
    """Return the cells of the tables that follow ``heading``."""
    part = PAGES[service].partition(f"## {heading}")[2].partition("\n## ")[0]
    assert part, heading
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("| ")]


def rows(service: str) -> list[list[str]]:
    """Return the table of answers: number, status, what is said, outcome."""
    return [row[:4] for row in table(service, "What the answers mean") if row[0].isdecimal()]


def answer_of(service: str, status: int, said: str) -> Answer:
    """Return the answer that a row is about, as the service spells it."""
    if service == "wns":
        name, _, value = said.partition(": ")
        return Answer(status, {name.lower(): value} if said else {})
    if service == "apns":
        return Answer(status, {}, json.dumps({"reason": said}).encode() if said else b"")
    field = said if "." in said else ""
    details = [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "" if field else said},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field}]},
    ]
    return Answer(status, {}, json.dumps({"error": {"details": details}}).encode() if said else b"")


@pytest.mark.parametrize("service", COUNTS)
def test_the_table_is_whole(service: str) -> None:
    assert [int(number) for number, *_ in rows(service)] == list(range(1, COUNTS[service] + 1))


@pytest.mark.parametrize(
    ("service", "row"), [(service, row) for service in COUNTS for row in rows(service)], ids=lambda one: str(one)[:20]
)
def test_every_answer_of_the_pages_means_what_it_says(service: str, row: list[str]) -> None:
    _, status, said, outcome = row
    verdict = find(service).interpret(answer_of(service, int(status), said.strip("`")), authenticated=True)
    assert verdict.outcome == outcome


@pytest.mark.parametrize("service", COUNTS)
def test_every_option_is_told_and_no_other(service: str) -> None:
    options = find(service).options
    assert options is not None
    part = PAGES[service].partition("| Option |")[2].partition("\n\n")[0]
    told = [line.split("|")[1].strip() for line in part.splitlines()[2:]]
    assert sorted(told) == sorted({one.label for one in form_fields(options)})


@pytest.mark.parametrize("service", COUNTS)
def test_the_figures_of_the_pages_are_those_of_the_code(service: str) -> None:
    one, page = find(service), PAGES[service]
    assert f"{one.payload_limit:,} bytes" in page
    assert f'"service": "{service}"' in page
    for host in one.hosts:
        assert f"`{host.lstrip('.')}`" in page or f"https://{host}" in page
    named = {"fcm": "604,800", "apns": "a week from now", "wns": "259,200"}
    seconds = {"fcm": 604_800, "apns": 604_800, "wns": 259_200}
    assert named[service] in page
    assert one.options is not None
    assert one.options().kept == seconds[service]


@pytest.mark.parametrize("service", COUNTS)
def test_what_to_look_at_quotes_what_is_said(service: str) -> None:
    """The words by which somebody finds the line are those of the reasons that a campaign is paused with."""
    code = (Path(__file__).parents[4] / f"devices/push/services/{service}.py").read_text()
    part = PAGES[service].partition("## When many are denied")[2].partition("\n## ")[0]
    quoted = re.findall(r"^- \*([^*]+)\*", part, re.MULTILINE)
    assert len(quoted) >= 4
    assert [words for words in quoted if words not in code] == []
