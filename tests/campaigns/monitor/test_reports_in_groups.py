"""Reports from many devices at once, with the thread that writes them."""

from __future__ import annotations

import threading
import time

import pytest

from campaigns.models import Campaign, Report
from campaigns.monitor import reports
from campaigns.monitor.reports import Intake, Said, counts
from devices.common import clock
from devices.models import App


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
