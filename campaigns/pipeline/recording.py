"""One window of answers into the database: fenced, in one transaction, all or nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection, transaction

from campaigns.models import Batch, Delivery
from campaigns.packing import pack
from campaigns.pipeline.retry import Decision, decide
from campaigns.pipeline.statements import adapted, any_of, execute, update
from campaigns.pipeline.values import Answered, Claim, DeviceRow, Later, Window, message_id
from devices.models import Contact, Device, mark
from devices.push.base import Outcome

LEASE = timedelta(seconds=20)
FRESH = timedelta(hours=1)  # a device's last acceptance is written no more often than this
COUNTERS = {outcome: outcome.value for outcome in Outcome}
ONCE = Decision(Outcome.ACCEPTED, 1)


class Fenced(Exception):
    """The claim is somebody else's by now: write nothing, stop."""


def record(claim: Claim, window: Window, *, now: datetime, give_back: bool = False, headway: bool = True) -> None:
    """Write a window and what follows from it; raise Fenced when the claim is lost.

    With ``give_back`` the claim ends: a batch with nothing pending is done, any other is queued again; ``headway``
    False lets the claim count against it. A window that was written before, its confirmation lost with the
    connection, is not written twice. ``claim`` is changed only when the transaction stands.
    """
    decided = [(answer, _decide(claim, answer, now, window.pausing)) for answer in window.answers]
    leaving = {answer.device for answer in window.answers} | {device for device, _ in window.deferred}
    left = [device for device in claim.pending if device not in leaving]
    later = dict(claim.later)
    moved = claim.moved + [device for device, _ in window.deferred]
    doubtful = (claim.doubtful | window.doubtful) - leaving
    counts = Counter(COUNTERS[decision.outcome] for _, decision in decided)
    with transaction.atomic():
        ending = _ending(left, doubtful, headway) if give_back else {"moved": pack(moved)} if window.deferred else {}
        if _fence(claim, window, counts, now, ending):
            _insert(claim, decided)
            if claim.attempt > 1:
                Delivery.objects.filter(
                    campaign=claim.campaign,
                    device__in=[answer.device for answer, _ in decided],
                    attempt__lt=claim.attempt,
                    latest=True,
                ).update(latest=False)
            _mark_devices(claim, decided, window.known, now)
            _queue_later(claim, decided, window.deferred, later, now)
        else:
            later = {}  # what was made then is not known here: the next ones get batches of their own
    claim.pending, claim.doubtful, claim.later, claim.moved = left, doubtful, later, moved
    claim.windows += 1


def _decide(claim: Claim, answer: Answered, now: datetime, pausing: bool) -> Decision:
    if answer.verdict.outcome is Outcome.ACCEPTED and answer.device not in claim.doubtful:
        return ONCE  # nearly all: 0.1 µs against 1.1
    return decide(
        answer.verdict,
        attempt=claim.attempt,
        copies=1 if answer.device in claim.doubtful else 0,
        never_twice=claim.never_twice,
        now=now,
        expires_at=claim.expires_at,
        unreached=answer.unreached,
        pausing=pausing,
        leave_denied=claim.leave_denied,
        spread=(claim.batch * 37 % 100) / 100,
    )


def _ending(left: list[int], doubtful: set[int], headway: bool) -> dict[str, Any]:
    """Return the columns of a batch whose claim ends."""
    columns: dict[str, Any] = {"claim_token": None, "lease_until": None, "claimed_by": "", "released": 0, "moved": b""}
    if not left:
        return columns | {"status": Batch.Status.DONE, "ids": b"", "doubtful": b""}
    if headway:
        columns["claims"] = 0
    # The doubtful go first: the sooner they are settled, the shorter anybody has to wonder.
    order = sorted(left, key=lambda device: device not in doubtful)
    return columns | {
        "status": Batch.Status.QUEUED,
        "ids": pack(order),
        "doubtful": pack(device for device in order if device in doubtful),
    }


def _fence(claim: Claim, window: Window, counts: Counter[str], now: datetime, more: dict[str, Any]) -> bool:
    """Write the batch's own columns; False when this very window stands already, Fenced when the claim is lost.

    ``more`` are the columns beside counters and lease, or instead of them when the claim ends.
    """
    more_of = {**counts, "deferred": len(window.deferred)} if window.deferred else counts
    changes = {"released": window.released, "lease_until": now + LEASE, **more, "windows": claim.windows + 1}
    mine = {"id": claim.batch, "claim_token": claim.token, "status": Batch.Status.SENDING.value}
    if update(Batch, {**mine, "windows": claim.windows}, changes, more_of):
        return True
    if Batch.objects.filter(**mine, windows=claim.windows + 1).exists():
        return False
    raise Fenced(f"batch {claim.batch} was claimed by somebody else")


COLUMNS = (
    "campaign_id",
    "device_id",
    "attempt",
    "batch_id",
    "outcome",
    "latest",
    "copies",
    "http_status",
    "words",
    "message_id",
    "milliseconds",
    "reason",
    "at",
    "variant",
    "language",
)
Row = tuple[Any, ...]


def _row(claim: Claim, answer: Answered, decision: Decision, lite: bool) -> Row:
    """Return the columns of a delivery; ``lite`` as SQLite stores them."""
    identity = answer.message_id or message_id(claim.campaign, answer.device)
    return (
        claim.campaign,
        answer.device,
        claim.attempt,
        claim.batch,
        decision.outcome.value,
        True,
        decision.copies,
        answer.http_status or None,
        joined(answer.verdict.words),
        identity.replace("-", "") if lite else identity,
        answer.milliseconds,
        answer.verdict.reason[:300].replace("\0", ""),
        connection.ops.adapt_datetimefield_value(answer.at) if lite else answer.at,
        answer.variant,
        answer.language,
    )


@lru_cache(maxsize=256)
def joined(words: tuple[tuple[str, str], ...]) -> str:
    """Return the service's own words as a row keeps them: "Name: value" joined by "; ", at most 400 characters."""
    return "; ".join([f"{name}: {value}" for name, value in words])[:400].replace("\0", "")


def _insert(claim: Claim, decided: Sequence[tuple[Answered, Decision]]) -> None:
    """Add deliveries: COPY on PostgreSQL, executemany on SQLite (measured: docs/decisions.md)."""
    if not decided:
        return
    lite = connection.vendor != "postgresql"
    rows = [_row(claim, answer, decision, lite) for answer, decision in decided]
    table, columns = Delivery._meta.db_table, ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        if lite:
            marks = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 (constants)
            return
        # Django does not see what goes on inside COPY: without the wrapper its errors would be psycopg's own.
        with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _mark_devices(
    claim: Claim, decided: Iterable[tuple[Answered, Decision]], known: Mapping[int, DeviceRow], now: datetime
) -> None:
    """Note on the devices what their answers showed, in one statement per kind of news.

    An answer concerns the address that was pushed to. A device that has registered with another one meanwhile, perhaps
    days before a journal is adopted, is left as it is.

    What the device's row says already is not written again, and the last acceptance is exact to FRESH: half of the
    database's time would go into it. The history has it to the millisecond.
    """
    heard: dict[tuple[bool, str], list[Answered]] = defaultdict(list)
    changed: dict[tuple[Any, ...], list[Answered]] = defaultdict(list)
    for answer, decision in decided:
        if not answer.address_digest:
            continue
        verdict = answer.verdict
        device = known.get(answer.device)
        fresh = device is None or device.mark != mark(answer.address_digest)
        said, accepted_at = (None, None) if device is None or fresh else (device.connection, device.accepted_at)
        accepted = decision.outcome is Outcome.ACCEPTED and (accepted_at is None or now - accepted_at > FRESH)
        word = verdict.connection[:40]
        if accepted or (word and word != said):
            heard[accepted, word].append(answer)
        gone = verdict.reason[:300] if decision.outcome is Outcome.GONE else None
        if verdict.hold or gone is not None:
            changed[verdict.hold, gone, verdict.gone_since].append(answer)
    for (accepted, word), answers in heard.items():
        _hear(accepted, word, now, answers)
    for (hold, gone, gone_since), answers in changed.items():
        changes: dict[str, Any] = {"hold_until": now + hold} if hold else {}
        if gone is not None:
            retired = {"status": Device.Status.RETIRED.value, "retired_reason": gone, "retired_at": now}
            changes |= {**retired, "retired_by": claim.campaign}
        _update_devices(changes, answers, gone_since)


# What is not told keeps its place, unless it was heard of another address.
HEAR = """
    INSERT INTO devices_contact (device_id, mark, accepted_at, connection, connection_at)
    SELECT id, substr(address_digest, 1, 16), %s, %s, %s FROM devices_device WHERE {theirs} ORDER BY id
    ON CONFLICT (device_id) DO UPDATE SET
        mark = excluded.mark,
        accepted_at = CASE WHEN excluded.accepted_at IS NOT NULL THEN excluded.accepted_at
            WHEN devices_contact.mark = excluded.mark THEN devices_contact.accepted_at END,
        connection = CASE WHEN excluded.connection = '' AND devices_contact.mark = excluded.mark
            THEN devices_contact.connection ELSE excluded.connection END,
        connection_at = CASE WHEN excluded.connection_at IS NULL AND devices_contact.mark = excluded.mark
            THEN devices_contact.connection_at ELSE excluded.connection_at END
"""


def _hear(accepted: bool, word: str, now: datetime, answers: Sequence[Answered]) -> None:
    """Note that pushes to all these devices were accepted, and what the service said of their connection."""
    theirs, values = _theirs(answers)
    contact = {"accepted_at": now if accepted else None, "connection": word, "connection_at": now if word else None}
    execute(HEAR.format(theirs=theirs), [*adapted(Contact, contact), *values])


def _update_devices(changes: dict[str, Any], answers: Sequence[Answered], gone_since: datetime | None) -> None:
    """Write the same ``changes`` to all devices that still have the address which ``answers`` are about.

    Those that registered after ``gone_since``, when the service last knew their address to be dead, are left alone.
    """
    theirs, values = _theirs(answers)
    if gone_since is not None:
        theirs, values = f"{theirs} AND seen_at <= %s", [*values, *adapted(Device, {"seen_at": gone_since})]
    assignments = ", ".join(f"{name} = %s" for name in changes)
    statement = f"UPDATE devices_device SET {assignments} WHERE {theirs}"  # noqa: S608 (names are our own)
    execute(statement, [*adapted(Device, changes), *values])


def _theirs(answers: Sequence[Answered]) -> tuple[str, list[Any]]:
    """Return the condition for the devices that still have the address which ``answers`` are about, and its values.

    Where two devices of one window have swapped addresses, both addresses got the same news: it is true of either.
    """
    ids = any_of("id", [answer.device for answer in answers])
    theirs = any_of("address_digest", [answer.address_digest for answer in answers], "text")
    return f"{ids.text} AND {theirs.text}", [ids.value, theirs.value]


def _queue_later(
    claim: Claim,
    decided: Iterable[tuple[Answered, Decision]],
    deferred: Iterable[tuple[int, datetime]],
    later: dict[tuple[int, datetime], Later],
    now: datetime,
) -> None:
    """Put everybody who needs another moment into a later batch; the ones of one claim share theirs."""
    fresh: dict[tuple[int, datetime], Later] = {}

    def put(device: int, attempt: int, moment: datetime, doubtful: bool) -> None:
        group = fresh.setdefault((attempt, _rounded(moment) if moment > now else moment), Later([], []))
        group.ids.append(device)
        if doubtful:
            group.doubtful.append(device)

    for answer, decision in decided:
        if decision.again_at:
            put(answer.device, claim.attempt + 1, decision.again_at, decision.copies > 0)
    for device, moment in deferred:
        put(device, claim.attempt, moment, device in claim.doubtful)
    for key, group in sorted(fresh.items()):
        later[key] = _append(later.get(key), group, now) or _create(claim, *key, group)


def _append(earlier: Later | None, fresh: Later, now: datetime) -> Later | None:
    """Add to a batch this claim made before; None when there is none or somebody has ever claimed it.

    One that was claimed and given back has lost the ids that were sent: writing ours over it would send them again.
    """
    if earlier is None:
        return None
    both = Later(earlier.ids + fresh.ids, earlier.doubtful + fresh.doubtful, earlier.batch)
    waiting = Batch.objects.filter(pk=both.batch or 0, status=Batch.Status.QUEUED, due_at__gt=now)
    untouched = waiting.filter(claims=0, claimed_at=None)
    written = untouched.update(ids=pack(both.ids), doubtful=pack(both.doubtful), size=len(both.ids))
    return both if written else None


def _create(claim: Claim, attempt: int, moment: datetime, group: Later) -> Later:
    batch = Batch.objects.create(
        campaign_id=claim.campaign,
        service=claim.service,
        attempt=attempt,
        due_at=moment,
        ids=pack(group.ids),
        doubtful=pack(group.doubtful),
        size=len(group.ids),
    )
    return Later(group.ids, group.doubtful, batch.pk)


def _rounded(moment: datetime) -> datetime:
    """Round up to ten seconds, so that repetitions gather in few batches."""
    seconds = moment.second % 10 + moment.microsecond / 1e6
    return moment + timedelta(seconds=(10 - seconds) % 10)


def campaign_status(campaign: int) -> str:
    """Return the status as it is now in the database; "" when the campaign is gone."""
    _, rows = execute("SELECT status FROM campaigns_campaign WHERE id = %s", [campaign])
    return str(rows[0][0]) if rows else ""
