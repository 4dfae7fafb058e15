"""The one gate through which a person sends a campaign: first the check, then the move."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns import control
from campaigns.compose.preflight import check
from campaigns.models import Campaign, MoveRefused, refusal

Status = Campaign.Status


def start(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    """Send the campaign now; raise NotReady or MoveRefused."""
    if campaign.status in {Status.DRAFT, Status.SCHEDULED}:
        check(campaign)
    control.start(campaign, by)


def schedule(campaign: Campaign, by: AbstractBaseUser | None, at: datetime) -> None:
    """Send the campaign at ``at`` (aware); raise NotReady or MoveRefused."""
    check(campaign)
    control.schedule(campaign, by, at)


def start_missed(campaign: Campaign, by: AbstractBaseUser | None) -> None:
    """Send a scheduled campaign whose time has passed without it; raise NotReady or MoveRefused."""
    with transaction.atomic():
        waiting = Campaign.objects.select_for_update().filter(pk=campaign.pk, status=Status.SCHEDULED)
        if not waiting.exists():
            campaign.refresh_from_db(fields=["status"])
            raise MoveRefused(refusal(Status(campaign.status), Status.PREPARING))
        start(campaign, by)
