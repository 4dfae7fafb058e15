"""Old deliveries go; the numbers of a campaign stay as they were."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Delivery, Report, Trial
from campaigns.monitor import reports, stats
from campaigns.upkeep import housekeeping, pruning
from campaigns.upkeep.reconciling import reconcile
from devices.common.clock import now
from devices.models import BearerToken, Device
from tests.campaigns.conftest import House


def test_old_deliveries_go_and_totals_stay(house: House, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHUNK", 7)
    house.phones(*["ok"] * 30, "suppressed", "status-400")
    old = house.send()
    before = stats.progress(old)
    clock.advance(timedelta(days=40))
    recent = house.send()
    out = io.StringIO()
    call_command("prune", days=30, stdout=out)
    assert "32 deliveries removed." in out.getvalue()
    assert not Delivery.objects.filter(campaign=old).exists()
    assert Delivery.objects.filter(campaign=recent).count() == 32
    old.refresh_from_db()
    assert stats.progress(old) == before
    assert reconcile(old).violations == []
    assert stats.repeatable(old, before) == {}
    assert list(pruning.prune(30)) == []


def test_what_devices_said_goes_with_the_deliveries_and_its_counts_stay(
    house: House, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "CHUNK", 7)
    phones = house.phones(*["ok"] * 12)
    old = house.send()
    clock.advance(timedelta(days=40))
    recent = house.send()
    for campaign in (old, recent):
        words = [(Report.Word.SHOWN, phone) for phone in phones] + [
            (Report.Word.CLICKED, phone) for phone in phones[:5]
        ]
        reports.write([reports.Said(campaign.pk, word, phone.pk, 0, now()) for word, phone in words])
    before = reports.counts(old.pk)
    call_command("prune", days=30, stdout=io.StringIO())
    assert not Report.objects.filter(campaign=old).exists()
    assert Report.objects.filter(campaign=recent).count() == 17
    assert reports.counts(old.pk) == before
    assert reports.write([reports.Said(old.pk, Report.Word.SHOWN, phones[0].pk, 0, now())]) == 0  # said once more
    assert reports.counts(old.pk) == before


def test_what_was_tried_on_a_device_goes_too(house: House, clock: Any) -> None:
    kept, erased = house.phones("ok", "ok")
    for device in (kept, erased):
        Trial.objects.create(device=device, at=now(), outcome="accepted")
    Device.objects.filter(pk=erased.pk)._raw_delete("default")
    call_command("prune", days=30, stdout=io.StringIO())
    assert [trial.device_id for trial in Trial.objects.all()] == [kept.pk]
    clock.advance(timedelta(days=31))
    call_command("prune", days=30, stdout=io.StringIO())
    assert not Trial.objects.exists()


def test_old_tokens_go_and_good_ones_stay(house: House, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "LOOKED", {})
    for mark, hours in (("old", -25), ("young", -23), ("good", 5)):
        BearerToken.objects.create(mark=mark, value=mark, ends_at=now() + timedelta(hours=hours))
    BearerToken.objects.create(mark="never came")
    BearerToken.objects.create(mark="being asked for", asking_until=now() + timedelta(seconds=9))
    housekeeping.tick()
    assert {row.mark for row in BearerToken.objects.all()} == {"young", "good", "being asked for"}


def test_nothing_is_removed_unless_somebody_wants_it(house: House, clock: Any, settings: Any) -> None:
    house.phones("ok")
    house.send()
    clock.advance(timedelta(days=4000))
    housekeeping.tick()
    assert Delivery.objects.count() == 1
    with pytest.raises(CommandError, match="how many days"):
        call_command("prune")
    settings.RETENTION_DAYS = 365
    housekeeping.tick()
    assert Delivery.objects.count() == 0


def test_a_campaign_that_still_moves_is_left_alone(house: House, clock: Any) -> None:
    house.phones("queue-full", "ok")
    house.send(expires_after=timedelta(days=900))
    clock.advance(timedelta(days=800))
    assert list(pruning.prune(30)) == []
    assert Delivery.objects.count() == 2
