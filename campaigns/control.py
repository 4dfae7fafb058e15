"""What a person may do with a campaign. Each step is one guarded move; the refusal is a sentence for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, F

from campaigns import planning, tasks
from campaigns.models import Batch, Campaign, Delivery, MoveRefused, pack, refusal
from campaigns.rendering import message_of
from campaigns.stats import Progress
from devices import clock, segments
from devices.push.base import Outcome
from devices.push.message import MessageInvalid
from devices.push.services import find

Status = Campaign.Status

# "Send again": to those where nothing arrived and trying again can help, or to those nobody can tell about.
AGAIN: dict[str, Sequence[Outcome]] = {
    "failed": (Outcome.REJECTED, Outcome.EXPIRED),
    "unknown": (Outcome.UNKNOWN,),
}


TIME_OVER = "This time is over. Choose a later one, or send now."


class NotReady(Exception):
    """The campaign cannot be sent as it is. ``str(error)`` is a sentence for a person."""


def check(campaign: Campaign) -> None:
    """Raise NotReady when the campaign has nothing to say, says it wrongly, or has nobody to say it to."""
    notifications = list(campaign.notifications.all())
    if not notifications:
        raise NotReady("This campaign has no message yet.")
    audience = segments.devices(campaign.app, campaign.segment.rule if campaign.segment else {})
    services = audience.values_list("service").annotate(Count("pk")).order_by()
    slugs = [slug for slug, count in services if count]
    if not slugs:
        whom = f"the segment “{campaign.segment}”" if campaign.segment else f"“{campaign.app}”"
        raise NotReady(f"Nobody would get this: {whom} has no device that can be reached.")
    for notification in notifications:
        try:
            message = message_of(notification)
        except MessageInvalid as invalid:
            raise NotReady(" ".join(problem.sentence for problem in invalid.problems)) from invalid
        for slug in slugs:
            errors = [problem for problem in find(slug).problems(message) if problem.level == "error"]
            if errors:
                raise NotReady(" ".join(problem.sentence for problem in errors))


def start(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    """Send the campaign now; raise NotReady or MoveRefused."""
    if campaign.status in {Status.DRAFT, Status.SCHEDULED}:
        check(campaign)
    with transaction.atomic():
        planning.begin(campaign, started_by=by)
        tasks.ring_on_commit()


def schedule(campaign: Campaign, by: AbstractBaseUser | None, at: datetime) -> None:
    """Send the campaign at ``at`` (aware); raise NotReady or MoveRefused."""
    check(campaign)
    if at <= clock.now():
        raise NotReady(TIME_OVER)
    campaign.move(Status.SCHEDULED, send_at=at, started_by=by)


def start_missed(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    """Send a scheduled campaign whose time has passed without it; raise NotReady or MoveRefused."""
    with transaction.atomic():
        waiting = Campaign.objects.select_for_update().filter(pk=campaign.pk, status=Status.SCHEDULED)
        if not waiting.exists():
            campaign.refresh_from_db(fields=["status"])
            raise MoveRefused(refusal(Status(campaign.status), Status.PREPARING))
        start(campaign, by)


def unschedule(campaign: Campaign) -> None:
    """Take a scheduled campaign back to the drafts."""
    campaign.move(Status.DRAFT, started_by=None)


def pause(campaign: Campaign, because: str = "Paused by hand.") -> None:
    """Stop claiming; what is on the wire comes home and is recorded."""
    campaign.move(Status.PAUSED, because=because)


def resume(campaign: Campaign, by: AbstractBaseUser | None = None) -> None:
    """Go on exactly where the campaign stopped."""
    if campaign.status != Status.PAUSED:
        raise MoveRefused(f"This campaign is {Status(campaign.status).label.lower()}, not paused.")
    with transaction.atomic():
        frozen = Campaign.objects.filter(pk=campaign.pk, frozen_at__isnull=False).exists()
        campaign.move(Status.SENDING if frozen else Status.PREPARING)
        tasks.ring_on_commit()


def cancel(campaign: Campaign) -> None:
    """Stop for good; what is on the wire comes home and is recorded, the rest is never sent."""
    campaign.move(Status.CANCELLED, finished_at=clock.now())


def again(campaign: Campaign, progress: Progress) -> dict[str, int]:
    """Return how many devices each kind of "send again" may reach at most; only the kinds that are possible now."""
    if campaign.status != Status.FINISHED or campaign.pruned_at:
        return {}
    found = {which: sum(progress.counts[outcome] for outcome in outcomes) for which, outcomes in AGAIN.items()}
    return {which: count for which, count in found.items() if count}


def send_again(campaign: Campaign, which: str, by: AbstractBaseUser | None = None) -> int:
    """Send once more to the "failed" or the "unknown" of a finished campaign; return how many devices that are.

    The unknown may have one copy, so theirs is marked as a possible second; those with two already are left alone,
    and with "never twice" those with one.
    """
    with transaction.atomic():
        if campaign.status != Status.FINISHED:
            raise MoveRefused(f"This campaign is {Status(campaign.status).label.lower()}, not finished.")
        expires_at = clock.now() + (campaign.expires_after or planning.EXPIRES_AFTER)
        campaign.move(Status.SENDING, finished_at=None, expires_at=expires_at)
        most = 1 if campaign.never_twice else 2
        wanted = Delivery.objects.filter(campaign=campaign, latest=True, outcome__in=AGAIN[which], copies__lt=most)
        columns = ("attempt", "batch__service", "device_id", "copies", "batch", "outcome")
        rows = list(wanted.order_by(*columns[:3]).values_list(*columns))
        if not rows:
            raise NotReady("There is nobody left to send to again.")
        wanted.update(latest=False)
        # The attempt they ended with becomes one of several: it counts as repeated, and the totals stay exact.
        for (batch, outcome), count in Counter((row[4], row[5]) for row in rows).items():
            Batch.objects.filter(pk=batch).update(**{outcome: F(outcome) - count, "retry": F("retry") + count})
        for (attempt, service), same in groupby(rows, key=itemgetter(0, 1)):
            _queue_again(campaign, service, attempt + 1, [(row[2], row[3]) for row in same])
        tasks.ring_on_commit()
    return len(rows)


def _queue_again(campaign: Campaign, service: str, attempt: int, wanted: Sequence[tuple[int, int]]) -> None:
    due_at = clock.now()
    parts = [wanted[start : start + planning.BATCH] for start in range(0, len(wanted), planning.BATCH)]
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
        for part in parts
    )
