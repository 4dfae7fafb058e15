"""The pipeline, in the order of time: prepare, claim, send, record, finish, sweep. (Start: campaigns/control.py.)

What happens inside one batch is campaigns/transfer.py; what is written, campaigns/recording.py; what becomes of the
batches of the dead, campaigns/settling.py.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef

from campaigns import planning, settling
from campaigns.journal import Journal
from campaigns.models import Batch, Campaign, MoveRefused
from campaigns.recording import LEASE, Claim
from campaigns.rendering import Renderer
from campaigns.transfer import Abandoned, Stop, Transfer, Waiting, window_of
from devices import clock
from devices.push.engine import Engine

logger = logging.getLogger(__name__)

PARKED_AT = 4  # the claim at which the device that never let its batch get on is put aside
SWEEP_EVERY = 2.0  # seconds between two looks around by a sender that is busy
Status = Campaign.Status


def journal_folder() -> Path:
    """Return where the senders of this machine keep their journals."""
    return Path(settings.VAR) / "journal"


@dataclass(slots=True)
class Sender:
    """One process that claims due batches and sends them. Made after fork, used by one thread."""

    journal: Journal
    engine: Engine[Waiting]
    swept: float = float("-inf")

    @classmethod
    def create(cls) -> Sender:
        """Open a journal and an engine with the concurrency of the settings."""
        allow = frozenset({settings.EMULATOR} - {""})
        return cls(Journal(journal_folder()), Engine(concurrency=settings.PUSH_CONCURRENCY, allow=allow))

    def close(self) -> None:
        """Close the engine and the journal; no claim is open."""
        self.engine.close()
        self.journal.close()

    def run(self, stop: Stop, until: float) -> int:
        """Do what is due until there is nothing, ``stop()`` says so or the monotonic clock passes ``until``.

        Returns how many batches that were.
        """
        sent = 0
        while not stop() and time.monotonic() < until:
            if time.monotonic() - self.swept > SWEEP_EVERY:
                sweep()
                self.swept = time.monotonic()
            prepare_waiting(stop)
            claim = claim_next(self.journal)
            if claim is None:
                break
            self.send(claim, stop)
            sent += 1
        return sent

    def send(self, claim: Claim, stop: Stop) -> None:
        """Send one claimed batch; pause the campaign when its answers demand it, finish it when nothing is left."""
        renderer = Renderer.of(claim.campaign, claim.app)
        try:
            complaint = Transfer(claim, self.engine, self.journal, renderer, stop).run()
        except Abandoned:
            self.journal.abandon()
            raise
        self.journal.clear()
        if complaint:
            with suppress(MoveRefused):
                Campaign(pk=claim.campaign).move(Status.PAUSED, because=complaint[:300])
        finish(claim.campaign)


def prepare_waiting(stop: Stop) -> None:
    """Freeze the audience of every campaign that waits for it."""
    for campaign in Campaign.objects.filter(status=Status.PREPARING).order_by("pk").values_list("pk", flat=True):
        while not stop() and planning.freeze_some(campaign):
            pass


def claim_next(journal: Journal) -> Claim | None:
    """Claim the first due batch of the campaign that has waited longest for a claim; None when nothing is due."""
    now = clock.now()
    sending = Campaign.objects.filter(status=Status.SENDING)
    for campaign in sending.order_by(F("claimed_at").asc(nulls_first=True), "pk").values_list("pk", flat=True):
        if claim := _claim_of(campaign, journal, now):
            return claim
    return None


def _claim_of(campaign: int, journal: Journal, now: datetime) -> Claim | None:
    with transaction.atomic():
        batch = (
            Batch.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            .filter(
                campaign=campaign, campaign__status=Status.SENDING, status=Batch.Status.QUEUED, due_at__lte=now
            )
            .order_by("due_at", "pk")
            .first()
        )
        if batch is None:
            return None
        batch.claims += 1
        if batch.claims >= PARKED_AT:
            settling.park_culprit(batch)
            return None
        batch.status, batch.claim_token = Batch.Status.SENDING, uuid.uuid4()
        batch.claimed_by, batch.claimed_at, batch.lease_until = f"{journal.name} {os.getpid()}", now, now + LEASE
        batch.released = min(window_of(batch.claims), len(batch.ids) // 8)
        journal.claim(batch.pk, batch.claim_token)
        batch.save(
            update_fields=["status", "claim_token", "claimed_by", "claimed_at", "released", "lease_until", "claims"]
        )
        Campaign.objects.filter(pk=campaign).update(claimed_at=now)
        return settling.claim_of(batch)


def due_work() -> bool:
    """Return whether there is a batch to claim or a campaign to prepare now."""
    due = Batch.objects.filter(campaign__status=Status.SENDING, status=Batch.Status.QUEUED, due_at__lte=clock.now())
    return due.exists() or Campaign.objects.filter(status=Status.PREPARING).exists()


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
    due = Campaign.objects.filter(status=Status.SCHEDULED, send_at__lte=clock.now())
    for campaign in due:
        with suppress(MoveRefused):
            planning.begin(campaign)
    settling.adopt_journals(journal_folder())
    settling.take_over_expired(journal_folder())
    finish()
