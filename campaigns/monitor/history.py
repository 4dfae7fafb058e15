"""Single deliveries: found by outcome, attempt or device, a page at a time, and as CSV for other programs.

Pages go by key, not by number: the last one of ten million rows is as quick as the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from campaigns.models import Batch, Campaign, Delivery
from campaigns.packing import unpack
from devices.common.cells import Lines
from devices.common.query import primary_key
from devices.finding import meant_by
from devices.models import Device
from devices.push.base import Outcome

PAGE = 50
OUTCOMES = [outcome.value for outcome in Outcome]
COLUMNS = (
    "device",
    "installation",
    "attempt",
    "latest",
    "outcome",
    "copies",
    "http_status",
    "words",
    "reason",
    "milliseconds",
    "message_id",
    "at",
    "variant",
    "language",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. ``after`` and ``before`` are (device, attempt) at the edge of a page."""

    outcome: str = ""
    attempt: int = 0
    device: str = ""
    every: bool = False  # also attempts that a later one replaced
    doubled: bool = False  # only where a second copy is possible
    after: tuple[int, int] | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Wanted:
        """Read a query string; what makes no sense is left out."""
        outcome, attempt = given.get("outcome", ""), given.get("attempt", "")
        return cls(
            outcome=outcome if outcome in OUTCOMES else "",
            attempt=int(attempt) if attempt.isdecimal() and len(attempt) < 5 else 0,
            device=given.get("device", "").strip()[:2048],
            every=given.get("every") == "1",
            doubled=given.get("doubled") == "1",
            after=_edge(given.get("after", "")),
        )

    def query(self) -> str:
        """Return it as a query string."""
        values = {
            "outcome": self.outcome,
            "attempt": self.attempt or "",
            "device": self.device,
            "every": "1" if self.every else "",
            "doubled": "1" if self.doubled else "",
            "after": "-".join(str(part) for part in self.after) if self.after else "",
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def everything(self) -> str:
        """Return it as a query string, from the first page on."""
        return replace(self, after=None).query()

    def rows(self, campaign: Campaign) -> QuerySet[Delivery]:
        """Return the deliveries of ``campaign`` that are wanted, in the order of their key."""
        rows = Delivery.objects.filter(campaign=campaign.pk)
        if not self.every:
            rows = rows.filter(latest=True)
        if self.outcome:
            rows = rows.filter(outcome=self.outcome)
        if self.attempt:
            rows = rows.filter(attempt=self.attempt)
        if self.doubled:
            rows = rows.filter(copies__gte=2)
        if self.device:
            rows = rows.filter(device__in=_devices(campaign, self.device))
        if self.after:
            device, attempt = self.after
            # The first condition is the index's: an OR alone would be read from the first row of the campaign on.
            rows = rows.filter(Q(device__gte=device), Q(device__gt=device) | Q(attempt__gt=attempt))
        return rows.order_by("device_id", "attempt")


def _edge(text: str) -> tuple[int, int] | None:
    first, _, second = text.partition("-")
    device, attempt = primary_key(first), primary_key(second)
    return (device, attempt) if device and attempt < 100_000 else None


def _devices(campaign: Campaign, words: str) -> list[int]:
    """Return the devices somebody may mean: by installation, address, public id or number."""
    theirs = Device.objects.filter(meant_by(words, [campaign.app_id]), app=campaign.app_id)
    return list(theirs.values_list("pk", flat=True)[:200])


@dataclass(frozen=True, slots=True)
class Page:
    """One page of deliveries, each with its device's name; ``next`` is the query of the next page, or ""."""

    rows: list[Delivery]
    next: str


def page_of(campaign: Campaign, wanted: Wanted) -> Page:
    """Return one page, in two queries."""
    rows = list(wanted.rows(campaign)[: PAGE + 1])
    more, rows = len(rows) > PAGE, rows[:PAGE]
    named(rows)
    last = rows[-1] if more else None
    return Page(rows, replace(wanted, after=(last.device_id, last.attempt)).query() if last else "")


def named(rows: Iterable[Any]) -> None:
    """Give every delivery its device's name; one that was erased has none."""
    rows = list(rows)
    names = dict(Device.objects.filter(pk__in={row.device_id for row in rows}).values_list("pk", "installation"))
    for row in rows:
        row.device_name = names.get(row.device_id)


def of_device(device: Device, most: int = 100) -> list[Delivery]:
    """Return the newest deliveries to one device, whatever the campaign."""
    rows = Delivery.objects.filter(device=device.pk).select_related("campaign")
    return list(rows.order_by("-at")[:most])


def as_csv(campaign: Campaign, wanted: Wanted) -> StreamingHttpResponse:
    """Return the wanted deliveries as a CSV file, read and sent in pieces."""
    written = Lines()

    def lines() -> Iterator[str]:
        yield written.head(COLUMNS)
        edge = wanted
        while rows := list(edge.rows(campaign)[:2000]):
            named(rows)
            yield "".join(written.of(_values(row)) for row in rows)
            edge = replace(edge, after=(rows[-1].device_id, rows[-1].attempt))

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="campaign-{campaign.pk}.csv"'
    return response


def _values(row: Any) -> list[Any]:
    return [
        row.device_id,
        row.device_name or "",
        row.attempt,
        "yes" if row.latest else "no",
        row.outcome,
        row.copies,
        row.http_status or "",
        row.words,
        row.reason,
        row.milliseconds,
        row.message_id,
        row.at.isoformat(),
        row.variant,
        row.language,
    ]


@dataclass(frozen=True, slots=True)
class Parked:
    """A device that was put aside. ``name`` is None when it was erased; ``doubtful``: a copy may have left."""

    device: int
    name: str | None
    attempt: int
    since: datetime | None
    doubtful: bool


def parked(campaign: Campaign, most: int = 200) -> list[Parked]:
    """Return the devices of a campaign whose push ended its sender three times, in two queries."""
    batches = Batch.objects.filter(campaign=campaign.pk, status=Batch.Status.PARKED).order_by("pk")[:most]
    rows = [(device, batch) for batch in batches for device in unpack(batch.ids)][:most]
    names = dict(Device.objects.filter(pk__in=[device for device, _ in rows]).values_list("pk", "installation"))
    return [
        Parked(device, names.get(device), batch.attempt, batch.claimed_at, len(batch.doubtful) > 0)
        for device, batch in rows
    ]
