"""Does everything add up? Deliveries, counters, audience and, where there is one, the ledger of the other side.

A ledger is a file of JSON lines that the push service (the emulator) wrote before it answered: the only truth about
what left our house.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.db.models import Count, Max, Q, Sum

from campaigns.models import Batch, Campaign, Delivery
from campaigns.monitor.stats import FINAL, progress
from campaigns.packing import unpack
from campaigns.pipeline.recording import COUNTERS
from campaigns.pipeline.values import message_id
from devices.common import clock
from devices.push.base import Outcome

OPEN = ("retry", "denied")  # outcomes that another attempt follows
TOPIC = re.compile("[0-9a-f]{32}")
TRIES = 5  # to read a campaign while nobody changes it


@dataclass(slots=True)
class Report:
    """What was found. ``violations`` are sentences; empty means that everything adds up."""

    campaign: int
    under_way: bool = False  # pushes may be on the wire: only what holds at any moment was judged
    audience: int = 0
    final: int = 0
    rows: int = 0
    parked: int = 0
    taken: int = 0
    twice: int = 0
    marked: int = 0
    unknown: int = 0
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: bool, sentence: str) -> None:
        """Note ``sentence`` unless ``holds``."""
        if not holds:
            self.violations.append(sentence)


@dataclass(slots=True)
class Ledger:
    """A file of JSON lines that is read on, not anew, each time somebody asks."""

    path: Path
    _taken: Counter[str] = field(default_factory=Counter)
    _read: int = 0

    def taken(self) -> Counter[str]:
        """Return how often each message id was taken by the other side until now."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        entries = map(json.loads, whole.splitlines())
        self._taken.update(_spelled(str(entry["id"])) for entry in entries if entry.get("taken"))
        return self._taken


def _spelled(entry_id: str) -> str:
    """Return a message id as a UUID is spelled; a topic of Web Push has no room for the hyphens.

    Windows' tags have room for its last sixteen digits alone: they stay as they are.
    """
    return str(UUID(entry_id)) if TOPIC.fullmatch(entry_id) else entry_id


def _times(taken: Counter[str], message: str) -> int:
    """Return how often a message was taken, by its whole id or by the end of it."""
    return taken[message] + taken[message.replace("-", "")[-16:]]


def reconcile(campaign: Campaign, ledger: Ledger | None = None) -> Report:
    """Compare everything that is known of one campaign; the ledger may hold others as well.

    While senders hold batches of it, what was pushed is not what is recorded: then only what holds at any moment is
    judged. (Every query sees another moment, and a snapshot would see no more of what is on the wire.)
    """
    for _ in range(TRIES):
        before = progress(campaign)
        report = _judged(campaign, ledger)
        if not report.violations or report.under_way or progress(campaign) == before:
            break  # else senders were quicker than our queries
    return report


def _judged(campaign: Campaign, ledger: Ledger | None) -> Report:
    campaign.refresh_from_db()
    report = Report(campaign.pk, _under_way(campaign), campaign.audience)
    if campaign.pruned_at:
        return report  # only its totals are left
    if report.under_way:
        _shown(campaign, report)
        _one_last_word(campaign, report)
    else:
        _counters(campaign, report)
        _audience(campaign, report)
    _free_batches(campaign, report)
    _copies(campaign, report)
    if ledger is not None:
        _ledger(campaign, ledger, report)
    return report


def _under_way(campaign: Campaign) -> bool:
    """Return whether anything of it can change at this moment: it is sent, or what was on the wire comes home."""
    moving = campaign.status in {Campaign.Status.PREPARING, Campaign.Status.SENDING}
    due = Batch.objects.filter(campaign=campaign, status=Batch.Status.QUEUED, due_at__lte=clock.now())
    held = Batch.objects.filter(campaign=campaign, status=Batch.Status.SENDING)
    return held.exists() or (moving and (campaign.status == Campaign.Status.PREPARING or due.exists()))


def _shown(campaign: Campaign, report: Report) -> None:
    """Read the page's numbers."""
    shown = progress(campaign)
    report.rows, report.final, report.parked = shown.attempts + shown.counts[Outcome.SKIPPED], shown.final, shown.parked
    report.unknown = shown.counts[Outcome.UNKNOWN]


def _counters(campaign: Campaign, report: Report) -> None:
    """Counters of batches and the page's numbers against the rows themselves."""
    rows = Delivery.objects.filter(campaign=campaign)
    report.rows = rows.count()
    counted = Batch.objects.filter(campaign=campaign).aggregate(**{name: Sum(name) for name in COUNTERS.values()})
    total = sum(counted.values()) if counted["accepted"] is not None else 0
    report.expect(total == report.rows, f"The batches count {total} attempts, but there are {report.rows} deliveries.")
    latest = dict(rows.filter(latest=True).values_list("outcome").annotate(Count("pk")))
    shown = progress(campaign)
    for outcome in FINAL:
        found = latest.get(outcome.value, 0)
        told = f"The page shows {shown.counts[outcome]} devices as {outcome.value}, but {found} deliveries say so."
        report.expect(shown.counts[outcome] == found, told)
    report.final, report.unknown, report.parked = shown.final, shown.counts[Outcome.UNKNOWN], shown.parked


def _free_batches(campaign: Campaign, report: Report) -> None:
    """A batch that nobody has adds up by itself."""
    free = Batch.objects.filter(campaign=campaign).exclude(status=Batch.Status.SENDING)
    for batch in free.iterator(chunk_size=500):
        parts = sum(getattr(batch, name) for name in [*COUNTERS.values(), "deferred"]) + len(unpack(batch.ids))
        report.expect(parts == batch.size, f"Batch {batch.pk} of {batch.size} devices accounts for {parts}.")


def _audience(campaign: Campaign, report: Report) -> None:
    """Every device of the frozen audience has exactly one last word, or waits in exactly one batch."""
    rows = Delivery.objects.filter(campaign=campaign)
    _one_last_word(campaign, report)
    final = rows.filter(latest=True).exclude(outcome__in=OPEN).values("device").distinct().count()
    waiting = 0
    for batch in Batch.objects.filter(campaign=campaign).exclude(ids=b"").iterator(chunk_size=500):
        waiting += len(set(unpack(batch.ids)))
    told = f"{final} devices are final and {waiting} wait, of an audience of {campaign.audience}."
    report.expect(final + waiting == campaign.audience, told)
    if campaign.status == Campaign.Status.FINISHED:
        report.expect(waiting == report.parked, f"The campaign is finished, but {waiting} devices wait.")


def _one_last_word(campaign: Campaign, report: Report) -> None:
    latest = Delivery.objects.filter(campaign=campaign, latest=True)
    several = latest.values("device").annotate(n=Count("pk")).filter(n__gt=1).count()
    report.expect(several == 0, f"{several} devices have more than one last word.")


def _copies(campaign: Campaign, report: Report) -> None:
    most = 1 if campaign.never_twice else 2
    rows = Delivery.objects.filter(campaign=campaign)
    above = rows.filter(copies__gt=most).count()
    report.expect(above == 0, f"{above} deliveries admit more than {most} copies.")
    report.marked = rows.filter(latest=True, copies__gt=1).count()


def _ledger(campaign: Campaign, ledger: Ledger, report: Report) -> None:
    """Nothing unexplained in the ledger, and nothing accepted that is not in it.

    The rows are read first: whatever they call accepted was in the ledger before.
    """
    words = list(_last_words(campaign))
    taken = ledger.taken()
    most = 1 if campaign.never_twice else 2
    for device, copies, accepted in words:
        found = _times(taken, message_id(campaign.pk, device))
        report.taken += found
        report.twice += found > 1
        admitted = most if report.under_way else copies  # the next copy may be on the wire, and not recorded yet
        if found > admitted:
            report.violations.append(f"Device {device}: {found} pushes arrived, at most {admitted} are admitted.")
        if accepted and not found:
            report.violations.append(f"Device {device}: called accepted, but nothing arrived.")


def _last_words(campaign: Campaign) -> Iterable[tuple[int, int, int]]:
    """Yield (device, most copies admitted, whether it was ever accepted) for every device with a delivery."""
    return (
        Delivery.objects.filter(campaign=campaign)
        .order_by("device_id")
        .values_list("device_id")
        .annotate(copies=Max("copies"), accepted=Count("pk", filter=Q(outcome=Outcome.ACCEPTED)))
        .iterator(chunk_size=5000)
    )
