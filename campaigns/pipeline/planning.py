"""Audience and schedule into batches with their moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext, ngettext

from campaigns.models import Batch, Campaign, Delivery
from campaigns.packing import pack
from campaigns.pipeline.statements import rows_of
from devices import segments
from devices.common import clock
from devices.push.base import Outcome

BATCH = 1000  # devices in one batch: small enough to hand over quickly, large enough to claim rarely
CHUNK = 20_000  # devices frozen in one transaction
GRACE = timedelta(hours=1)  # a scheduled campaign may start so late by itself; after that a person decides
EXPIRES_AFTER = timedelta(hours=24)

Status = Campaign.Status

# "Send again": to those where nothing arrived and trying again can help, or to those nobody can tell about.
AGAIN: dict[str, Sequence[Outcome]] = {
    "failed": (Outcome.REJECTED, Outcome.EXPIRED),
    "unknown": (Outcome.UNKNOWN,),
}


def lasts(campaign: Campaign) -> timedelta:
    """Return how long after its start a campaign ends."""
    return campaign.expires_after or EXPIRES_AFTER


def begin(campaign: Campaign, **changes: Any) -> None:
    """Let the campaign go: its rule is frozen and its audience is about to be; raise MoveRefused if it cannot."""
    now = clock.now()
    rule = campaign.segment.rule if campaign.segment else {}
    expires_at = now + lasts(campaign)
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
        if row.again:
            return _repeat_some(row)
        audience = segments.devices(row.app, row.rule).filter(pk__gt=row.cursor).order_by("pk")
        chosen = rows_of(audience.values_list("pk", "service")[:CHUNK])
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


def repeatable(campaign: Campaign, which: str) -> QuerySet[Delivery]:
    """Return the last words on the devices that "send again" to ``which`` (a key of AGAIN) would reach.

    The unknown may have one copy, so theirs would be a possible second; those with two already are left alone, and with
    "never twice" those with one.
    """
    most = 1 if campaign.never_twice else 2
    return Delivery.objects.filter(campaign=campaign, latest=True, outcome__in=AGAIN[which], copies__lt=most)


def _repeat_some(campaign: Campaign) -> bool:
    """Put the next devices that are sent to again into batches; return whether there may be more.

    The caller holds the campaign's lock. The cursor moves in the transaction that makes the batches.
    """
    wanted = repeatable(campaign, campaign.again).filter(device_id__gt=campaign.cursor).order_by("device_id")
    columns = ("device_id", "batch__service", "attempt", "copies", "batch", "outcome")
    rows = list(wanted.values_list(*columns)[:CHUNK])
    devices = [device for device, *_ in rows]
    Delivery.objects.filter(campaign=campaign, device__in=devices, latest=True).update(latest=False)
    _count_as_repeated(Counter((outcome, batch) for *_, batch, outcome in rows))
    members: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for device, service, attempt, copies, _, _ in rows:
        members.setdefault((service, attempt + 1), []).append((device, copies))
    due_at, size = clock.now(), batch_size(campaign.per_minute)
    Batch.objects.bulk_create(
        Batch(
            campaign=campaign,
            service=service,
            attempt=attempt,
            due_at=due_at,
            ids=pack(device for device, _ in part),
            doubtful=pack(device for device, copies in part if copies),
            size=len(part),
        )
        for (service, attempt), same in members.items()
        for part in (same[start : start + size] for start in range(0, len(same), size))
    )
    if len(rows) == CHUNK:
        Campaign.objects.filter(pk=campaign.pk).update(cursor=devices[-1])
        return True
    campaign.move(Status.SENDING, again="")
    return False


def _count_as_repeated(counts: Mapping[tuple[str, int], int]) -> None:
    """Let deliveries, given as (outcome, batch) → count, count as repeated: there are others after them now.

    One statement for each outcome, not one for each batch.
    """
    for outcome in sorted({outcome for outcome, _ in counts}):
        pairs = [(batch, count) for (word, batch), count in counts.items() if word == outcome]
        values = ", ".join(f"({batch}, {count})" for batch, count in pairs)
        table = Batch._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET {outcome} = {table}.{outcome} - new.column2, retry = {table}.retry + new.column2"  # noqa: S608 (numbers and names of our own)
                f" FROM (VALUES {values}) AS new WHERE {table}.id = new.column1"
            )


def too_slow(devices: int, per_minute: int | None, lasts: timedelta) -> str:
    """Return the sentence for a pace at which some devices would not be reached before the end, "" for any other."""
    minutes = lasts.total_seconds() / 60
    if not per_minute or devices <= per_minute * minutes:
        return ""
    told = gettext(
        "At %(pace)s a minute, %(devices)s devices take %(takes)s, and it ends %(ends)s after the start: not everybody "
        "would get it. It takes at least %(least)s a minute, or a later end."
    )
    return told % {
        "pace": f"{per_minute:,}",
        "devices": f"{devices:,}",
        "takes": in_hours(devices / per_minute / 60),
        "ends": in_hours(minutes / 60),
        "least": f"{ceil(devices / minutes):,}",
    }


def in_hours(hours: float) -> str:
    """Return a length of time as a person plans with it: 0.5 → "30 minutes", 30.0 → "30 hours", 72.0 → "3 days"."""
    if hours >= 48:
        count, told = ceil(hours / 24), ngettext("%(count)s day", "%(count)s days", ceil(hours / 24))
    elif hours >= 2:
        count, told = ceil(hours), ngettext("%(count)s hour", "%(count)s hours", ceil(hours))
    else:
        count, told = ceil(hours * 60), ngettext("%(count)s minute", "%(count)s minutes", ceil(hours * 60))
    return told % {"count": f"{count:,}"}
