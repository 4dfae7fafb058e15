"""Old single deliveries and reports go, in chunks that hold nobody up; the totals of every campaign stay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.models import Campaign, Delivery, Report, Trial
from devices import bearer
from devices.common import clock
from devices.models import Contact, Device

CHUNK = 5000  # deliveries deleted in one transaction
LOOKED: dict[str, float] = {}  # on the monotonic clock: when to look again
ENDED = (Campaign.Status.FINISHED, Campaign.Status.CANCELLED)


def old(before: datetime) -> QuerySet[Campaign]:
    """Return the campaigns that ended before a moment and still have their single deliveries."""
    return Campaign.objects.filter(status__in=ENDED, finished_at__lt=before, pruned_at=None).order_by("pk")


def prune(days: int) -> Iterator[tuple[Campaign, int]]:
    """Remove the deliveries of campaigns that ended more than ``days`` ago; yield each with how many those were.

    Safe to break off at any time: what is left is removed the next time.
    """
    for campaign in old(clock.now() - timedelta(days=days)):
        removed = 0
        while count := _remove_some(campaign.pk):
            removed += count
        while _remove_reports(campaign.pk):
            pass
        Campaign.objects.filter(pk=campaign.pk).update(pruned_at=clock.now())
        yield campaign, removed


def _remove_some(campaign: int) -> int:
    """Delete the next chunk by key and return how many deliveries that were."""
    with transaction.atomic():
        keys = list(
            Delivery.objects.filter(campaign=campaign)
            .order_by("device_id", "attempt")
            .values_list("device_id", flat=True)[:CHUNK]
        )
        if not keys:
            return 0
        table = Delivery._meta.db_table
        with connection.cursor() as cursor:
            statement = f"DELETE FROM {table} WHERE campaign_id = %s AND device_id BETWEEN %s AND %s"  # noqa: S608
            cursor.execute(statement, [campaign, keys[0], keys[-1]])
            return int(cursor.rowcount)


def _remove_reports(campaign: int) -> int:
    """Delete the next chunk of what devices said of a campaign; return how many rows that were."""
    devices = Report.objects.filter(campaign=campaign).order_by("word", "device_id").values_list("word", "device_id")
    keys = list(devices[:CHUNK])
    if not keys:
        return 0
    word = keys[0][0]
    last = max(device for said, device in keys if said == word)
    with transaction.atomic(), connection.cursor() as cursor:
        statement = f"DELETE FROM {Report._meta.db_table} WHERE campaign_id = %s AND word = %s AND device_id <= %s"  # noqa: S608
        cursor.execute(statement, [campaign, word, last])
        return int(cursor.rowcount)


def prune_trials(days: int) -> int:
    """Remove what was tried on devices more than ``days`` ago, and on devices that are gone; return how many."""
    old = Q(at__lt=clock.now() - timedelta(days=days))
    gone = ~Exists(Device.objects.filter(pk=OuterRef("device_id")))
    return Trial.objects.filter(old | Q(gone)).delete()[0]


def forget_orphans(every: float = 3600.0) -> None:
    """Remove what was heard of devices that were erased while it was being written, and old tokens; once an hour."""
    if time.monotonic() < LOOKED.get("orphans", 0.0):
        return
    LOOKED["orphans"] = time.monotonic() + every
    Contact.objects.filter(~Exists(Device.objects.filter(pk=OuterRef("device_id")))).delete()
    bearer.forget_old(clock.now())


def prune_if_wanted(budget: int = 1) -> None:
    """Remove what the setting RETENTION_DAYS no longer keeps, at most ``budget`` campaigns at a time."""
    if settings.RETENTION_DAYS:
        for _, _ in zip(range(budget), prune(settings.RETENTION_DAYS), strict=False):
            pass
        if time.monotonic() >= LOOKED.get("trials", 0.0):
            LOOKED["trials"] = time.monotonic() + 3600.0
            prune_trials(settings.RETENTION_DAYS)
