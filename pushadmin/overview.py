"""What the first page says, in a handful of queries whose number does not grow with what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse

from campaigns import stats
from campaigns.models import Breaker, Campaign, Worker
from campaigns.stats import Progress
from devices import clock
from devices.models import App, Credential, Device
from devices.push.services import find

SHOWN = 6  # campaigns in a list of the overview
SOON = timedelta(days=30)  # a credential that expires within this is worth a warning
Status = Campaign.Status


@dataclass(frozen=True, slots=True)
class Card:
    """One campaign with its numbers. ``standstill`` tells why nothing moves, "" when it does."""

    campaign: Campaign
    progress: Progress
    standstill: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """The devices of one push service: how many may be sent to now, how many not, and why."""

    label: str
    retired_service: str
    active: int
    on_hold: int
    retired: int
    reasons: list[tuple[str, int]]

    @property
    def total(self) -> int:
        """All of them."""
        return self.active + self.on_hold + self.retired

    @property
    def counts(self) -> dict[str, int]:
        """The parts of the bar."""
        return {"active": self.active, "hold": self.on_hold, "retired": self.retired}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that needs somebody. ``tone`` is "bad" when nothing goes on without them."""

    tone: str
    sentence: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page; what a person may not see is left out."""

    moving: list[Card] = field(default_factory=list)
    recent: list[Card] = field(default_factory=list)
    reach: list[Reach] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)
    apps: int = 0
    worker_seen: datetime | None = None


def overview_of(user: Any) -> Overview:
    """Return what ``user`` may see of it."""
    sees_campaigns = user.has_perm("campaigns.view_campaign")
    sees_devices = user.has_perm("devices.view_device")
    seen = Worker.objects.order_by("-seen_at").values_list("seen_at", flat=True).first()
    moving, recent = _cards() if sees_campaigns else ([], [])
    return Overview(
        moving=moving,
        recent=recent,
        reach=_reach() if sees_devices else [],
        warnings=_warnings(moving + recent, seen) if user.is_staff else [],
        apps=App.objects.count(),
        worker_seen=seen,
    )


def _cards() -> tuple[list[Card], list[Card]]:
    going = Q(status__in=[Status.PREPARING, Status.SENDING, Status.PAUSED, Status.SCHEDULED])
    campaigns = Campaign.objects.select_related("app", "segment")
    moving = [*campaigns.filter(going).order_by("-started_at", "-pk")[:SHOWN]]
    recent = [*campaigns.exclude(going).order_by("-started_at", "-pk")[:SHOWN]]
    numbers = stats.progress_of(moving + recent)
    return (
        [Card(campaign, numbers[campaign.pk], stats.standstill(campaign)) for campaign in moving],
        [Card(campaign, numbers[campaign.pk]) for campaign in recent],
    )


def _reach() -> list[Reach]:
    now = clock.now()
    held = Q(status=Device.Status.ACTIVE, hold_until__gt=now)
    rows = Device.objects.values("service", "status", "retired_reason").annotate(
        all=Count("pk"), held=Count("pk", filter=held)
    )
    by_service: dict[str, dict[str, Any]] = {}
    for row in rows.order_by("service"):
        known = by_service.setdefault(row["service"], {"active": 0, "on_hold": 0, "retired": 0, "reasons": []})
        if row["status"] == Device.Status.RETIRED:
            known["retired"] += row["all"]
            known["reasons"].append((row["retired_reason"] or "No reason was kept.", row["all"]))
        else:
            known["active"] += row["all"] - row["held"]
            known["on_hold"] += row["held"]
    found = []
    for slug, known in by_service.items():
        service = find(slug)
        known["reasons"] = sorted(known["reasons"], key=lambda pair: -pair[1])[:3]
        found.append(Reach(label=service.label, retired_service=service.retired, **known))
    return found


def _warnings(cards: list[Card], worker_seen: datetime | None) -> list[Notice]:
    found = [*_worker_warnings(worker_seen)]
    for card in cards:
        if card.campaign.status == Status.PAUSED:
            url = reverse("admin:campaigns_campaign_change", args=[card.campaign.pk])
            found.append(Notice("warn", f"“{card.campaign}” is paused. {card.campaign.paused_because}", url))
    for row in Breaker.objects.all():
        label = find(row.service).label
        found.append(Notice("bad", f"{label} does not answer since {row.since:%H:%M} UTC. {row.reason}"))
    now = clock.now()
    for credential in Credential.objects.filter(expires_at__lt=now + SOON).select_related("app"):
        over = credential.expires_at is not None and credential.expires_at <= now
        expires = "has expired" if over else "expires"
        sentence = f"The certificate of {credential} {expires} on {credential.expires_at:%d %b %Y}."
        url = reverse("admin:devices_app_change", args=[credential.app_id])
        found.append(Notice("bad" if over else "warn", sentence, url))
    if settings.EMULATOR:
        sentence = f"Addresses at the emulator ({settings.EMULATOR}) are let through. No real phone hears of them."
        found.append(Notice("info", sentence))
    return found


def _worker_warnings(seen: datetime | None) -> list[Notice]:
    if seen is None:
        return [Notice("bad", "No worker has run yet, so nothing can be sent. Start one with “manage.py runworker”.")]
    silent = clock.now() - seen
    if silent < stats.ABSENT:
        restarted = Worker.objects.filter(role="watchdog", restarts__gt=0, seen_at__gte=seen - stats.ABSENT).first()
        if restarted is None:
            return []
        told = f"The watchdog restarted the workers {restarted.restarts} times. Last: {restarted.note}"
        return [Notice("warn", told)]
    minutes = int(silent.total_seconds() // 60)
    told = f"No worker for {minutes} minutes, so nothing is sent. Start one with “manage.py runworker”."
    return [Notice("bad", told)]
