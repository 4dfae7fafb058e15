"""One claimed batch on its way: start pushes, gather answers, record windows, give the rest back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, InterfaceError, OperationalError, connection

from campaigns.journal import Answered, Journal
from campaigns.models import Campaign, Delivery
from campaigns.recording import LEASE, Claim, Fenced, Window, absorb, campaign_status, message_id, record
from campaigns.rendering import Renderer, Unrenderable
from devices import clock
from devices.models import Device
from devices.push.base import AddressRefused, Lost, Outcome, PushService, Request, Verdict
from devices.push.engine import Engine
from devices.push.message import MessageInvalid

logger = logging.getLogger(__name__)

WINDOW = 128  # pushes whose outcomes are written together; also how far ``released`` runs ahead
CAREFUL = 2  # from this claim on a batch goes one push at a time, so that a culprit stands alone
BEAT = 2.0  # seconds: how often a sender renews its lease and looks whether it should stop, at the least
FAREWELL = 15.0  # seconds a sender that was told to stop goes on trying to reach an absent database
SUSPICIOUS = 20  # so many rejections and not one acceptance: the message is wrong, not the devices
ERASED = Verdict(Outcome.SKIPPED, "The device was erased before its turn came.")
RETIRED = Verdict(Outcome.SKIPPED, "The device was retired before its turn came.")
TOO_LATE = Verdict(Outcome.EXPIRED, "The campaign's time was over before this device's turn came.")
DEVICE_COLUMNS = ("pk", "service", "address", "os_rank", "language", "status", "hold_until")

Stop = Callable[[], bool]


class Abandoned(Exception):
    """The database is away and we were told to stop: the journal keeps what we know for whoever comes next."""


def window_of(claims: int) -> int:
    """Return how many pushes may be out without a record at the ``claims``-th claim of a batch."""
    return 1 if claims >= CAREFUL else WINDOW


@dataclass(frozen=True, slots=True)
class Waiting:
    """What we must remember of a push while it is on the wire."""

    device: int
    service: PushService
    authenticated: bool


@dataclass(slots=True)
class Transfer:
    """One claim from the first push to its last record.

    ``released`` in the database is always ahead of what left; what was answered is written at the latest when the
    senders would otherwise have to wait.
    """

    claim: Claim
    engine: Engine[Waiting]
    journal: Journal
    renderer: Renderer
    stop: Stop
    order: list[int] = field(init=False)
    devices: dict[int, Any] = field(init=False)
    next: int = 0  # index into order of the first device not yet started
    released: int = 0
    answers: list[Answered] = field(default_factory=list)
    deferred: list[tuple[int, datetime]] = field(default_factory=list)
    leaving: bool = False  # nothing more is started; the batch goes back
    complaint: str = ""  # why the campaign must pause
    started_at: datetime = field(init=False)
    anchor: float = field(init=False)
    recorded: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_at, self.anchor = clock.now(), time.monotonic()
        self.recorded = self.anchor
        self.order = list(self.claim.pending)
        self.released = min(window_of(self.claim.claims), len(self.order))
        rows = Device.objects.filter(pk__in=self.order).values_list(*DEVICE_COLUMNS)
        self.devices = {row[0]: row for row in rows}

    def now(self) -> datetime:
        """Return the database's time as told at the claim and carried on by the monotonic clock."""
        return self.started_at + timedelta(seconds=time.monotonic() - self.anchor)

    def run(self) -> str:
        """Send until nothing is left or the batch has to go back; return why the campaign must pause, or ""."""
        try:
            while self._unfinished():
                self._start_released()
                self._gather(BEAT / 4)
                if self._must_record():
                    self._record()
            self._record(give_back=True)
        except Fenced as lost:
            logger.warning("Stopped: %s.", lost)
            self._drain()
        return self.complaint

    def _unfinished(self) -> bool:
        return self.engine.in_flight > 0 or (not self.leaving and self.next < len(self.order))

    def _start_released(self) -> None:
        """Start pushes up to ``released``, as long as the lease is surely ours."""
        if self.leaving or time.monotonic() - self.recorded > LEASE.total_seconds() - 2 * BEAT:
            return
        free = self.engine.free
        if self.claim.claims >= CAREFUL:
            free = min(free, 1 - self.engine.in_flight)
        ready: list[tuple[Request, Waiting]] = []
        while self.next < self.released and len(ready) < free:
            device = self.order[self.next]
            self.next += 1
            ready += self._prepared(device)
        self.journal.sending([waiting.device for _, waiting in ready])
        for request, waiting in ready:
            self.engine.start(request, waiting)

    def _prepared(self, device: int) -> list[tuple[Request, Waiting]]:
        """Return the request for a device; none when it has an outcome, or a later moment, without a push."""
        row = self.devices.get(device)
        verdict = self._unsendable(row)
        if verdict is None and row[6] and row[6] > self.now():
            self.deferred.append((device, row[6]))
            return []
        if verdict is None:
            _, service, address, os_rank, language, _, _ = row
            identity = str(message_id(self.claim.campaign, device))
            try:
                push_service, request = self.renderer.request(service, address, os_rank, language, identity)
            except (Unrenderable, MessageInvalid, AddressRefused, LookupError) as problem:
                verdict = Verdict(Outcome.REJECTED, str(problem))
            else:
                return [(request, Waiting(device, push_service, address.startswith("https:")))]
        self.answers.append(Answered(device, verdict, 0, 0, self.now()))
        return []

    def _unsendable(self, row: Any) -> Verdict | None:
        """Return the outcome of a device that gets no push at all any more."""
        if row is None:
            return ERASED
        if row[5] != Device.Status.ACTIVE:
            return RETIRED
        expires_at, earliest = self.claim.expires_at, max(self.now(), row[6] or self.started_at)
        return TOO_LATE if expires_at and earliest >= expires_at else None

    def _gather(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for answers, if any are to come."""
        if not self.engine.in_flight:
            return
        arrived = self.engine.wait(timeout)
        now = self.now()
        fresh = []
        for waiting, answer in arrived:
            verdict = waiting.service.interpret(answer, authenticated=waiting.authenticated)
            lost = answer.lost is Lost.NOT_SENT
            fresh.append(Answered(waiting.device, verdict, answer.status, answer.milliseconds, now, lost))
            if verdict.outcome is Outcome.DENIED:
                self.complaint, self.leaving = self.complaint or verdict.reason, True
        self.journal.answered(fresh)
        self.answers += fresh

    def _must_record(self) -> bool:
        starved = self.next >= self.released and self.next < len(self.order) and not self.engine.in_flight
        ready = len(self.answers) >= WINDOW * 3 // 4 or (self.answers and self.next >= self.released)
        return bool(starved or ready or time.monotonic() - self.recorded > BEAT)

    def _record(self, give_back: bool = False) -> None:
        """Write what was answered and look whether to go on."""
        ahead = min(len(self.order), self.next + window_of(self.claim.claims))
        window = Window(tuple(self.answers), tuple(self.deferred), ahead)
        self.answers, self.deferred = [], []
        self._persist(window, give_back)
        self.released, self.recorded = ahead, time.monotonic()
        if give_back or self.leaving:
            return
        self.leaving = self.stop() or campaign_status(self.claim.campaign) != Campaign.Status.SENDING
        self._look_for_rejection(window)

    def _persist(self, window: Window, give_back: bool) -> None:
        """Record a window through any absence of the database; pushes that are out are listened to meanwhile."""
        pause, told, tried = 0.05, 0.0, False
        while True:
            try:
                return record(self.claim, window, now=self.now(), give_back=give_back)
            except IntegrityError:
                if not tried:
                    raise
                # The commit before had succeeded; only its confirmation got lost with the connection.
                return absorb(self.claim, window)
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database does not answer (%s); trying again.", type(error).__name__)
                tried = True
                connection.close()
            if self.stop():
                told = told or time.monotonic()
                if time.monotonic() - told > FAREWELL:
                    raise Abandoned
            pause = min(pause * 2, 1.0)
            waited = time.monotonic() + pause
            self._gather(pause)
            time.sleep(max(0.0, waited - time.monotonic()))

    def _look_for_rejection(self, window: Window) -> None:
        """Pause the campaign when its first pushes were all rejected for what they say."""
        rejected = [answer for answer in window.answers if answer.verdict.outcome is Outcome.REJECTED]
        if len(rejected) < SUSPICIOUS or len(rejected) < len(window.answers):
            return
        others = Delivery.objects.filter(campaign=self.claim.campaign, latest=True)
        if not others.exclude(outcome=Outcome.REJECTED).exists():
            self.leaving = True
            self.complaint = f"The first {others.count()} pushes were all rejected: {rejected[0].verdict.reason}"

    def _drain(self) -> None:
        """Let pushes that are out come home; somebody else has the batch, so nothing of it may be written."""
        while self.engine.in_flight:
            self.engine.wait(1.0)
