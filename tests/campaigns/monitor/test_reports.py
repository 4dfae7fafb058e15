"""What devices say of pushes: only what was pushed, once each, counted as it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, DataError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign, Report, ReportCount
from campaigns.monitor import reports
from campaigns.monitor.reports import INTAKE, Counts, Said, counts, write
from campaigns.pipeline.reports import LENGTH, NotOurs, read, report_id
from devices.common import clock
from devices.models import App

SHOWN, CLICKED, DISMISSED = Report.Word.SHOWN, Report.Word.CLICKED, Report.Word.DISMISSED


@pytest.fixture
def campaign(db: None) -> int:
    """A campaign to report of."""
    return Campaign.objects.create(app=App.objects.create(name="A", slug="a"), name="Storm").pk


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    """Leave nothing that waits to be written."""
    yield
    INTAKE._waiting.clear()


def tell(body: Any, **more: Any) -> tuple[int, Any]:
    """Send a report as a service worker does."""
    sent = body if isinstance(body, bytes) else json.dumps(body)
    answer = Client().post("/api/v1/reports", sent, content_type="text/plain", **more)
    return answer.status_code, json.loads(answer.content) if answer.content else None


# Ids


@pytest.mark.parametrize(("campaign", "device"), [(1, 1), (7, 12_345_678), (2**40, 2**40)])
def test_an_id_tells_campaign_and_device(campaign: int, device: int) -> None:
    made = report_id(campaign, device)
    assert (len(made), read(made)) == (LENGTH, (campaign, device))


@pytest.mark.threats(21)
def test_no_id_can_be_made_up_or_bent_into_another(settings: Any) -> None:
    made = report_id(7, 12)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(LENGTH - 1):  # of the last letter only four bits count
        for letter in {letters[(letters.index(made[place]) + step) % 64] for step in (1, 7, 31, 63)}:
            with pytest.raises(NotOurs):
                read(made[:place] + letter + made[place + 1 :])
    for wrong in ("", made[:-1], made + "A", "A" * LENGTH, "é" * LENGTH, "+" * LENGTH, " " + made[1:], made[:-1] + "="):
        with pytest.raises(NotOurs):
            read(wrong)
    settings.SECRET_KEY = "another"
    with pytest.raises(NotOurs):
        read(made)


def test_an_id_outlives_a_change_of_the_key(settings: Any) -> None:
    made, former = report_id(7, 12), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [former]
    assert read(made) == (7, 12)
    assert report_id(7, 12) != made


# The door


def test_what_a_device_says_is_counted_once(campaign: int) -> None:
    for device in (1, 2, 3):
        assert tell({"report": report_id(campaign, device), "word": "shown"}) == (204, None)
    for _ in range(3):
        assert tell({"report": report_id(campaign, 1), "word": "clicked", "button": 2}) == (204, None)
    assert tell({"report": report_id(campaign, 2), "word": "clicked"}) == (204, None)
    assert tell({"report": report_id(campaign, 3), "word": "dismissed"}) == (204, None)
    assert INTAKE.flush() == 6
    assert tell({"report": report_id(campaign, 1), "word": "clicked", "button": 1}) == (204, None)
    assert INTAKE.flush() == 0
    assert counts(campaign) == Counts(3, 2, 1, ((0, 1), (2, 1)))
    assert Report.objects.filter(word=CLICKED).order_by("device_id").values_list("device_id", "button")[0] == (1, 2)


@pytest.mark.threats(21)
@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"report": "A" * 43}, 422, "not an id that came with a push"),
        ({"report": None}, 422, "not an id"),
        ({"report": 7}, 422, "not an id"),
        ({"word": "seen"}, 422, "word is one of"),
        ({"word": None}, 422, "word is one of"),
        ({"word": []}, 422, "word is one of"),
        ({"button": 3}, 422, "button is"),
        ({"button": -1}, 422, "button is"),
        ({"button": True}, 422, "button is"),
        ({"button": "1"}, 422, "button is"),
        ({"more": "x" * 512}, 400, "at most 512 bytes"),
    ],
)
def test_what_was_made_up_gets_a_sentence(campaign: int, change: dict[str, Any], status: int, told: str) -> None:
    answer = tell({"report": report_id(campaign, 1), "word": "shown", **change})
    assert answer[0] == status
    assert told in answer[1]["detail"]
    assert INTAKE.flush() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"7", b"[" * 500])
def test_what_is_no_report_is_refused(campaign: int, body: bytes) -> None:
    assert tell(body)[0] == 400


def test_a_report_asks_the_database_nothing(campaign: int) -> None:
    tell({"report": report_id(campaign, 1), "word": "shown"})
    with CaptureQueriesContext(connection) as asked:
        tell({"report": report_id(campaign, 2), "word": "shown"})
    assert len(asked) == 0


def test_a_group_is_a_handful_of_statements(campaign: int) -> None:
    now = clock.now()
    with CaptureQueriesContext(connection) as asked:
        assert write([Said(campaign, SHOWN, device, 0, now) for device in range(1000)]) == 1000
    assert len(asked) <= 6
    assert ReportCount.objects.get().devices == 1000
    assert write([Said(campaign, SHOWN, device, 0, now) for device in range(500, 1500)]) == 500
    assert ReportCount.objects.get().devices == Report.objects.count() == 1500


def test_a_campaign_that_is_gone_spoils_no_group(campaign: int) -> None:
    now = clock.now()
    assert write([Said(campaign, SHOWN, 1, 0, now), Said(campaign + 9, SHOWN, 1, 0, now)]) == 1
    assert write([Said(campaign + 9, SHOWN, 1, 0, now)]) == 0


def test_while_the_database_is_away_reports_wait_in_bounds(campaign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(group: list[Said]) -> int:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(reports, "write", away)
        patch.setattr(reports, "MOST", 2)
        for device in (1, 2):
            tell({"report": report_id(campaign, device), "word": "shown"})
        with pytest.raises(DatabaseError):
            INTAKE.flush()
        assert tell({"report": report_id(campaign, 3), "word": "shown"})[0] == 503
    assert INTAKE.flush() == 2
    assert counts(campaign) == Counts(2)


def test_one_that_cannot_be_stored_holds_up_no_other(campaign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = reports.write

    def choosy(group: list[Said]) -> int:
        if any(said.device == 2 for said in group):
            raise DataError
        return store(group)

    monkeypatch.setattr(reports, "write", choosy)
    for device in (1, 2, 3):
        reports.say(campaign, device, SHOWN)
    assert INTAKE.flush() == 2
    assert INTAKE.flush() == 0


def test_reports_go_with_their_campaign(campaign: int) -> None:
    write([Said(campaign, SHOWN, 1, 0, clock.now())])
    Campaign.objects.all().delete()
    assert not Report.objects.exists()
    assert not ReportCount.objects.exists()
