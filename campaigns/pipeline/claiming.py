"""Which batch is due, and whose it is from now on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from campaigns.models import Batch, Breaker, Campaign
from campaigns.pipeline import breaker, settling
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import LEASE
from campaigns.pipeline.transfer import ALONE, first_release
from campaigns.pipeline.values import Claim
from devices.common import clock

PARKED_AT = 4  # the claim at which the device that never let its batch get on is put aside
TURNS = 8  # campaigns that are tried for one claim: other senders may hold all that is due of the first ones
Status = Campaign.Status
MOVING = (Status.PREPARING, Status.SENDING)  # the first batches leave while the last ones are still being frozen


class Crowded(Exception):
    """The next batch has killed its senders before and wants one for itself."""


def claim_next(
    journal: Journal,
    full: Sequence[int] = (),
    closed: Sequence[str] = (),
    waiting: Collection[tuple[int, str]] = (),
    *,
    alone: bool = True,
) -> Claim | None:
    """Claim the first due batch of the campaign that has waited longest for a claim; None when nothing is due.

    Campaigns in ``full``, services in ``closed`` and (App, service) in ``waiting`` are passed over; a campaign with
    nothing due is not even looked at, however many wait. ``alone`` says that the caller has no other batch; raises
    Crowded when it has and the batch must be alone.
    """
    now = clock.now()
    open_now = _due(now, closed, waiting)
    due = open_now.filter(campaign=OuterRef("pk"))
    moving = Campaign.objects.filter(on_pace(now), Exists(due), status__in=MOVING).exclude(pk__in=full)
    for campaign in moving.order_by(F("claimed_at").asc(nulls_first=True), "pk").values_list("pk", flat=True)[:TURNS]:
        if claim := _claim_from(campaign, journal, now, open_now, alone):
            return claim
    return None


def _due(now: datetime, closed: Collection[str], waiting: Collection[tuple[int, str]]) -> QuerySet[Batch]:
    due = Batch.objects.filter(status=Batch.Status.QUEUED, due_at__lte=now).exclude(service__in=closed)
    for app, service in sorted(waiting):
        due = due.exclude(campaign__app=app, service=service)
    return due


def on_pace(now: datetime, path: str = "") -> Q:
    """Return the condition that a campaign is not ahead of its pace."""
    return Q(**{f"{path}paced_until": None}) | Q(**{f"{path}paced_until__lte": now})


def _claim_from(campaign: int, journal: Journal, now: datetime, open_now: QuerySet[Batch], alone: bool) -> Claim | None:
    with transaction.atomic():
        batch = (
            open_now.select_for_update(of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked)
            .select_related("campaign")
            .filter(campaign=campaign, campaign__status__in=MOVING)
            .order_by("due_at", "pk")
            .first()
        )
        if batch is None:
            return None
        batch.claims += 1
        if batch.claims >= PARKED_AT:
            settling.park_culprit(batch)
            return None
        if batch.claims >= ALONE and not alone:
            raise Crowded
        _take_hold(batch, journal, now)
        pace = batch.campaign.per_minute
        paced_until = now + timedelta(minutes=len(batch.ids) // 8 / pace) if pace else None
        on_time = Campaign.objects.filter(on_pace(now), pk=campaign)
        if not on_time.update(claimed_at=now, paced_until=paced_until):
            transaction.set_rollback(True)  # another sender took this campaign's turn meanwhile
            return None
        return Claim.of(batch)


def _take_hold(batch: Batch, journal: Journal, now: datetime) -> None:
    """Make the batch ours, with a lease; the journal hears of it before the database does."""
    batch.status, batch.claim_token, batch.windows = Batch.Status.SENDING, uuid.uuid4(), 0
    batch.claimed_by, batch.claimed_at, batch.lease_until = f"{journal.name} {os.getpid()}", now, now + LEASE
    batch.released = first_release(batch.claims, len(batch.ids) // 8, len(batch.doubtful) // 8)
    journal.claim(batch.pk, batch.claim_token)
    batch.save(
        update_fields=[
            "status",
            "claim_token",
            "windows",
            "claimed_by",
            "claimed_at",
            "lease_until",
            "released",
            "claims",
        ]
    )


def due_work() -> bool:
    """Return whether there is a batch to claim or a campaign to prepare now."""
    return sending_due() or Campaign.objects.filter(status=Status.PREPARING).exists()


def sending_due() -> bool:
    """Return whether there is a batch to claim now."""
    now = clock.now()
    resting = list(Breaker.objects.filter(open_until__gt=now).values_list("circuit", flat=True))
    due = _due(now, resting, breaker.of_apps(resting))
    return due.filter(on_pace(now, "campaign__"), campaign__status__in=MOVING).exists()
