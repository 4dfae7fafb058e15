"""What the first page says, part by part. The number of queries is bounded, however much there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns import control
from campaigns.compose.own_browser import may_send
from campaigns.models import Breaker, Campaign, Worker
from campaigns.monitor import stats
from campaigns.monitor.stats import Progress
from campaigns.pages import wall
from campaigns.pipeline import watchdog
from campaigns.pipeline.breaker import app_of
from devices.browsers import subscribing
from devices.common import clock
from devices.models import App, Credential, Device
from devices.push.services import find
from pushadmin import second_factor
from pushadmin.templatetags.pushadmin_tags import duration

SHOWN = 6  # campaigns in a list of the overview
LATELY = timedelta(minutes=2)  # what a watchdog said within this is still its word
SOON = timedelta(days=30)  # a credential that expires within this is worth a warning
Status = Campaign.Status
LOOK_AT_IT = gettext_lazy("Look at it")


@dataclass(frozen=True, slots=True)
class Card:
    """One campaign with its numbers. ``standstill`` tells why nothing moves, "" when it does.

    ``nearly`` says that only devices on hold, or to be tried again, are left.
    """

    campaign: Campaign
    progress: Progress
    standstill: str = ""
    nearly: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """The devices of one push service: how many can be reached at once or after a hold, how many not, and why."""

    label: str
    retired_service: str
    active: int
    on_hold: int
    retired: int
    reasons: list[tuple[str, int]]

    @property
    def reachable(self) -> int:
        """Those a campaign goes to, as the composer counts them: a device on hold gets it later."""
        return self.active + self.on_hold

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
    link: Any = LOOK_AT_IT


def campaigns(user: Any) -> dict[str, Any]:
    """Return the campaigns on their way (``moving``), those that only wait for their last devices (``nearly``), and the
    last others (``recent``): at most SHOWN of the first two together, and of the third.
    """
    if not user.has_perm("campaigns.view_campaign"):
        return {}
    going = Q(status__in=[Status.PREPARING, Status.SENDING, Status.PAUSED, Status.SCHEDULED])
    known = Campaign.objects.select_related("app", "started_by")
    moving = [*known.filter(going).order_by(F("started_at").desc(nulls_last=True), "send_at", "-pk")[:SHOWN]]
    recent = [*known.exclude(going).order_by(Coalesce("started_at", "created_at").desc(), "-pk")[:SHOWN]]
    numbers, now = stats.progress_of(moving + recent), clock.now()
    broken = stats.breakers() if moving else []
    cards = [
        Card(
            campaign,
            numbers[campaign.pk],
            stats.standstill(campaign, now, broken),
            campaign.status == Status.SENDING
            and numbers[campaign.pk].nearly_done(now)
            and stats.resting(campaign, now, broken) is None,
        )
        for campaign in moving
    ]
    return {
        "moving": [card for card in cards if not card.nearly],
        "nearly": [card for card in cards if card.nearly],
        "recent": [Card(campaign, numbers[campaign.pk]) for campaign in recent],
    }


def reach(user: Any) -> dict[str, Any]:
    """Return who can be reached by which service, largest first, and when a worker last gave a sign of life."""
    seen = Worker.objects.aggregate(last=Max("seen_at"))["last"]
    return {"reach": _reach() if user.has_perm("devices.view_device") else [], "worker_seen": seen}


def warnings(user: Any) -> dict[str, Any]:
    """Return what needs somebody, and whether there is an App at all. Links only where ``user`` may follow them."""
    found = [*_worker_warnings(), *_breaker_warnings()]
    if user.has_perm("campaigns.view_campaign"):
        found += _paused_warnings()
    found += _credential_warnings(linked=user.has_perm("devices.view_app"))
    if user.is_superuser and (unknown := second_factor.unknown_groups()):
        told = _("SECOND_FACTOR_REQUIRED names %(names)s, and there is no such group: it asks nobody.")
        found.append(Notice("warn", told % {"names": ", ".join(unknown)}))
    if settings.EMULATOR:
        told = _("Addresses at the emulator (%(host)s) are let through. No real device hears of them.")
        found.append(Notice("info", told % {"host": settings.EMULATOR}, wall(), _("The wall of phones")))
    return {"warnings": found, "apps": App.objects.exists()}


def browser_apps(user: Any) -> list[App]:
    """Return the Apps that ``user`` may send to their own browser for, the newest first, at most 50."""
    if not may_send(user):
        return []
    return [*App.objects.filter(credentials__service=subscribing.SERVICE).order_by("-pk")[:50]]


# Each part of the page asks anew at its own pace: counting a million devices takes longer than asking who is paused.
PARTS: dict[str, Callable[[Any], dict[str, Any]]] = {"warnings": warnings, "campaigns": campaigns, "reach": reach}


def _reach() -> list[Reach]:
    now = clock.now()
    held = Q(status=Device.Status.ACTIVE, hold_until__gt=now)
    rows = Device.objects.values("service", "status").annotate(all=Count("*"), held=Count("hold_until", filter=held))
    by_service: dict[str, dict[str, Any]] = {}
    for row in rows.order_by("service"):
        known = by_service.setdefault(row["service"], {"active": 0, "on_hold": 0, "retired": 0, "reasons": []})
        if row["status"] == Device.Status.RETIRED:
            known["retired"] += row["all"]
        else:
            known["active"] += row["all"] - row["held"]
            known["on_hold"] += row["held"]
    # In a query of its own: both are answered by an index alone, and together by neither.
    retired = Device.objects.filter(status=Device.Status.RETIRED).values("service", "retired_reason")
    for row in retired.annotate(all=Count("*")).order_by():
        if known_now := by_service.get(row["service"]):
            known_now["reasons"].append((row["retired_reason"] or _("No reason was kept."), row["all"]))
    found = []
    for slug, known in by_service.items():
        service = find(slug)
        known["reasons"] = sorted(known["reasons"], key=lambda pair: -pair[1])[:3]
        found.append(Reach(label=service.label, retired_service=service.retired, **known))
    return sorted(found, key=lambda one: (-one.reachable, one.label))


def _paused_warnings() -> Iterator[Notice]:
    for campaign in Campaign.objects.filter(status=Status.PAUSED)[:SHOWN]:
        url = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        because = campaign.paused_because
        told = _("“%(campaign)s” is paused. %(because)s")
        if because == control.BY_HAND:
            told = _("“%(campaign)s” is paused by hand.")
        yield Notice("warn", told % {"campaign": campaign, "because": because}, url)


def _breaker_warnings() -> Iterator[Notice]:
    for row in Breaker.objects.all():
        part = row.circuit.partition(":")[2]
        if (app := app_of(row.circuit)) is not None:
            part = str(App.objects.filter(pk=app).first() or part)
        label = f"{find(row.service).label} ({part})" if part else find(row.service).label
        told = _("%(service)s is left alone since %(since)s UTC. %(reason)s")
        parts = {"service": label, "since": f"{row.since:%H:%M}", "reason": row.reason}
        yield Notice("bad", told % parts)


def _credential_warnings(linked: bool) -> Iterator[Notice]:
    now = clock.now()
    for credential in Credential.objects.filter(expires_at__lt=now + SOON).select_related("app"):
        over = credential.expires_at is not None and credential.expires_at <= now
        told = _("The certificate of %(credential)s expires on %(date)s.")
        if over:
            told = _("The certificate of %(credential)s has expired on %(date)s.")
        url = reverse("admin:devices_app_change", args=[credential.app_id]) if linked else ""
        parts = {"credential": credential, "date": f"{credential.expires_at:%d %b %Y}"}
        yield Notice("bad" if over else "warn", told % parts, url)


def _worker_warnings() -> list[Notice]:
    now = clock.now()
    silent = watchdog.silence(now)
    if silent == timedelta.max:
        told = _("No worker has run yet, so nothing can be sent. Start one with “manage.py runworker”.")
        return [Notice("bad", told)]
    if silent is not None:
        told = _("No worker for %(time)s, so nothing is sent. Start one with “manage.py runworker”.")
        return [Notice("bad", told % {"time": duration(silent)})]
    if settings.WORKERS > 1 and (beating := len(watchdog.beats())) < settings.WORKERS:
        told = _("%(beating)d of %(machines)d machines give a sign of life. The others send nothing.")
        return [Notice("warn", told % {"beating": beating, "machines": settings.WORKERS})]
    restarted = Worker.objects.filter(role="watchdog", restarts__gt=0, seen_at__gte=now - LATELY).first()
    if restarted is None:
        return []
    told = ngettext(
        "The watchdog restarted the workers %(count)d time. Last: %(note)s",
        "The watchdog restarted the workers %(count)d times. Last: %(note)s",
        restarted.restarts,
    )
    return [Notice("warn", told % {"count": restarted.restarts, "note": restarted.note})]
