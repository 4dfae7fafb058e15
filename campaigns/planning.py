"""Audience and schedule into batches with their moments."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from campaigns.models import Batch, Campaign, pack
from devices import clock, segments

BATCH = 500  # devices in one batch: small enough to hand over quickly, large enough to claim rarely
CHUNK = 20_000  # devices frozen in one transaction
EXPIRES_AFTER = timedelta(hours=24)

Status = Campaign.Status


def begin(campaign: Campaign, **changes: object) -> None:
    """Let the campaign go: its rule is frozen and its audience is about to be; raise MoveRefused if it cannot."""
    now = clock.now()
    rule = campaign.segment.rule if campaign.segment else {}
    expires_at = now + (campaign.expires_after or EXPIRES_AFTER)
    campaign.move(Status.PREPARING, started_at=now, rule=rule, expires_at=expires_at, **changes)


def freeze_some(campaign: int) -> bool:
    """Freeze the next devices of the audience into batches; return whether there may be more.

    Safe to run twice and by two at once: the cursor moves in the transaction that makes the batches, under the
    campaign's lock.
    """
    with transaction.atomic():
        row = Campaign.objects.select_for_update().select_related(None).get(pk=campaign)
        if row.status != Status.PREPARING:
            return False
        audience = segments.devices(row.app, row.rule).filter(pk__gt=row.cursor).order_by("pk")
        ids = list(audience.values_list("pk", flat=True)[:CHUNK])
        due_at = clock.now()
        Batch.objects.bulk_create(
            Batch(campaign=row, due_at=due_at, ids=pack(part), size=len(part))
            for part in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
        )
        if len(ids) == CHUNK:
            Campaign.objects.filter(pk=campaign).update(cursor=ids[-1], audience=row.audience + len(ids))
            return True
        total = row.audience + len(ids)
        done = {"cursor": ids[-1] if ids else row.cursor, "audience": total, "frozen_at": due_at}
        if total:
            row.move(Status.SENDING, **done)
        else:
            row.move(Status.FINISHED, finished_at=due_at, **done)
        return False
