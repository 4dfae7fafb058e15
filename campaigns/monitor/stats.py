"""The numbers on the pages, one query each over a campaign's batches: a thousandth as many rows as it has devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Min, Q, Sum
from django.db.models.functions import Coalesce, Length
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.control import BY_HAND, END_PASSED
from campaigns.models import Batch, Breaker, Campaign, Delivery
from campaigns.pipeline import planning, watchdog
from campaigns.pipeline.breaker import without_token
from devices.common import clock
from devices.push import services
from devices.push.base import Outcome

Status = Campaign.Status
FINAL = (
    Outcome.ACCEPTED,
    Outcome.DROPPED,
    Outcome.GONE,
    Outcome.REJECTED,
    Outcome.UNKNOWN,
    Outcome.EXPIRED,
    Outcome.SKIPPED,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one campaign stands. ``counts`` are devices by their latest final outcome; ``waiting`` is the rest."""

    audience: int
    counts: dict[Outcome, int]
    attempts: int  # pushes that were answered or lost, all attempts
    repeats: int  # devices queued for a further attempt
    repeat_at: datetime | None  # when the next of them is due
    in_flight: int  # devices that may be on the wire, at the most: how far their batches were released
    parked: int
    denied: int = 0  # attempts that were refused for our credential
    next_at: datetime | None = None  # when the next of all that are queued are due

    def nearly_done(self, now: datetime) -> bool:
        """Return whether what is left only waits: on hold, or to be tried again."""
        return self.waiting > 0 and not self.in_flight and self.next_at is not None and self.next_at > now

    @property
    def final(self) -> int:
        """Devices with a final outcome."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """Devices that did not get it and will not: everything final but accepted and left out on purpose."""
        return self.final - self.counts[Outcome.ACCEPTED] - self.counts[Outcome.SKIPPED] - self.counts[Outcome.DROPPED]

    @property
    def waiting(self) -> int:
        """Devices without a final outcome."""
        return max(0, self.audience - self.final)

    @property
    def percent(self) -> int:
        """Share of the audience with a final outcome, rounded down: 100 means all."""
        return 100 * self.final // self.audience if self.audience else 0


def progress(campaign: Campaign) -> Progress:
    """Return the numbers of one campaign, in one query over its batches."""
    return progress_of([campaign])[campaign.pk]


def progress_of(campaigns: Sequence[Campaign]) -> dict[int, Progress]:
    """Return the numbers of several campaigns by primary key, in one query over their batches."""
    sums = {outcome.value: Coalesce(Sum(outcome.value), 0) for outcome in Outcome}
    queued, busy = Q(status=Batch.Status.QUEUED), Q(status=Batch.Status.SENDING)
    rows = (
        Batch.objects.filter(campaign__in=[campaign.pk for campaign in campaigns])
        .values("campaign")
        .annotate(
            **sums,
            repeats=Coalesce(Sum("size", filter=Q(attempt__gt=1) & queued), 0),
            repeat_at=Min("due_at", filter=Q(attempt__gt=1) & queued),
            next_at=Min("due_at", filter=queued),
            out=Coalesce(Sum(F("released"), filter=busy), 0),
            parked=Coalesce(Sum("size", filter=Q(status=Batch.Status.PARKED)), 0),
        )
        .order_by()
    )
    found = {row["campaign"]: row for row in rows}
    return {campaign.pk: _progress(campaign.audience, found.get(campaign.pk)) for campaign in campaigns}


def _progress(audience: int, row: dict[str, Any] | None) -> Progress:
    if row is None:
        return Progress(audience, dict.fromkeys(FINAL, 0), 0, 0, None, 0, 0)
    return Progress(
        audience=audience,
        counts={outcome: row[outcome.value] for outcome in FINAL},
        attempts=sum(row[outcome.value] for outcome in Outcome) - row["skipped"],
        repeats=row["repeats"],
        repeat_at=row["repeat_at"],
        in_flight=row["out"],
        parked=row["parked"],
        denied=row[Outcome.DENIED.value],
        next_at=row["next_at"],
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Where the devices of one push service stand: ``counts`` by their final outcome, ``devices`` all of them."""

    label: str
    counts: dict[Outcome, int]
    devices: int

    @property
    def final(self) -> int:
        """Devices with a final outcome."""
        return sum(self.counts.values())


def by_service(campaign: Campaign) -> list[Part]:
    """Return the numbers of each push service, largest first; [] when there is but one. One query over the batches."""
    sums = {f"all_{outcome.value}": Coalesce(Sum(outcome.value), 0) for outcome in FINAL}
    left = F("size") - F("deferred")  # of a batch that is not through
    for outcome in Outcome:
        left -= F(outcome.value)
    rows = (
        Batch.objects.filter(campaign=campaign.pk)
        .values("service")
        .annotate(**sums, left=Coalesce(Sum(left, filter=~Q(status=Batch.Status.DONE)), 0))
        .order_by()
    )
    parts = []
    for row in rows:
        counts = {outcome: row[f"all_{outcome.value}"] for outcome in FINAL}
        parts.append(Part(services.find(row["service"]).label, counts, sum(counts.values()) + row["left"]))
    return sorted(parts, key=lambda part: (-part.devices, part.label)) if len(parts) > 1 else []


@dataclass(frozen=True, slots=True)
class Holder:
    """A batch in the hands of a sender, for "who has what, since when"."""

    worker: str
    since: datetime
    size: int
    attempt: int


def holders(campaign: Campaign) -> list[Holder]:
    """Return who is sending this campaign right now."""
    rows = Batch.objects.filter(campaign=campaign.pk, status=Batch.Status.SENDING).order_by("claimed_at")[:20]
    return [
        Holder(row.claimed_by.partition(" ")[0], row.claimed_at or row.due_at, row.size, row.attempt) for row in rows
    ]


def doubled(campaign: Campaign) -> int:
    """Return how many devices may have got a second copy."""
    return Delivery.objects.filter(campaign=campaign.pk, latest=True, copies__gte=2).count()


def standstill(campaign: Campaign, now: datetime | None = None, broken: Sequence[Breaker] | None = None) -> str:
    """Return why nothing moves when nothing moves, as a sentence for the page; "" when all is well or all is done.

    A page that asks for many campaigns reads the database's clock once and passes it as ``now``, and ``breakers``.
    """
    now = now or clock.now()
    status = campaign.status
    if status == Status.PAUSED:
        out = progress(campaign).in_flight
        if out:
            told = ngettext(
                "Pausing: up to %(count)d push is still in flight.",
                "Pausing: up to %(count)d pushes are still in flight.",
                out,
            )
            return told % {"count": out}
        return f"{why_paused(campaign)} {END_PASSED}" if time_over(campaign, now) else why_paused(campaign)
    if status not in {Status.SCHEDULED, Status.PREPARING, Status.SENDING}:
        return ""
    if needed := wants_person(campaign, now):
        return needed
    if not watchdog.workers_alive(now):
        return str(watchdog.NO_WORKER)
    return "" if status == Status.SCHEDULED else _waiting(campaign, now, broken)


def why_paused(campaign: Campaign) -> str:
    """Return why a campaign is paused, as a sentence that begins with that word."""
    because = campaign.paused_because
    return _(BY_HAND) if because == BY_HAND else _("Paused: %(because)s") % {"because": because}


def wants_person(campaign: Campaign, now: datetime) -> str:
    """Return why a scheduled campaign does not go out by itself, as a sentence; "" when it does."""
    if campaign.status != Status.SCHEDULED:
        return ""
    if (campaign.send_at or now) < now - planning.GRACE:
        return _(
            "Its time came while no worker was running, so it was not sent. Send it now, or take it back to draft."
        )
    if not campaign.owner_may_send:
        told = _("Who scheduled it and may no longer send campaigns, so it waits for somebody who may: “Send now”.")
        if campaign.started_by:
            told = _(
                "%(person)s scheduled it and may no longer send campaigns, so it waits for somebody who may: "
                "“Send now”."
            )
        return told % {"person": campaign.started_by}
    return ""


def denied(campaign: Campaign) -> int:
    """Return how many devices wait because the service does not take our credential for them."""
    return Delivery.objects.filter(campaign=campaign.pk, latest=True, outcome=Outcome.DENIED).count()


def time_over(campaign: Campaign, now: datetime) -> bool:
    """Return whether the end of a paused campaign has passed, so that going on needs a new one."""
    return campaign.status == Status.PAUSED and campaign.expires_at is not None and campaign.expires_at <= now


def _waiting(campaign: Campaign, now: datetime, broken: Sequence[Breaker] | None = None) -> str:
    """Return what a campaign under way waits for, as a sentence; "" when it waits for nothing."""
    broken = breakers() if broken is None else broken
    queued = Batch.objects.filter(campaign=campaign.pk, status=Batch.Status.QUEUED)
    if Batch.objects.filter(campaign=campaign.pk, status=Batch.Status.SENDING).exists():
        return ""
    due = queued.filter(due_at__lte=now)
    circuits = [
        circuit
        for service in (due.order_by().values_list("service", flat=True).distinct() if broken else ())
        for circuit in (service, without_token(service, campaign.app_id))
    ]
    down = next((row for row in broken if row.circuit in circuits), None)
    if down and not due.exclude(service=down.service).exists():
        label = services.find(down.service).label
        told = _("%(service)s does not answer since %(since)s UTC. Next try at %(next)s UTC.")
        since, next_try = f"{down.since:%H:%M:%S}", f"{down.open_until:%H:%M:%S}"
        return told % {"service": label, "since": since, "next": next_try}
    if part := resting(campaign, now, broken):
        label = f"{services.find(part.service).label} ({part.circuit.partition(':')[2]})"
        told = _("%(service)s is left alone until %(next)s UTC. %(reason)s")
        return told % {"service": label, "next": f"{part.open_until:%H:%M:%S}", "reason": part.reason}
    coming = queued.aggregate(first=Min("due_at"), octets=Sum(Length("ids")))
    next_due = coming["first"]
    if campaign.status == Status.SENDING and next_due and next_due > now:
        waiting = coming["octets"] // 8
        told = ngettext(
            "Nearly done: %(count)s device waits until %(due)s UTC, on hold or to be tried again.",
            "Nearly done: %(count)s devices wait, on hold or to be tried again, the first of them until %(due)s UTC.",
            waiting,
        )
        return told % {"count": f"{waiting:,}", "due": f"{next_due:%H:%M:%S}"}
    if campaign.paced_until and campaign.paced_until > now:
        told = _("At %(pace)s a minute, the next devices are due at %(due)s UTC.")
        return told % {"pace": campaign.per_minute, "due": f"{campaign.paced_until:%H:%M:%S}"}
    return ""


def breakers() -> list[Breaker]:
    """Return what is left alone: push services and parts of them, those first that are tried again first."""
    return list(Breaker.objects.order_by("open_until")[:50])


def resting(campaign: Campaign, now: datetime, broken: Sequence[Breaker]) -> Breaker | None:
    """Return the part of a push service, one of ``broken``, that devices of this campaign wait for.

    They wait in batches that are due when its rest is over, at most ten seconds later (recording rounds up).
    """
    for row in broken:
        if row.open_until <= now or ":" not in row.circuit:
            continue
        over = (row.open_until, row.open_until + timedelta(seconds=10))
        waiting = Batch.objects.filter(campaign=campaign.pk, status=Batch.Status.QUEUED, due_at__range=over)
        if any(service == row.service for service in waiting.values_list("service", flat=True)):
            return row
    return None


def repeatable(campaign: Campaign, progress: Progress) -> dict[str, int]:
    """Return how many devices each kind of "send again" would reach; only the kinds that are possible now."""
    if campaign.status != Status.FINISHED or campaign.pruned_at:
        return {}
    possible = [
        which for which, outcomes in planning.AGAIN.items() if any(progress.counts[outcome] for outcome in outcomes)
    ]
    found = {which: planning.repeatable(campaign, which).count() for which in possible}
    return {which: count for which, count in found.items() if count}
