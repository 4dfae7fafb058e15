"""Audience and schedule into batches with their moments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from campaigns.models import Batch, Campaign, pack
from devices import clock, segments

BATCH = 500  # devices in one batch: small enough to hand over quickly, large enough to claim rarely
CHUNK = 20_000  # devices frozen in one transaction
GRACE = timedelta(hours=1)  # a scheduled campaign may start so late by itself; after that a person decides
EXPIRES_AFTER = timedelta(hours=24)

Status = Campaign.Status


def begin(campaign: Campaign, **changes: Any) -> None:
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
        rows = Campaign.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        row = rows.filter(pk=campaign, status=Status.PREPARING).first()
        if row is None:  # somebody else is at it, or it is done
            return False
        audience = segments.devices(row.app, row.rule).filter(pk__gt=row.cursor).order_by("pk")
        chosen = list(audience.values_list("pk", "service")[:CHUNK])
        ids = [pk for pk, _ in chosen]
        due_at = clock.now()
        size = batch_size(row.per_minute)
        Batch.objects.bulk_create(
            Batch(campaign=row, service=service, due_at=due_at, ids=pack(part), size=len(part))
            for service, members in _by_service(chosen).items()
            for part in (members[start : start + size] for start in range(0, len(members), size))
        )
        if len(ids) == CHUNK:
            Campaign.objects.filter(pk=campaign).update(cursor=ids[-1], audience=row.audience + len(ids))
            return True
        total = row.audience + len(ids)
        done: dict[str, Any] = {"cursor": ids[-1] if ids else row.cursor, "audience": total, "frozen_at": due_at}
        if total:
            row.move(Status.SENDING, **done)
        else:
            row.move(Status.FINISHED, finished_at=due_at, **done)
        return False


def batch_size(per_minute: int | None) -> int:
    """Return how many devices go into one batch: at a pace of so many a minute, what goes in five seconds."""
    return BATCH if per_minute is None else max(1, min(BATCH, per_minute // 12))


def _by_service(chosen: Iterable[tuple[int, str]]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for pk, service in chosen:
        members.setdefault(service, []).append(pk)
    return members
