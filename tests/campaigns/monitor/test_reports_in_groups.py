"""Reports from many devices at once, with the thread that writes them."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection
from django.utils.timezone import now as clock_now

from campaigns.models import Campaign, Report
from campaigns.monitor import reports
from campaigns.monitor.reports import Intake, Said, counts
from devices.common import clock
from devices.models import App
from tests.waiting import until


def test_whatever_goes_wrong_the_next_reports_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "WAIT", 0.01)
    monkeypatch.setattr(connection, "close", lambda: None)
    written: list[int] = []

    def fails_twice(group: list[Said]) -> int:
        if len(written) < 2:
            written.append(0)
            raise [MemoryError(), ValueError()][len(written) - 1]
        written.append(len(group))
        return len(group)

    monkeypatch.setattr(reports, "write", fails_twice)
    intake = Intake()
    intake.put(Said(1, 1, 1, 0, clock_now()))
    until(lambda: written == [0, 0, 1], 10, "the report is written", saw=lambda: written)


def test_who_leaves_waits_for_the_group_that_is_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "WAIT", 0.01)
    monkeypatch.setattr(connection, "close", lambda: None)
    written: list[int] = []
    begun = threading.Event()

    def slowly(group: list[Said]) -> int:
        begun.set()
        time.sleep(0.3)
        written.extend(said.device for said in group)
        return len(group)

    monkeypatch.setattr(reports, "write", slowly)
    intake = Intake()
    intake.put(Said(1, 1, 1, 0, clock_now()))
    assert begun.wait(10)
    intake.put(Said(1, 1, 2, 0, clock_now()))
    intake.last()
    assert sorted(written) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_what_many_say_at_once_is_written_soon_and_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "WAIT", 0.02)
    campaign = Campaign.objects.create(app=App.objects.create(name="A", slug="a"), name="Storm").pk
    intakes = [Intake(), Intake()]  # two web servers

    def speak(first: int) -> None:
        for device in range(first, first + 400):
            for intake in intakes:  # everybody says it twice, to either
                intake.put(Said(campaign, Report.Word.SHOWN, device, 0, clock.now()))

    threads = [threading.Thread(target=speak, args=[first]) for first in (0, 200, 400, 600)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    until = time.monotonic() + 30
    while any(intake._waiting or intake._thread for intake in intakes) and time.monotonic() < until:
        time.sleep(0.02)
    said = counts(campaign)
    assert said is not None
    assert said.shown == Report.objects.count() == 1000
