"""Campaigns, what they say, the batches they are sent in, and every attempt with its answer."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from devices.models import App, Device, Segment
from devices.push.base import Outcome
from devices.push.message import MESSAGES


class MoveRefused(Exception):
    """A campaign cannot go from its status to the wanted one. ``str(error)`` is a sentence for a person."""


class Campaign(models.Model):
    """One message to one audience. What it stores about its state is ``status``; everything else is counted."""

    class Status(models.TextChoices):
        """Where a campaign stands."""

        DRAFT = "draft", _("Draft")  # being written; only now may content and audience change
        SCHEDULED = "scheduled", _("Scheduled")  # waits for send_at
        PREPARING = "preparing", _("Preparing")  # the audience is being frozen into batches
        SENDING = "sending", _("Sending")  # batches are claimed as they fall due
        PAUSED = "paused", _("Paused")  # nothing is claimed; paused_because says why
        FINISHED = "finished", _("Finished")  # no batch is left
        CANCELLED = "cancelled", _("Cancelled")  # a person stopped it for good

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="campaigns")
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    paused_because = models.CharField(max_length=300, blank=True, editable=False)
    # Whom: all devices of the App, or those a segment picks. The rule is frozen when the campaign starts.
    segment = models.ForeignKey(Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns")
    rule = models.JSONField(default=dict, blank=True, editable=False)
    # When: at once, or at a wall-clock time in a named zone (send_at is that moment in UTC).
    send_at = models.DateTimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    expires_after = models.DurationField(null=True, blank=True, help_text=_("Retries end this long after the start."))
    expires_at = models.DateTimeField(null=True, editable=False)
    never_twice = models.BooleanField(default=False, help_text=_("Rather not at all than twice."))

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    audience = models.PositiveIntegerField(default=0, editable=False)  # devices frozen so far
    frozen_at = models.DateTimeField(null=True, editable=False)  # when the last device of the audience was frozen
    cursor = models.BigIntegerField(default=0, editable=False)  # primary key of the last device frozen
    claimed_at = models.DateTimeField(null=True, editable=False)  # claims go round the campaigns by this
    per_minute = models.PositiveIntegerField(null=True, blank=True, help_text=_("Pushes a minute at most."))
    pruned_at = models.DateTimeField(null=True, editable=False)  # when its single deliveries were removed
    paced_until = models.DateTimeField(null=True, editable=False)  # no claim before this: the pace
    # "Send again" to whom (control.AGAIN), while their batches are being made; "" for the first time.
    again = models.CharField(max_length=10, blank=True, editable=False)
    leave_denied = models.BooleanField(default=False, editable=False)  # a refused credential is final for its device

    # What a person writes of it, beside what it says: the form, the fingerprint of a draft and a duplicate have these.
    CONTENT: ClassVar[tuple[str, ...]] = (
        "app",
        "name",
        "segment",
        "send_at",
        "time_zone",
        "expires_after",
        "never_twice",
        "per_minute",
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        permissions = [
            ("send_campaign", "Can send, pause and cancel campaigns"),
            ("export_campaign", "Can export deliveries"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["status", "claimed_at"],
                name="campaign_moving",
                condition=Q(status__in=["scheduled", "preparing", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def late(self) -> timedelta | None:
        """How long after its scheduled time it started; None within a minute, or when it was not scheduled."""
        if self.send_at is None or self.started_at is None or self.started_at - self.send_at < timedelta(minutes=1):
            return None
        return self.started_at - self.send_at

    @property
    def owner_may_send(self) -> bool:
        """Whether who scheduled or started it may send campaigns now; False when nobody did, or is gone."""
        owner = self.started_by
        return owner is not None and owner.is_active and owner.has_perm("campaigns.send_campaign")

    def move(self, to: Status, because: str = "", **changes: Any) -> None:
        """Go to status ``to`` in one guarded update, together with ``changes``; raise MoveRefused if not allowed.

        Of two callers at once exactly one succeeds. ``because`` is kept as the reason of a pause.
        """
        allowed = [status for status, targets in MOVES.items() if to in targets]
        changes["paused_because"] = because if to == self.Status.PAUSED else ""
        moved = Campaign.objects.filter(pk=self.pk, status__in=allowed).update(status=to, **changes)
        if not moved:
            self.refresh_from_db(fields=["status"])
            raise MoveRefused(refusal(self.Status(self.status), to))
        self.status = to
        for name, value in changes.items():
            setattr(self, name, value)


Status = Campaign.Status
MOVES: dict[Campaign.Status, frozenset[Campaign.Status]] = {
    Status.DRAFT: frozenset({Status.SCHEDULED, Status.PREPARING}),
    Status.SCHEDULED: frozenset({Status.DRAFT, Status.PREPARING, Status.PAUSED, Status.CANCELLED}),
    Status.PREPARING: frozenset({Status.SENDING, Status.FINISHED, Status.PAUSED, Status.CANCELLED}),
    Status.SENDING: frozenset({Status.PAUSED, Status.FINISHED, Status.CANCELLED}),
    Status.PAUSED: frozenset({Status.PREPARING, Status.SENDING, Status.CANCELLED}),
    # Only by sending again: to those it did not reach, or to a parked device.
    Status.FINISHED: frozenset({Status.PREPARING, Status.SENDING}),
    Status.CANCELLED: frozenset(),
}


# A sentence for each wish: a language may turn it round.
CANNOT = {
    Status.PREPARING: _("This campaign is %(status)s, so it cannot be sent."),
    Status.SCHEDULED: _("This campaign is %(status)s, so it cannot be scheduled."),
    Status.PAUSED: _("This campaign is %(status)s, so it cannot be paused."),
    Status.SENDING: _("This campaign is %(status)s, so it cannot go on."),
    Status.CANCELLED: _("This campaign is %(status)s, so it cannot be cancelled."),
    Status.DRAFT: _("This campaign is %(status)s, so it cannot be edited."),
    Status.FINISHED: _("This campaign is %(status)s, so it cannot finish."),
}


def refusal(now: Campaign.Status, to: Campaign.Status) -> str:
    """Return the sentence that tells a person why a campaign cannot go from ``now`` to ``to``."""
    if now == to or (to == Status.PREPARING and now == Status.SENDING):
        told = gettext("Somebody was faster: this campaign is %(status)s already.")
    else:
        told = str(CANNOT[to])
    return told % {"status": now.label.lower()}


class Notification(models.Model):
    """The content a person wrote: one row per variant and language.

    ``fields`` is what ``Message.to_fields`` gives, ``options`` likewise for each push service by its slug.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="notifications")
    variant = models.CharField(max_length=20, blank=True)  # of several contents, each for a share; "" for a single one
    language = models.CharField(max_length=35, blank=True)  # "" is the default
    message = models.CharField(max_length=20)  # slug of the message: toast, flip_tile, raw, …
    fields = models.JSONField(default=dict)
    options = models.JSONField(default=dict)  # slug of a push service → what only it can do with the message

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["campaign", "variant", "language"], name="notification_once"),
        ]

    CONTENT: ClassVar[tuple[str, ...]] = ("variant", "language", "message", "fields", "options")

    def __str__(self) -> str:
        kind = MESSAGES[self.message].label if self.message in MESSAGES else self.message
        return f"{kind} ({self.language})" if self.language else kind


class Batch(models.Model):
    """A slice of the audience that is sent together, at or after ``due_at``.

    ``ids`` shrinks as a batch is interrupted and settled; ``size`` stays what it was. At any time
    size = outcomes counted here + deferred + devices still to do.
    """

    class Status(models.TextChoices):
        """Who has it."""

        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        DONE = "done", _("done")
        PARKED = "parked", _("parked")  # one device that ended its senders; a person decides

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="batches")
    service = models.CharField(max_length=20)  # of all its devices: one service that is down holds up no other
    attempt = models.PositiveSmallIntegerField(default=1)
    due_at = models.DateTimeField()
    ids = models.BinaryField()  # device ids, 8 bytes each, big-endian
    doubtful = models.BinaryField(default=bytes)  # those of ids that may have got a copy already
    # Those of ids that the present claim moved to a later batch (device on hold): they have no delivery here, and are
    # that batch's from then on. Empty when nobody has the batch.
    moved = models.BinaryField(default=bytes)
    size = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    claims = models.PositiveSmallIntegerField(default=0)  # since the last time it made headway
    claim_token = models.UUIDField(null=True)
    claimed_by = models.CharField(max_length=100, blank=True)  # journal and pid
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    released = models.PositiveIntegerField(default=0)  # how many of ids may have left: written before they do
    windows = models.PositiveIntegerField(default=0)  # recorded under the present claim: none is written twice

    accepted = models.PositiveIntegerField(default=0)
    retry = models.PositiveIntegerField(default=0)
    dropped = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    denied = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    expired = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    deferred = models.PositiveIntegerField(default=0)  # moved to a later batch without an attempt (device on hold)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            # The claim: the next due batch. Done batches, nearly all of them, are not in it.
            models.Index(fields=["due_at", "id"], name="batch_due", condition=Q(status__in=["queued", "sending"])),
            models.Index(
                fields=["campaign", "due_at"], name="batch_open", condition=Q(status__in=["queued", "sending"])
            ),
        ]


class Delivery(models.Model):
    """One attempt to deliver a campaign to one device, and what came of it.

    Rows are added and never changed, but for ``latest``.

    ``copies`` is the most copies of this campaign that may have been taken for this device, this attempt included.
    """

    pk = models.CompositePrimaryKey("campaign_id", "device_id", "attempt")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    # Without a constraint: history outlives an erased device, and a million checks cost more than they find.
    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, related_name="deliveries", db_constraint=False, db_index=False
    )
    attempt = models.PositiveSmallIntegerField()
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, db_constraint=False, db_index=False)
    outcome = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Outcome])
    latest = models.BooleanField(default=True)
    copies = models.PositiveSmallIntegerField(default=0)
    http_status = models.PositiveSmallIntegerField(null=True)
    words = models.CharField(max_length=400, blank=True)  # the service's own, "Name: value" joined by "; "
    message_id = models.UUIDField()
    milliseconds = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    # Which content it was (Notification.variant and .language), so that they can be counted one by one.
    # The database knows the default too, for rows that others make.
    variant = models.CharField(max_length=20, blank=True, default="", db_default="")
    language = models.CharField(max_length=35, blank=True, default="", db_default="")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["device", "-at"], name="delivery_of_device"),
            models.Index(
                fields=["campaign", "outcome", "device"], name="delivery_by_outcome", condition=Q(latest=True)
            ),
            # The few devices that may have got a campaign twice, found among millions.
            models.Index(fields=["campaign", "device"], name="delivery_doubled", condition=Q(copies__gte=2)),
        ]


class Report(models.Model):
    """What a device told of a push that it got: a row for each word it said of a campaign, and none twice.

    Made for millions of rows: three numbers, a moment and which button. Written in groups (monitor/reports.py).
    """

    class Word(models.IntegerChoices):
        """What became of it on the device."""

        SHOWN = 1, _("shown")
        CLICKED = 2, _("clicked")
        DISMISSED = 3, _("dismissed")

    pk = models.CompositePrimaryKey("campaign_id", "word", "device_id")
    # Without constraints, as those of Delivery: a report must not fail because its device was erased meanwhile.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="reports", db_constraint=False, db_index=False
    )
    word = models.PositiveSmallIntegerField(choices=Word)
    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, related_name="reports", db_constraint=False, db_index=False
    )
    button = models.PositiveSmallIntegerField(default=0)  # which one was clicked; 0: the notification itself
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["device", "campaign"], name="report_of_device")]


class ReportCount(models.Model):
    """How many devices reported a word of a campaign: counted as they are written, so that no page counts them."""

    pk = models.CompositePrimaryKey("campaign_id", "word", "button")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="report_counts", db_constraint=False, db_index=False
    )
    word = models.PositiveSmallIntegerField(choices=Report.Word)
    button = models.PositiveSmallIntegerField(default=0)
    devices = models.PositiveIntegerField(default=0)


class Trial(models.Model):
    """A message that somebody sent to one device to see it there: no part of any campaign's numbers."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="trials", db_constraint=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    message_id = models.UUIDField(default=uuid.uuid4)  # what the device calls it
    title = models.CharField(max_length=200, blank=True)  # how it can be recognised
    outcome = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Outcome])
    http_status = models.PositiveSmallIntegerField(null=True)
    words = models.CharField(max_length=400, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    milliseconds = models.PositiveIntegerField(default=0)


class Breaker(models.Model):
    """What fails together and is down, as the senders found out: a push service, or a part of one. No row: all is well.

    ``circuit`` is the slug of the service, or begins with it and a colon (PushService.circuit).
    """

    circuit = models.CharField(max_length=120, primary_key=True)
    since = models.DateTimeField()
    level = models.PositiveSmallIntegerField(default=0)  # how often in a row it was still down
    open_until = models.DateTimeField()  # nothing is claimed before; then one push at a time
    reason = models.CharField(max_length=300, blank=True)

    @property
    def service(self) -> str:
        """The slug of the push service."""
        return self.circuit.partition(":")[0]


class Worker(models.Model):
    """A sender process that lives, or lived: what the overview shows and the watchdog reads."""

    name = models.CharField(max_length=100, unique=True)  # host:pid
    role = models.CharField(max_length=10)  # "sender", or "watchdog" for runworker itself
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    doing = models.CharField(max_length=200, blank=True)
    restarts = models.PositiveIntegerField(default=0)  # watchdog: how often it restarted the cluster
    note = models.CharField(max_length=300, blank=True)  # watchdog: why it did so last
    recorded_at = models.DateTimeField(null=True)  # sender: when it last wrote a window, exact to a second
