"""The pipeline, in the order of time: prepare, claim, send, record, finish, sweep. (Start: campaigns/control.py.)

What happens inside one batch is campaigns/transfer.py; what is written, campaigns/recording.py; what becomes of the
batches of the dead, campaigns/settling.py.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q

from campaigns import breaker, planning, settling
from campaigns.journal import Journal
from campaigns.models import Batch, Breaker, Campaign, MoveRefused
from campaigns.recording import LEASE, Claim
from campaigns.rendering import Renderer
from campaigns.transfer import ALONE, Abandoned, Stop, Transfer, Waiting, first_release
from devices import clock
from devices.push.base import Answer
from devices.push.engine import Engine

logger = logging.getLogger(__name__)

PARKED_AT = 4  # the claim at which the device that never let its batch get on is put aside
OPEN_CLAIMS = 32  # batches one sender has open at once; all but a few only wait for their slowest answers
OPEN_OF_ONE = 24  # of them of one campaign, so that another one always finds room
LOOK = 0.2  # seconds between two looks for due work by a sender that is busy
SWEEP_EVERY = 2.0  # seconds between two sweeps
Status = Campaign.Status
MOVING = (Status.PREPARING, Status.SENDING)  # the first batches leave while the last ones are still being frozen


def journal_folder() -> Path:
    """Return where the senders of this machine keep their journals."""
    return Path(settings.VAR) / "journal"


@dataclass(slots=True)
class Sender:
    """One process that claims due batches and sends them. Made after fork, used by one thread."""

    engine: Engine[Waiting]
    transfers: list[Transfer] = field(default_factory=list)
    idle: list[Journal] = field(default_factory=list)
    watch: breaker.Watch = field(default_factory=breaker.Watch)
    ended: int = 0  # batches that went through our hands
    _swept: float = float("-inf")
    _looked: float = float("-inf")
    _turn: int = 0
    _dry: bool = False  # the last look found nothing to claim

    @classmethod
    def create(cls) -> Sender:
        """Open an engine with the concurrency of the settings."""
        allow = frozenset({settings.EMULATOR} - {""})
        return cls(Engine(concurrency=settings.PUSH_CONCURRENCY, allow=allow))

    def close(self) -> None:
        """Close the engine and the journals; no claim is open."""
        self.engine.close()
        for journal in self.idle:
            journal.close()

    def abandon(self) -> None:
        """Leave everything as it is: the journals tell whoever comes next what is not in the database."""
        self.engine.close()
        for journal in [*self.idle, *(transfer.journal for transfer in self.transfers)]:
            journal.abandon()

    def run(self, stop: Stop, until: float) -> int:
        """Do what is due until there is nothing, ``stop()`` says so or the monotonic clock passes ``until``.

        Returns how many batches that were. What is on the wire then has come home and is recorded.
        """
        before = self.ended
        while True:
            told = stop()
            if told:
                for transfer in self.transfers:
                    transfer.leaving = True
            elif time.monotonic() < until:
                self._patiently(self._look_around, stop)
            if not self.transfers:
                return self.ended - before
            self._start()
            self.gather(0.25)
            self._patiently(self._judge)
            self._record()

    def _patiently(self, step: Callable[..., None], *arguments: object) -> None:
        """Take a step that needs the database; when it is away, pushes that are out are still listened to."""
        try:
            step(*arguments)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if not self.transfers:
                raise
            logger.warning("The database does not answer (%s); trying again.", type(error).__name__)

    def gather(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for answers and hand them to their batches."""
        arrived: dict[Transfer, list[tuple[Waiting, Answer]]] = {}
        for waiting, answer in self.engine.wait(timeout):
            arrived.setdefault(waiting.transfer, []).append((waiting, answer))
        for transfer, answers in arrived.items():
            transfer.take(answers)

    def _look_around(self, stop: Stop) -> None:
        """Freeze the next part of a waiting audience, and claim as long as there is not enough to start."""
        now = time.monotonic()
        if now - self._swept > SWEEP_EVERY:
            sweep()
            self._swept = now
        if not self.transfers or now - self._looked > LOOK:
            self._looked, self._dry = now, False
            while prepare_some() and not self.transfers and not sending_due() and not stop():
                pass
        while not self._dry and self._hungry() and not stop():
            self._dry = not self._claim(stop)

    def _hungry(self) -> bool:
        backlog = sum(transfer.backlog for transfer in self.transfers)
        return backlog < self.engine.concurrency and len(self.transfers) < OPEN_CLAIMS

    def _claim(self, stop: Stop) -> bool:
        """Claim and open the next due batch; return whether there was one for us."""
        if any(transfer.claim.claims >= ALONE for transfer in self.transfers):
            return False
        journal = self.idle.pop() if self.idle else Journal(journal_folder())
        of_campaign = Counter(transfer.claim.campaign for transfer in self.transfers)
        full = [campaign for campaign, count in of_campaign.items() if count >= OPEN_OF_ONE]
        try:
            claim = claim_next(journal, full, self._closed(), alone=not self.transfers)
            if claim is not None:
                renderer = Renderer.of(claim.campaign, claim.app)
                transfer = Transfer(claim, self.engine, journal, renderer, stop, self.gather, self.watch)
        except Crowded:
            claim = None
        except BaseException:
            # Whether the claim stands is not known. Without an owner the journal gives it back, nothing being sent.
            journal.abandon()
            raise
        if claim is None:
            self.idle.append(journal)
            return False
        self.transfers.append(transfer)
        return True

    def _closed(self) -> list[str]:
        """Return the services nothing may be claimed for now; note those that may be tried again."""
        now, states = clock.now(), breaker.states()
        self.watch.probing = {service for service, open_until in states.items() if open_until <= now}
        busy = {transfer.claim.service for transfer in self.transfers}
        return [service for service in states if service not in self.watch.probing or service in busy]

    def _judge(self) -> None:
        """Open and close breakers by what was heard; batches of a service that is down go back."""
        for service, reason in list(self.watch.tripped.items()):
            open_until = breaker.trip(service, reason)
            logger.warning("%s does not answer; trying again at %s. %s", service, open_until, reason)
            for transfer in self.transfers:
                transfer.leaving |= transfer.claim.service == service
            self.watch.forget(service)
        for service in list(self.watch.recovered):
            breaker.close(service)
            self.watch.forget(service)

    def _start(self) -> None:
        """Start what may leave, every batch in its turn."""
        free, count = self.engine.free, len(self.transfers)
        for turn in range(count):
            if free <= 0:
                return
            free -= self.transfers[(self._turn + turn) % count].start_some(free)
        self._turn += 1

    def _record(self) -> None:
        """Let every batch write what is due; put away those that are through."""
        for transfer in self.transfers:
            try:
                transfer.record_if_due()
            except Abandoned:
                self.abandon()
                raise
        for transfer in [transfer for transfer in self.transfers if transfer.ended]:
            self.transfers.remove(transfer)
            self._put_away(transfer)

    def _put_away(self, transfer: Transfer) -> None:
        transfer.journal.clear()
        self.idle.append(transfer.journal)
        self.ended += 1
        if transfer.complaint:
            with suppress(MoveRefused):
                Campaign(pk=transfer.claim.campaign).move(Status.PAUSED, because=transfer.complaint[:300])
        finish(transfer.claim.campaign)


class Crowded(Exception):
    """The next batch has killed its senders before and wants one for itself."""


def prepare_some() -> bool:
    """Freeze the next part of the audience of the campaign that waits longest; return whether there may be more."""
    waiting = Campaign.objects.filter(status=Status.PREPARING).order_by("audience", "pk").values_list("pk", flat=True)
    first = waiting.first()
    return first is not None and (planning.freeze_some(first) or waiting.exists())


def claim_next(
    journal: Journal, full: Sequence[int] = (), closed: Sequence[str] = (), *, alone: bool = True
) -> Claim | None:
    """Claim the first due batch of the campaign that has waited longest for a claim; None when nothing is due.

    Campaigns in ``full`` and services in ``closed`` are passed over. ``alone`` says that the caller has no other
    batch; raises Crowded when it has and the batch must be alone.
    """
    now = clock.now()
    moving = Campaign.objects.filter(on_pace(now), status__in=MOVING).exclude(pk__in=full)
    for campaign in moving.order_by(F("claimed_at").asc(nulls_first=True), "pk").values_list("pk", flat=True):
        if claim := _claim_of(campaign, journal, now, closed, alone):
            return claim
    return None


def on_pace(now: datetime, path: str = "") -> Q:
    """Return the condition that a campaign is not ahead of its pace."""
    return Q(**{f"{path}paced_until": None}) | Q(**{f"{path}paced_until__lte": now})


def _claim_of(campaign: int, journal: Journal, now: datetime, closed: Sequence[str], alone: bool) -> Claim | None:
    with transaction.atomic():
        batch = (
            Batch.objects.select_for_update(
                of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
            )
            .select_related("campaign")
            .filter(campaign=campaign, campaign__status__in=MOVING, status=Batch.Status.QUEUED, due_at__lte=now)
            .exclude(service__in=closed)
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
        return settling.claim_of(batch)


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
    resting = Breaker.objects.filter(open_until__gt=now).values("service")
    due = Batch.objects.filter(
        on_pace(now, "campaign__"), campaign__status__in=MOVING, status=Batch.Status.QUEUED, due_at__lte=now
    ).exclude(service__in=resting)
    return due.exists()


OPEN = Batch.objects.filter(status__in=[Batch.Status.QUEUED, Batch.Status.SENDING])


def finish(campaign: int | None = None) -> int:
    """Finish a campaign (or all) that is sending and has no open batch; return how many that were."""
    sending = Campaign.objects.filter(status=Status.SENDING)
    if campaign is not None:
        sending = sending.filter(pk=campaign)
    done = sending.filter(~Exists(OPEN.filter(campaign=OuterRef("pk"))))
    return done.update(status=Status.FINISHED, finished_at=clock.now())


def sweep() -> None:
    """Look after everything nobody was told about: due campaigns start, the batches of the dead are settled."""
    now = clock.now()
    for campaign in Campaign.objects.filter(status=Status.SCHEDULED, send_at__range=(now - planning.GRACE, now)):
        with suppress(MoveRefused):
            planning.begin(campaign)
    settling.adopt_journals(journal_folder())
    settling.take_over_expired(journal_folder())
    finish()
