"""What a person may do with a campaign. Each step is one guarded move; the refusal is a sentence for the page."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from campaigns.models import Batch, Campaign, Delivery, MoveRefused, refusal
from campaigns.packing import unpack
from campaigns.pipeline import planning, settling, tasks
from campaigns.pipeline.planning import repeatable
from campaigns.pipeline.transfer import ALONE
from devices.common import clock
from devices.push.base import Outcome, Verdict

Status = Campaign.Status
GOING = (Status.PREPARING, Status.SENDING)
TIME_OVER = gettext_lazy("This time is over. Choose a later one, or send now.")
BY_HAND = gettext_noop("Paused by hand.")  # as it is stored and compared; translated where it is shown
END_PASSED = gettext_lazy(
    "The end of this campaign has passed, so everybody who is left would be given up. Say how long it may still go on."
)


class NotReady(Exception):
    """The campaign cannot be sent as it is. ``str(error)`` is a sentence for a person."""


def start(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    """Send the campaign now, checked or not (campaigns/compose/release.py checks); raise MoveRefused."""
    with transaction.atomic():
        planning.begin(campaign, started_by=by)
        tasks.ring_on_commit()


def schedule(campaign: Campaign, by: AbstractBaseUser | None, at: datetime) -> None:
    """Send the campaign at ``at`` (aware), checked or not; raise NotReady when that is over, or MoveRefused."""
    if at <= clock.now():
        raise NotReady(TIME_OVER)
    campaign.move(Status.SCHEDULED, send_at=at, started_by=by)


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
    for _look in range(3):
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
            told = _("This campaign is %(status)s, not paused.")
            raise MoveRefused(told % {"status": Status(row.status).label.lower()})
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
        raise NotReady(_("It cannot be started: %(error)s.") % {"error": error}) from error


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


def send_again(campaign: Campaign, which: str) -> int:
    """Send once more to the "failed" or the "unknown" of a finished campaign; return how many devices that are.

    Their batches are made by the senders, as those of the first time are (planning.repeatable tells for whom).
    """
    with transaction.atomic():
        if campaign.status != Status.FINISHED:
            told = _("This campaign is %(status)s, not finished.")
            raise MoveRefused(told % {"status": Status(campaign.status).label.lower()})
        count = repeatable(campaign, which).count()
        if not count:
            raise NotReady(_("There is nobody left to send to again."))
        if slow := planning.too_slow(count, campaign.per_minute, planning.lasts(campaign)):
            raise NotReady(slow)
        expires_at = clock.now() + planning.lasts(campaign)
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


def try_parked(campaign: Campaign, more: timedelta | None = None) -> int:
    """Let parked devices be tried again, each alone; return how many. Who ends its sender again is parked again."""
    with transaction.atomic():
        row = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if row.status == Status.CANCELLED:
            raise MoveRefused(refusal(Status.CANCELLED, Status.SENDING))
        until = _until(row, more or (planning.lasts(row) if row.status == Status.FINISHED else None))
        parked = Batch.objects.filter(campaign=row, status=Batch.Status.PARKED)
        count = parked.update(status=Batch.Status.QUEUED, claims=ALONE - 1, due_at=clock.now())
        if not count:
            raise NotReady(_("No device of this campaign is parked any more."))
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
        raise NotReady(_("No device of this campaign is parked any more."))
    return count
