"""The pipeline, in the order of time: prepare, claim, send, record, finish, sweep. (Start: campaigns/control.py.)

Beside this file: which batch comes next (claiming.py), what happens inside one (transfer.py), what is written
(recording.py), what becomes of the batches of crashed senders (settling.py).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef

from campaigns.models import Batch, Campaign, MoveRefused, Worker
from campaigns.pipeline import breaker, claiming, planning, settling
from campaigns.pipeline.journal import Journal, JournalStuck
from campaigns.pipeline.outage import AWAY, Outage
from campaigns.pipeline.rendering import Renderer
from campaigns.pipeline.tokens import Tokens
from campaigns.pipeline.transfer import ALONE, Stop, Transfer, Waiting
from campaigns.pipeline.values import Claim
from devices.common import clock
from devices.push.base import Answer
from devices.push.engine import Engine
from devices.push.verdicts import Verdicts
from devices.targets import let_through, trusted

logger = logging.getLogger(__name__)

OPEN_CLAIMS = 32  # batches one sender has open at once; all but a few only wait for their slowest answers
OPEN_OF_ONE = 24  # of them of one campaign, so that another one always finds room
LOOK = 0.2  # seconds between two looks for due work by a sender that is busy
RENDERED = 2.0  # seconds for which the batches of a campaign share what was read of it and the bytes made of it
NAP = 0.05  # seconds between two looks while there is nothing to do but to wait
SWEEP_EVERY = 2.0  # seconds between two sweeps
SHUTDOWN_RETRY_SECONDS = 15.0  # seconds a sender that was told to stop goes on trying to reach an absent database
# Seconds it does so when its time is over: resuming is quicker than being called again. Budget (25), this and the
# deadline of a push stay below the 120 after which django-q2 ends a task.
BUDGET_RETRY_SECONDS = 60.0
Status = Campaign.Status


class Abandoned(Exception):
    """The database is away and it is time to go: the journal keeps what we know for whoever comes next."""


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
    tokens: Tokens = field(default_factory=Tokens)
    verdicts: Verdicts = field(default_factory=Verdicts)
    renderers: dict[tuple[int, str], tuple[Renderer, float]] = field(default_factory=dict)  # with when they were made
    name: str = ""  # of this process in the list of workers
    ended: int = 0  # batches that went through our hands
    outage: Outage = field(default_factory=Outage)
    _swept: float = float("-inf")
    _looked: float = float("-inf")
    _noted: float = float("-inf")
    _over: float = 0.0  # since when it is time to go; 0.0: it is not
    _turn: int = 0
    _dry: bool = False  # the last look found nothing to claim

    @classmethod
    def create(cls, name: str = "") -> Sender:
        """Open an engine with the concurrency of the settings; ``name`` is that of this process as a worker."""
        allow = let_through()
        return cls(Engine(concurrency=settings.PUSH_CONCURRENCY, allow=allow, trust=trusted()), name=name)

    def close(self) -> None:
        """Close the engine and the journals; no claim is open."""
        self.engine.close()
        self.tokens.close()
        for journal in self.idle:
            journal.close()

    def abandon(self) -> None:
        """Leave everything as it is: the journals tell whoever comes next what is not in the database."""
        self.engine.close()
        for journal in [*self.idle, *(transfer.journal for transfer in self.transfers)]:
            journal.abandon()

    def run(self, stop: Stop, until: float) -> int:
        """Do what is due until there is nothing, ``stop()`` says so or the monotonic clock passes ``until``.

        Returns how many batches that were. What is on the wire then has come home and is recorded, what was not started
        has gone back. Raises Abandoned when the database is away for too long then, and what Django raises when it is
        away and nothing is on the wire.
        """
        before = self.ended
        self._over = 0.0
        while True:
            told = stop()
            if told or time.monotonic() >= until:
                self._take_leave(SHUTDOWN_RETRY_SECONDS if told else BUDGET_RETRY_SECONDS)
            else:
                self._look(stop)
            if not self.transfers and (self._over or not self.outage.lasts):
                return self.ended - before
            self._start()
            self.gather(0.25)
            self._guarded(self._judge)
            self._record()
            if not self.engine.in_flight and (self.outage.lasts or self._waiting()):
                time.sleep(NAP)

    def _look(self, stop: Stop) -> None:
        """Look around; raise what Django raises when the database is away and nothing is on the wire."""
        if self._guarded(self._look_around, stop):
            self.outage.over()
        elif self.outage.error and self.outage.hopeless and not self.transfers:
            raise self.outage.error

    def _take_leave(self, patience: float) -> None:
        """Start nothing more; leave what cannot be written to the journals when the database stays away."""
        now = time.monotonic()
        self._over = self._over or now
        for transfer in self.transfers:
            transfer.leaving = True
        if self.outage.tries and now - max(self._over, self.outage.began) > patience:
            self.abandon()
            raise Abandoned

    def _guarded(self, step: Callable[..., None], *arguments: object) -> bool:
        """Take a step that needs the database and return True; False when it is away: the step is taken again later."""
        if not self.outage.lifted():
            return False
        try:
            step(*arguments)
        except AWAY as error:
            self.outage.note(error)
            return False
        return True

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
            while prepare_some() and not self.transfers and not claiming.sending_due() and not stop():
                pass
        while not self._dry and self._has_capacity() and not stop():
            self._dry = not self._claim(stop)

    def _has_capacity(self) -> bool:
        backlog = sum(transfer.backlog for transfer in self.transfers if not transfer.waiting)
        return backlog < self.engine.concurrency and len(self.transfers) < OPEN_CLAIMS

    def _claim(self, stop: Stop) -> bool:
        """Claim and open the next due batch; return whether there was one for us."""
        if any(transfer.claim.claims >= ALONE for transfer in self.transfers):
            return False
        journal = self.idle.pop() if self.idle else Journal(journal_folder())
        of_campaign = Counter(transfer.claim.campaign for transfer in self.transfers)
        full = [campaign for campaign, count in of_campaign.items() if count >= OPEN_OF_ONE]
        claim = None
        try:
            closed = self._closed()
            waiting = self._waiting() | breaker.of_apps(self.watch.shut)
            claim = claiming.claim_next(journal, full, closed, waiting, alone=not self.transfers)
            if claim is not None:
                renderer = self._renderer(claim)
                transfer = Transfer(claim, self.engine, journal, renderer, stop, self.watch, self.tokens, self.verdicts)
        except claiming.Crowded:
            claim = None
        except BaseException as mistake:
            # Whether the claim stands is not known. Without an owner the journal gives it back, nothing being sent.
            journal.abandon()
            if claim is None or isinstance(mistake, AWAY) or not isinstance(mistake, Exception):
                raise
            settling.pause_for(mistake, claim.campaign, "A batch of it could not be opened")
            return True
        if claim is None:
            self.idle.append(journal)
            return False
        self.transfers.append(transfer)
        return True

    def _renderer(self, claim: Claim) -> Renderer:
        """Return what renders this campaign for this service: content is frozen, a credential may change."""
        key, now = (claim.campaign, claim.service), time.monotonic()
        renderer, made = self.renderers.get(key, (None, 0.0))
        if (
            renderer is None
            or now - made > RENDERED
            or renderer.unreadable
            or renderer.away
            or not self.tokens.holds(renderer.token)
            or (renderer.token.waiting and now - made > NAP and self.tokens.settled(renderer.token.mark))
        ):
            self.renderers = {other: one for other, one in self.renderers.items() if now - one[1] <= RENDERED}
            renderer = Renderer.of(claim.campaign, claim.app, claim.service, self.tokens)
            self.renderers[key] = renderer, now
        return renderer

    def _closed(self) -> list[str]:
        """Return the services nothing may be claimed for now; note those that may be tried again."""
        states = breaker.states()
        self.watch.learn(states, clock.now())
        busy = {transfer.claim.service for transfer in self.transfers}
        return [circuit for circuit in states if circuit not in self.watch.probing or circuit in busy]

    def _judge(self) -> None:
        """Open and close breakers by what was heard; batches of a service that is down go back."""
        for circuit, reason in list(self.watch.tripped.items()):
            open_until = breaker.trip(circuit, reason, self.watch.rests.get(circuit))
            logger.warning("%s takes nothing now; trying again at %s. %s", circuit, open_until, reason)
            for transfer in self.transfers:
                transfer.leaving |= transfer.claim.service == circuit
            self.watch.forget(circuit, open_until)
        for circuit in list(self.watch.recovered):
            breaker.close(circuit)
            self.watch.forget(circuit)

    def _start(self) -> None:
        """Start what may leave, every batch in its turn."""
        free, count = self.engine.free, len(self.transfers)
        for turn in range(count):
            if free <= 0:
                return
            transfer = self.transfers[(self._turn + turn) % count]
            with self._parted(transfer):
                if transfer.waiting and not self._guarded(self._look_for_token, transfer):
                    continue
                if self._guarded(transfer.reread):
                    free -= transfer.start_some(free)
        self._turn += 1

    def _look_for_token(self, transfer: Transfer) -> None:
        """Let a batch that waits for a bearer token have it when it is there."""
        transfer.renderer = self._renderer(transfer.claim)

    def _waiting(self) -> set[tuple[int, str]]:
        """Return (App, service) whose bearer token is on its way: none of its batches can start anything."""
        return {(one.claim.app, one.claim.service) for one in self.transfers if one.waiting}

    def _record(self) -> None:
        """Let every batch write what is due; put away those that are through."""
        for transfer in list(self.transfers):
            if transfer.broken:
                if self._guarded(transfer.assess) and not transfer.out:
                    self.transfers.remove(transfer)
                continue
            before = transfer.claim.windows
            answered = False
            with self._parted(transfer):
                answered = self._guarded(transfer.record_if_due) and self._guarded(transfer.assess)
            if transfer.claim.windows > before:
                self.outage.over()
                self._guarded(self._note_record)
            if transfer.ended and answered:
                self._guarded(self._put_away, transfer)

    def _note_record(self) -> None:
        """Let the watchdog see that work moves: a tiny batch is claimed and done between two of its looks."""
        now = time.monotonic()
        if self.name and now - self._noted > 1.0:
            Worker.objects.filter(name=self.name).update(recorded_at=clock.now())
            self._noted = now

    @contextmanager
    def _parted(self, transfer: Transfer) -> Iterator[None]:
        """Keep a mistake with one batch from the others: its campaign pauses, its journal is left to be settled."""
        try:
            yield
        except JournalStuck:
            raise
        except Exception as mistake:
            logger.exception("Batch %s of campaign %s is left.", transfer.claim.batch, transfer.claim.campaign)
            transfer.give_up(f"A mistake on our side: {type(mistake).__name__}: {mistake}")

    def _put_away(self, transfer: Transfer) -> None:
        finish(transfer.claim.campaign)
        self.transfers.remove(transfer)
        if transfer.pause_reason:  # whoever resumes it may have put its credential right
            self.renderers.pop((transfer.claim.campaign, transfer.claim.service), None)
        self.ended += 1
        if transfer.journal.held:
            transfer.journal.clear()
            self.idle.append(transfer.journal)


def prepare_some() -> bool:
    """Freeze the next part of the audience of the campaign that waits longest; return whether there may be more."""
    waiting = Campaign.objects.filter(status=Status.PREPARING).order_by("audience", "pk").values_list("pk", flat=True)
    first = waiting.first()
    if first is None:
        return False
    with settling.set_apart(first, "Its audience cannot be prepared"):
        if planning.freeze_some(first):
            return True
    return waiting.exists()


OPEN = Batch.objects.filter(status__in=[Batch.Status.QUEUED, Batch.Status.SENDING])


def finish(campaign: int | None = None) -> int:
    """Finish a campaign (or all) that is sending and has no open batch; return how many that were."""
    sending = Campaign.objects.filter(status=Status.SENDING)
    if campaign is not None:
        sending = sending.filter(pk=campaign)
    done = sending.filter(~Exists(OPEN.filter(campaign=OuterRef("pk"))))
    return done.update(status=Status.FINISHED, finished_at=clock.now())


def sweep() -> None:
    """Look after everything nobody was told about: due campaigns start, the batches of crashed senders are settled.

    One campaign or journal with which that fails is paused or set aside, with the reason; the others go on.
    """
    now = clock.now()
    due = Campaign.objects.filter(status=Status.SCHEDULED, send_at__range=(now - planning.GRACE, now))
    for campaign in due.select_related("started_by"):
        with settling.set_apart(campaign.pk, "It could not be started"), suppress(MoveRefused):
            if campaign.owner_may_send:
                planning.begin(campaign)
    settling.adopt_journals(journal_folder())
    settling.take_over_expired(journal_folder())
    finish()
