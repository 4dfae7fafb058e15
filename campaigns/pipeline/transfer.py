"""One claimed batch on its way: start pushes, take answers, record windows, give the rest back.

Many of these are open in one sender at once (sending.py), so that a few slow devices at the end of a batch keep nobody
waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, Sum

from campaigns.models import Batch, Campaign, Delivery, MoveRefused
from campaigns.pipeline import retry
from campaigns.pipeline.breaker import Watch, without_token
from campaigns.pipeline.journal import Journal
from campaigns.pipeline.recording import LEASE, Fenced, campaign_status, record
from campaigns.pipeline.rendering import CannotShow, CredentialLost, Rendered, Renderer, ServiceAway
from campaigns.pipeline.statements import read_devices
from campaigns.pipeline.tokens import Tokens
from campaigns.pipeline.values import Answered, Claim, DeviceRow, Window, message_id
from devices.common import clock
from devices.models import Device
from devices.push.base import Answer, Lost, Outcome, Verdict
from devices.push.engine import Engine
from devices.push.verdicts import Verdicts

logger = logging.getLogger(__name__)

WINDOW = 256  # pushes whose outcomes are written together; also how far ``released`` runs ahead
ALONE = 3  # from this claim on a batch goes one push at a time, so that a culprit stands alone
BEAT = 2.0  # seconds: how often a sender renews its lease and looks whether it should stop, at the least
REREAD = 0.2  # seconds a row may be old when its push starts: who was erased or opted out meanwhile gets none
TAIL = 0.25  # seconds the last answers of a batch may wait for each other
GOING_ON = {Campaign.Status.PREPARING, Campaign.Status.SENDING}
SUSPICIOUS = 20  # so many rejections and not one acceptance: the message is wrong, not the devices
ERASED = Verdict(Outcome.SKIPPED, "The device was erased before its turn came.")
RETIRED = Verdict(Outcome.SKIPPED, "The device was retired before its turn came.")
TOO_LATE = Verdict(Outcome.EXPIRED, "The campaign's time was over before this device's turn came.")
Stop = Callable[[], bool]


def first_release(claims: int, size: int, doubtful: int) -> int:
    """Return how many devices of a batch may be out without a record when its ``claims``-th claim begins."""
    return min(1 if claims >= ALONE or doubtful else WINDOW, size)


class Waiting(NamedTuple):
    """What we must remember of a push while it is on the wire."""

    transfer: Transfer
    device: int
    message_id: str
    rendered: Rendered


@dataclass(slots=True, eq=False)
class Transfer:
    """One claim from the first push to its last record.

    ``released`` in the database is always ahead of what left. Devices that may have got a copy before, and all
    devices of a batch that killed its senders, go one at a time: the next one leaves when the last one is recorded.
    """

    claim: Claim
    engine: Engine[Waiting]
    journal: Journal
    renderer: Renderer
    stop: Stop
    watch: Watch
    tokens: Tokens
    verdicts: Verdicts
    order: list[int] = field(init=False)
    devices: dict[int, DeviceRow] = field(init=False)
    next: int = 0  # index into order of the first device not yet started
    released: int = 0
    out: int = 0  # pushes on the wire
    answers: list[Answered] = field(default_factory=list)
    deferred: list[tuple[int, datetime]] = field(default_factory=list)
    unwritten: Window | None = None  # built, and not in the database yet
    giving_back: bool = False  # the claim ends with it
    unread: Window | None = None  # written, and not yet looked at for what it says of the whole campaign
    leaving: bool = False  # nothing more is started; the batch goes back
    fenced: bool = False  # somebody else has the batch: nothing of it may be written any more
    broken: bool = False  # a mistake of ours befell it
    ended: bool = False
    pause_reason: str = ""  # why the campaign must pause
    told: bool = False  # the campaign was paused for it
    refusal: str = ""  # the last answer that did not take our credential
    heard_yes: bool = False  # a push of this claim was accepted
    started_at: datetime = field(init=False)
    anchor: float = field(init=False)
    recorded: float = field(init=False)
    read_at: float = field(init=False)  # when the rows of those who come next were read

    def __post_init__(self) -> None:
        self.started_at, self.anchor = clock.now(), time.monotonic()
        self.recorded = self.anchor
        self.order = list(self.claim.pending)
        self.released = first_release(self.claim.claims, len(self.order), len(self.claim.doubtful))
        if self.claim.service in self.watch.probing:
            self.released = min(self.released, 1)
        self.devices = {}
        self._read(self.order)

    def now(self) -> datetime:
        """Return the database's time as told at the claim and carried on by the monotonic clock."""
        return self.started_at + timedelta(seconds=time.monotonic() - self.anchor)

    @property
    def backlog(self) -> int:
        """How many devices are still to be started."""
        return 0 if self.leaving else len(self.order) - self.next

    @property
    def waiting(self) -> bool:
        """Whether nothing of it can leave before a bearer token has come."""
        return self.renderer.token.waiting and not self.leaving

    def reread(self) -> None:
        """Read those who come next again when what is known of them is older than REREAD.

        When the database is away it raises what Django raises.
        """
        coming = [] if self.leaving else self.order[self.next : self.released]
        if coming and time.monotonic() - self.read_at > REREAD:
            self._read(coming)

    def _read(self, devices: list[int]) -> None:
        read_at = time.monotonic()
        rows = read_devices(devices)
        for gone in set(devices) - set(rows):
            self.devices.pop(gone, None)
        self.devices.update(rows)
        self.read_at = read_at

    def start_some(self, most: int) -> int:
        """Start at most ``most`` pushes and return how many; none when ``released`` or the lease forbids it."""
        if self.leaving or self.waiting or time.monotonic() - self.recorded > LEASE.total_seconds() - 2 * BEAT:
            return 0
        ready: list[Waiting] = []
        while self.next < self.released and len(ready) < most:
            try:
                prepared = self._prepared(self.order[self.next])
            except CredentialLost as lost:
                self.pause_reason, self.leaving = str(lost), True
                break
            except ServiceAway as away:
                self.watch.tripped[without_token(self.claim.service, self.claim.app)] = str(away)
                self.leaving = True
                break
            self.next += 1
            if prepared:
                ready.append(prepared)
        if ready:
            self.watch.got_token(self.claim.service, self.claim.app)
        self.journal.sending([waiting.device for waiting in ready])
        for waiting in ready:
            self.engine.start(waiting.rendered.request, waiting)
            self.out += 1
        return len(ready)

    def take(self, arrived: list[tuple[Waiting, Answer]]) -> None:
        """Take what came back for this batch."""
        self.out -= len(arrived)
        if self.fenced:
            return
        now = self.now()
        fresh: list[Answered] = []
        renewed: list[int] = []
        heard: dict[str, list[Answered]] = {}
        for waiting, answer in arrived:
            answered = self._answered(waiting, answer, now)
            heard.setdefault(waiting.rendered.circuit, []).append(answered)
            outcome = answered.verdict.outcome
            if outcome is Outcome.ACCEPTED:
                self.heard_yes = True
                if self.renderer.token.value:
                    self.tokens.taken(self.renderer.token)
            elif answered.verdict.stale_credential and self._may_renew(waiting.device):
                self.deferred.append((waiting.device, self.started_at))  # due at once
                renewed.append(waiting.device)
                continue
            elif outcome is Outcome.DENIED and not self.claim.leave_denied:
                self.refusal = answered.verdict.reason
                self.leaving |= not self.heard_yes  # until the record tells whether anybody is still accepted
            fresh.append(answered)
        self.answers += fresh
        self.journal.answered(fresh)
        self.journal.untouched(renewed)
        for circuit, answers in heard.items():
            self.watch.hear(circuit, answers)

    def _answered(self, waiting: Waiting, answer: Answer, now: datetime) -> Answered:
        rendered = waiting.rendered
        verdict = self.verdicts.of(rendered.service, answer, rendered.request.authenticated)
        return Answered(
            waiting.device,
            verdict,
            answer.status,
            answer.milliseconds,
            now,
            answer.lost is Lost.NOT_SENT,
            self.devices[waiting.device].address_digest,
            rendered.variant,
            rendered.language,
            waiting.message_id,
        )

    def _may_renew(self, device: int) -> bool:
        """Return whether a push whose token was not taken may go once more, with a new one and without an attempt."""
        push = (self.claim.campaign, device)
        renewed = self.tokens.refuse(self.renderer.token, push)
        self.leaving |= renewed  # what is left goes back, and goes on with the new token
        return renewed

    def give_up(self, pause_reason: str) -> None:
        """Leave the batch to whoever adopts its journal, and pause the campaign."""
        self.journal.abandon()
        self.unwritten = self.unread = None
        self.broken = self.fenced = self.leaving = True
        self.pause_reason = pause_reason

    def record_if_due(self) -> None:
        """Write what was answered when enough came together, when others wait for it, or when it is the last.

        When the database is away it raises what Django raises; the window waits and is written at the next call.
        """
        over = not self.out and not self.backlog
        if self.ended:
            return
        if self.fenced:
            self.ended = not self.out
        elif self.unwritten is not None:
            self._write(self.unwritten)
        elif over or self._must_record():
            window = Window(tuple(self.answers), tuple(self.deferred), self._ahead(), known=self.devices)
            self.answers, self.deferred, self.giving_back = [], [], over
            self._write(window)

    def assess(self) -> None:
        """Look at what the last window says of the whole campaign: whether to go on, and whether to pause it.

        When the database is away it raises what Django raises, and looks at the next call.
        """
        if self.unread is not None:
            self.leaving |= self.stop() or campaign_status(self.claim.campaign) not in GOING_ON
            self._look_for_rejection(self.unread)
            self.unread = None
        if self.pause_reason and not self.told:
            with suppress(MoveRefused):
                Campaign(pk=self.claim.campaign).move(Campaign.Status.PAUSED, because=self.pause_reason[:300])
            self.told = True

    def _prepared(self, device: int) -> Waiting | None:
        """Return a push that is ready to leave; None when the device has an outcome, or a later moment, without one."""
        row: Any = self.devices.get(device)
        verdict = self._unsendable(row)
        if verdict is None and row.hold_until and row.hold_until > self.now():
            self.deferred.append((device, row.hold_until))
            return None
        if verdict is None:
            identity = message_id(self.claim.campaign, device)
            try:
                rendered = self.renderer.render(row, identity)
            except CannotShow as why:  # one device is left out, the others go on
                verdict = Verdict(Outcome.SKIPPED, str(why))
            except (ValueError, LookupError) as problem:  # one device fails, the others go on
                verdict = Verdict(Outcome.REJECTED, str(problem))
            else:
                part = rendered.circuit != self.claim.service
                if part and (until := self.watch.rest(rendered.circuit, self.now())):
                    self.deferred.append((device, until))
                    return None
                return Waiting(self, device, identity, rendered)
        self.answers.append(Answered(device, verdict, 0, 0, self.now()))
        return None

    def _unsendable(self, row: DeviceRow | None) -> Verdict | None:
        """Return the outcome of a device that gets no push at all any more."""
        if row is None:
            return ERASED
        if row.status != Device.Status.ACTIVE:
            return RETIRED
        expires_at = self.claim.expires_at
        if expires_at is None:
            return None
        return TOO_LATE if max(self.now(), row.hold_until or self.started_at) >= expires_at else None

    def _must_record(self) -> bool:
        waited = time.monotonic() - self.recorded
        if len(self.answers) >= WINDOW * 3 // 4 or waited > BEAT:
            return True
        starved = self.next >= self.released
        if starved and self.backlog:  # more may leave only after a record
            return bool(self.answers or self.deferred or not self.out)
        return starved and bool(self.answers) and waited > TAIL

    def _ahead(self) -> int:
        """Return how far into ``order`` pushes may leave once the present window is recorded."""
        if self.leaving:
            return self.next
        settled = {answer.device for answer in self.answers} | {device for device, _ in self.deferred}
        alone = self.claim.claims >= ALONE or self.claim.service in self.watch.probing
        if alone or self.claim.doubtful - settled:
            return min(len(self.order), self.next + (0 if self.out else 1))
        return min(len(self.order), self.next + WINDOW)

    def _write(self, window: Window) -> None:
        """Put a window into the database, now or at a later call."""
        self.unwritten = window
        try:
            if self.refusal and self._refused(window):
                self.pause_reason = self.pause_reason or self.refusal
                self.leaving = True
                window = self.unwritten = replace(window, released=self.next, pausing=True)
            record(self.claim, window, now=self.now(), give_back=self.giving_back)
        except Fenced as lost:
            logger.warning("Stopped: %s.", lost)
            self.fenced, self.leaving, self.unwritten = True, True, None
            return
        self.refusal = ""
        self.released, self.recorded = window.released, time.monotonic()
        self.unwritten, self.unread, self.ended = None, window, self.giving_back

    def _refused(self, window: Window) -> bool:
        """Return whether our credential is refused, and not only for a few devices of many."""
        claim, outcomes = self.claim, [answer.verdict.outcome for answer in window.answers]
        batches = Batch.objects.filter(campaign=claim.campaign, service=claim.service)
        sums = batches.aggregate(accepted=Sum("accepted"), audience=Sum("size", filter=Q(attempt=1)))
        before = Delivery.objects.filter(campaign=claim.campaign, latest=True, outcome=Outcome.DENIED)
        return retry.credential_refused(
            denied=outcomes.count(Outcome.DENIED),
            accepted=outcomes.count(Outcome.ACCEPTED),
            denied_before=before.filter(batch__service=claim.service).count(),
            accepted_before=sums["accepted"] or 0,
            audience=sums["audience"] or 0,
            first_attempt=claim.attempt == 1,
        )

    def _look_for_rejection(self, window: Window) -> None:
        """Pause the campaign when its first pushes were all rejected for what they say."""
        rejected = [answer for answer in window.answers if answer.verdict.outcome is Outcome.REJECTED]
        if len(rejected) < SUSPICIOUS or len(rejected) < len(window.answers):
            return
        others = Delivery.objects.filter(campaign=self.claim.campaign, latest=True)
        if not others.exclude(outcome=Outcome.REJECTED).exists():
            self.leaving = True
            self.pause_reason = f"The first {others.count()} pushes were all rejected: {rejected[0].verdict.reason}"
