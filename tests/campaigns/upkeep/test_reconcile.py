"""manage.py reconcile finds every kind of disagreement that a fault could leave."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from campaigns.compose import release
from campaigns.models import Batch, Campaign, Delivery
from campaigns.pipeline.values import message_id
from campaigns.upkeep.reconciling import Ledger, reconcile
from devices.common.clock import now
from tests.campaigns.conftest import House


@pytest.fixture
def sent(house: House) -> Campaign:
    house.phones(*["ok"] * 20, "suppressed", "expired", "reset-after")
    return house.send(never_twice=True)


def ledger(house: House, tmp_path: Path, change: Any = None) -> Path:
    entries = house.ledger()
    if change:
        change(entries)
    file = tmp_path / "ledger.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return file


def test_a_campaign_without_faults_adds_up(house: House, sent: Campaign, tmp_path: Path) -> None:
    report = reconcile(sent, Ledger(ledger(house, tmp_path)))
    assert report.violations == []
    assert (report.audience, report.final, report.rows, report.taken, report.unknown) == (23, 23, 23, 21, 1)
    out = io.StringIO()
    call_command("reconcile", stdout=out)
    assert "Everything adds up." in out.getvalue()


def test_one_that_still_waits_adds_up_too(house: House) -> None:
    house.phones("ok", "queue-full", "inactive")
    assert reconcile(house.send()).violations == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda rows: rows.filter(outcome="dropped").delete(), "23 attempts, but there are 22"),
        (lambda rows: rows.filter(outcome="dropped").update(outcome="accepted"), "as dropped, but 0"),
        (lambda rows: rows.filter(outcome="gone").update(latest=False), "of an audience of 23"),
        (lambda rows: rows.filter(outcome="gone").update(copies=3), "admit more than 1 copies"),
        (lambda rows: Batch.objects.update(accepted=F("accepted") + 1), "accounts for 24"),
        (lambda rows: Batch.objects.update(ids=b"\0" * 8), "but 1 devices wait"),
        (lambda rows: Campaign.objects.update(audience=24), "of an audience of 24"),
    ],
)
def test_every_disagreement_is_found(house: House, sent: Campaign, fault: Any, sentence: str) -> None:
    fault(Delivery.objects.filter(campaign=sent))
    sent.refresh_from_db()
    assert sentence in " ".join(reconcile(sent).violations)
    with pytest.raises(CommandError, match="do not add up"):
        call_command("reconcile", str(sent.pk), stdout=io.StringIO())


def test_a_push_nobody_admits_and_an_acceptance_nobody_saw_are_found(
    house: House, sent: Campaign, tmp_path: Path
) -> None:
    accepted = Delivery.objects.filter(campaign=sent, outcome="accepted").first()
    assert accepted is not None
    identity = message_id(sent.pk, accepted.device_id)

    def twice(entries: list[dict[str, Any]]) -> None:
        entries.append(next(entry for entry in entries if entry["id"] == identity))

    def never(entries: list[dict[str, Any]]) -> None:
        entries[:] = [entry for entry in entries if entry["id"] != identity]

    report = reconcile(sent, Ledger(ledger(house, tmp_path, twice)))
    assert "2 pushes arrived, at most 1" in " ".join(report.violations)
    report = reconcile(sent, Ledger(ledger(house, tmp_path, never)))
    assert "nothing arrived" in " ".join(report.violations)


class OpenLedger(Ledger):
    """The house's own lines of the emulator's ledger, as they are at the moment when somebody asks.

    A copy made before would lack what was taken since, and what of it is recorded already would have no explanation.
    """

    house: House

    def taken(self) -> Counter[str]:
        return Counter(str(line["id"]) for line in self.house.ledger() if line["taken"])


@pytest.mark.django_db(transaction=True)
def test_a_healthy_campaign_that_is_being_sent_is_still_under_way(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenLedger, "house", house, raising=False)
    monkeypatch.setattr("campaigns.upkeep.reconciling.Ledger", OpenLedger)
    house.phones(*["slow-20"] * 900, *["inactive"] * 20)
    campaign = house.campaign()
    release.start(campaign, None)
    over = threading.Event()

    def send() -> None:
        try:
            house.run()
        finally:
            over.set()
            connection.close()

    sender = threading.Thread(target=send)
    sender.start()
    told: list[str] = []
    try:
        while not over.wait(timeout=0.05):
            out = io.StringIO()
            with suppress(CommandError):  # what it has found stands in what it printed
                call_command("reconcile", str(campaign.pk), ledger=tmp_path, stdout=out)
            told.append(out.getvalue())
            assert "Everything adds up." in told[-1], told[-1]
    finally:
        sender.join(timeout=60)
    assert not sender.is_alive()
    assert sum("still under way" in one for one in told) >= 3
    out = io.StringIO()
    call_command("reconcile", str(campaign.pk), ledger=tmp_path, stdout=out)
    assert "still under way" not in out.getvalue()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda rows: rows.filter(outcome="gone").update(copies=3), "admit more than 1 copies"),
        (lambda rows: Batch.objects.filter(status="done").update(accepted=F("accepted") + 1), "accounts for"),
    ],
)
def test_what_can_never_be_is_found_while_it_is_under_way(
    house: House, sent: Campaign, fault: Any, sentence: str, tmp_path: Path
) -> None:
    Batch.objects.create(campaign=sent, service="mpns", due_at=now(), ids=bytes(8), size=1, status="sending")
    fault(Delivery.objects.filter(campaign=sent))
    report = reconcile(sent, Ledger(ledger(house, tmp_path)))
    assert report.under_way
    assert sentence in " ".join(report.violations)


def test_a_ledger_is_read_on_and_its_last_line_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    line = json.dumps({"id": "a", "taken": True}) + "\n"
    file.write_text(line + line[:7])
    found = Ledger(file)
    assert found.taken() == {"a": 1}
    with file.open("a") as more:
        more.write(line[7:] + json.dumps({"id": "b", "taken": False}) + "\n" + line)
    assert found.taken() == {"a": 3}
