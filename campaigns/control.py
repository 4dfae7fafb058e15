"""What a person may do with a campaign. Each step is one guarded move; the refusal is a sentence for the page."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count

from campaigns import planning, settling, tasks
from campaigns.models import Batch, Campaign, Delivery, MoveRefused, refusal, unpack
from campaigns.planning import AGAIN, repeatable
from campaigns.rendering import message_of
from campaigns.stats import BY_HAND, END_PASSED, Progress
from campaigns.transfer import ALONE
from devices import clock, segments
from devices.push.base import Outcome, Verdict
from devices.push.message import MessageInvalid
from devices.push.services import find

Status = Campaign.Status
GOING = (Status.PREPARING, Status.SENDING)
TIME_OVER = "This time is over. Choose a later one, or send now."


class NotReady(Exception):
    """The campaign cannot be sent as it is. ``str(error)`` is a sentence for a person."""


def check(campaign: Campaign) -> None:
    """Raise NotReady when the campaign has nothing to say, says it wrongly, or has nobody to say it to."""
    notifications = list(campaign.notifications.all())
    if not notifications:
        raise NotReady("This campaign has no message yet.")
    audience = segments.devices(campaign.app, campaign.segment.rule if campaign.segment else {})
    services = list(audience.values_list("service").annotate(Count("pk")).order_by())
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
    total = sum(count for _, count in services)
    if slow := planning.too_slow(total, campaign.per_minute, lasts(campaign)):
        raise NotReady(slow)


def lasts(campaign: Campaign) -> timedelta:
    """Return how long after its start a campaign ends."""
    return campaign.expires_after or planning.EXPIRES_AFTER


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


def pause(campaign: Campaign, because: str = BY_HAND) -> None:
    """Stop claiming; what is on the wire comes home and is recorded."""
    campaign.move(Status.PAUSED, because=because)


@dataclass(frozen=True, slots=True)
class Held:
    """What pausing everything changed."""

    paused: int
    drafts: int


def pause_everything(because: str) -> Held:
    """Pause every campaign that is being sent, and take the scheduled ones back to the drafts.

    Again until nothing is left: a scheduled one may start between two looks.
    """
    paused = drafts = 0
    for _ in range(3):
        for campaign in Campaign.objects.filter(status=Status.SCHEDULED):
            with suppress(MoveRefused):
                unschedule(campaign)
                drafts += 1
        for campaign in Campaign.objects.filter(status__in=GOING):
            with suppress(MoveRefused):
                pause(campaign, because)
                paused += 1
    return Held(paused, drafts)


def resume(campaign: Campaign, by: AbstractBaseUser | None = None, more: timedelta | None = None) -> None:
    """Go on exactly where the campaign stopped, until ``more`` from now when that is given.

    Raises NotReady when the end has passed and there is no new one, MoveRefused when it is not paused.
    """
    with transaction.atomic():
        row = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if row.status != Status.PAUSED:
            campaign.status = row.status
            raise MoveRefused(f"This campaign is {Status(row.status).label.lower()}, not paused.")
        if row.started_at is None:  # it was scheduled, and could not be started
            _begin_again(campaign, by)
        else:
            frozen = row.frozen_at is not None and not row.again
            campaign.move(Status.SENDING if frozen else Status.PREPARING, **_until(row, more))
        tasks.ring_on_commit()


def _begin_again(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    try:
        planning.begin(campaign, started_by=by)
    except OverflowError as error:
        raise NotReady(f"It cannot be started: {error}.") from error


def _until(row: Campaign, more: timedelta | None) -> dict[str, Any]:
    """Return the column of a new end; none when the present one holds, NotReady when one is needed."""
    now = clock.now()
    if more is not None:
        return {"expires_at": now + more}
    if row.expires_at is not None and row.expires_at <= now:
        raise NotReady(END_PASSED)
    return {}


def cancel(campaign: Campaign) -> None:
    """Stop for good; what is on the wire comes home and is recorded, the rest is never sent."""
    campaign.move(Status.CANCELLED, finished_at=clock.now())


def again(campaign: Campaign, progress: Progress) -> dict[str, int]:
    """Return how many devices each kind of "send again" would reach; only the kinds that are possible now."""
    if campaign.status != Status.FINISHED or campaign.pruned_at:
        return {}
    possible = [which for which, outcomes in AGAIN.items() if any(progress.counts[outcome] for outcome in outcomes)]
    found = {which: repeatable(campaign, which).count() for which in possible}
    return {which: count for which, count in found.items() if count}


def send_again(campaign: Campaign, which: str, by: AbstractBaseUser | None = None) -> int:
    """Send once more to the "failed" or the "unknown" of a finished campaign; return how many devices that are.

    Their batches are made by the senders, as those of the first time are (planning.repeatable tells for whom).
    """
    with transaction.atomic():
        if campaign.status != Status.FINISHED:
            raise MoveRefused(f"This campaign is {Status(campaign.status).label.lower()}, not finished.")
        count = repeatable(campaign, which).count()
        if not count:
            raise NotReady("There is nobody left to send to again.")
        if slow := planning.too_slow(count, campaign.per_minute, lasts(campaign)):
            raise NotReady(slow)
        expires_at = clock.now() + lasts(campaign)
        campaign.move(Status.PREPARING, again=which, cursor=0, finished_at=None, expires_at=expires_at)
        tasks.ring_on_commit()
    return count


def leave_denied(campaign: Campaign, by: AbstractBaseUser | None = None, more: timedelta | None = None) -> int:
    """Go on without the devices whose push is refused for our credential; return how many wait for that reason.

    From now on such a refusal is final for its device and pauses nothing. They count as failed: once the credential is
    right, "send again" reaches them.
    """
    reason = f"Left out by {by or 'somebody'}: the service does not take our credential for it."
    verdict = Verdict(Outcome.REJECTED, reason)
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(leave_denied=True)
        rows = Delivery.objects.filter(campaign=campaign.pk, latest=True, outcome=Outcome.DENIED)
        denied = set(rows.values_list("device_id", flat=True))
        count = _given_up(campaign, Batch.Status.QUEUED, denied, verdict) if denied else 0
        if campaign.status == Status.PAUSED:
            resume(campaign, by, more)
    return count


def _given_up(campaign: Campaign, status: str, devices: set[int] | None, verdict: Verdict) -> int:
    """Give up ``devices`` (None: all) in the batches of a status; return how many those were."""
    batches = Batch.objects.filter(campaign=campaign.pk, status=status)
    if devices is not None:
        batches = batches.filter(attempt__gt=1)
    count = 0
    for batch, ids in batches.order_by("pk").values_list("pk", "ids"):
        chosen: Iterable[int] = unpack(ids) if devices is None else devices.intersection(unpack(ids))
        count += settling.give_up(batch, status, chosen, verdict) if chosen else 0
    return count


def try_parked(campaign: Campaign, by: AbstractBaseUser | None = None, more: timedelta | None = None) -> int:
    """Let parked devices be tried again, each alone; return how many. Who ends its sender again is parked again."""
    with transaction.atomic():
        row = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if row.status == Status.CANCELLED:
            raise MoveRefused(refusal(Status.CANCELLED, Status.SENDING))
        until = _until(row, more or (lasts(row) if row.status == Status.FINISHED else None))
        parked = Batch.objects.filter(campaign=row, status=Batch.Status.PARKED)
        count = parked.update(status=Batch.Status.QUEUED, claims=ALONE - 1, due_at=clock.now())
        if not count:
            raise NotReady("No device of this campaign is parked any more.")
        if row.status == Status.FINISHED:
            campaign.move(Status.SENDING, finished_at=None, **until)
        elif until:
            Campaign.objects.filter(pk=row.pk).update(**until)
        tasks.ring_on_commit()
    return count


def give_up_parked(campaign: Campaign, by: AbstractBaseUser | None = None) -> int:
    """Let parked devices be skipped, or be listed as not known where a copy may have left; return how many."""
    reason = f"Given up by {by or 'somebody'}: its push ended the sender three times."
    with transaction.atomic():
        count = _given_up(campaign, Batch.Status.PARKED, None, Verdict(Outcome.SKIPPED, reason))
    if not count:
        raise NotReady("No device of this campaign is parked any more.")
    return count
