"""What becomes of the batches of a sender that died: nothing is lost, and nothing doubtful is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction

from campaigns.models import Batch, Campaign, Delivery, MoveRefused
from campaigns.packing import pack, unpack
from campaigns.pipeline import journal
from campaigns.pipeline.outage import AWAY
from campaigns.pipeline.recording import Fenced, record
from campaigns.pipeline.values import Answered, Claim, Window
from devices.common import clock
from devices.push.base import Outcome, Verdict

logger = logging.getLogger(__name__)

# A sender that lives but cannot renew its lease (the database was away) gets this long to write what it knows.
PATIENCE = timedelta(seconds=120)
NEVER_TWICE = Verdict(
    Outcome.UNKNOWN, "The sender died while this push was on its way; this campaign never sends twice.", ambiguous=True
)
TWICE_DOUBTFUL = Verdict(
    Outcome.UNKNOWN, "The sender died on the second try as well; a third would risk a third copy.", ambiguous=True
)


@contextmanager
def set_apart(campaign: int, what: str) -> Iterator[None]:
    """Keep a mistake with one campaign from the others: pause it, with ``what`` and the mistake as the reason."""
    try:
        with transaction.atomic():
            yield
    except AWAY:
        raise
    except Exception as mistake:  # noqa: BLE001 (whatever it is, it is this campaign's)
        pause_for(mistake, campaign, what)


def pause_for(mistake: Exception, campaign: int, what: str) -> None:
    """Pause a campaign for a mistake of ours that is being handled; one that moves no more stays as it is."""
    logger.error("Campaign %s is paused. %s.", campaign, what, exc_info=mistake)
    because = f"{what}: {type(mistake).__name__}: {mistake}"
    with suppress(MoveRefused, Campaign.DoesNotExist):
        Campaign(pk=campaign).move(Campaign.Status.PAUSED, because=because[:300])


def adopt_journals(folder: Path) -> int:
    """Settle every claim of the crashed senders of this machine; return how many batches that were.

    A journal with a claim that cannot be settled is set aside, and the campaign pauses.
    """
    settled = 0
    for path, claims in journal.adopt(folder):
        done = 0
        for claimed in claims:
            campaign = Batch.objects.filter(pk=claimed.batch).values_list("campaign", flat=True).first()
            with set_apart(campaign or 0, "What a sender left could not be settled"):
                settled += settle(claimed.batch, claimed.token, claimed.answered.values(), claimed.doubtful)
                done += 1
        if done < len(claims):
            journal.set_aside(path)
        logger.info("Adopted %s with %d claims.", path.name, len(claims))
    return settled


def take_over_expired(folder: Path) -> int:
    """Settle batches whose lease ended, by ``released`` alone; return how many that were.

    A batch of a sender that lives on this machine is left to it for a while: it has answers that we have not.
    """
    now = clock.now()
    settled = 0
    expired = Batch.objects.filter(status=Batch.Status.SENDING, lease_until__lt=now).order_by("lease_until")
    columns = ("pk", "campaign", "claim_token", "claimed_by", "lease_until")
    for pk, campaign, token, owner, lease_until in expired.values_list(*columns)[:100]:
        name = owner.partition(" ")[0]
        if token is None or lease_until is None:  # the filter says it cannot be; the columns may be null
            continue
        if now < lease_until + PATIENCE and journal.owner_lives(folder, name):
            continue
        done = settled
        with set_apart(campaign, "What a sender left could not be settled"):
            settled += settle(pk, token, (), None)
            done = -1
        if done >= 0:  # not at every sweep, and not before others
            Batch.objects.filter(pk=pk, claim_token=token).update(lease_until=now + PATIENCE)
    return settled


def settle(batch: int, token: UUID, answers: Iterable[Answered], doubtful: set[int] | None) -> bool:
    """End the claim ``token`` of ``batch``: record known answers, mark the doubtful, queue the rest again.

    ``doubtful`` is None when no journal tells: then everything before ``released`` without a row is doubtful. Returns
    False when the claim was not open any more.
    """
    with transaction.atomic():
        row = (
            Batch.objects.select_for_update(of=("self",))
            .select_related("campaign")
            .filter(pk=batch, claim_token=token, status=Batch.Status.SENDING)
            .first()
        )
        if row is None:
            return False
        claim = Claim.of(row)
        rows = set(
            Delivery.objects.filter(
                campaign=row.campaign_id, attempt=row.attempt, device__in=claim.pending
            ).values_list("device_id", flat=True)
        )
        ids = unpack(row.ids)
        maybe = set(ids[: row.released]) if doubtful is None else doubtful
        # Whom the crashed sender had moved to a later batch is that batch's: back in this one, it would be sent twice.
        pending = set(claim.pending) - rows - set(unpack(row.moved))
        claim.pending = [device for device in claim.pending if device in pending]
        known = [answer for answer in answers if answer.device in pending]
        maybe &= pending - {answer.device for answer in known}
        headway = bool(known or rows)
        known += _given_up(claim, maybe, clock.now())
        window = Window(known, doubtful=frozenset(maybe))
        try:
            record(claim, window, now=clock.now(), give_back=True, headway=headway)
        except Fenced:
            return False
    return True


def _given_up(claim: Claim, maybe: set[int], now: datetime) -> list[Answered]:
    """Return final answers for the doubtful devices that must not get another push."""
    final = maybe if claim.never_twice else maybe & claim.doubtful
    verdict = NEVER_TWICE if claim.never_twice else TWICE_DOUBTFUL
    return [Answered(device, verdict, 0, 0, now) for device in sorted(final)]


def park_culprit(row: Batch) -> None:
    """Put the first device of ``row`` aside in a parked batch; the caller holds the row's lock.

    A batch that was claimed three times and never got past its first device kills its senders there.
    """
    ids, doubtful = unpack(row.ids), unpack(row.doubtful)
    culprit, rest = ids[:1], ids[1:]
    Batch.objects.create(
        campaign_id=row.campaign_id,
        service=row.service,
        attempt=row.attempt,
        due_at=row.due_at,
        ids=pack(culprit),
        doubtful=pack(device for device in doubtful if device in culprit),
        size=1,
        status=Batch.Status.PARKED,
        claims=row.claims,
        claimed_at=clock.now(),
    )
    Batch.objects.filter(pk=row.pk).update(
        ids=pack(rest),
        doubtful=pack(device for device in doubtful if device in rest),
        size=row.size - 1,
        claims=0,
        status=Batch.Status.QUEUED if rest else Batch.Status.DONE,
    )
    logger.error("Parked device %s of campaign %s: its push killed the sender three times.", culprit, row.campaign_id)


def give_up(batch: int, status: str, devices: Iterable[int], verdict: Verdict) -> int:
    """End the wait of ``devices`` of a batch that nobody has, with ``verdict`` as their last word; return how many.

    The others of it stay as they are. 0 when the batch is not in ``status`` any more.
    """
    with transaction.atomic():
        rows = Batch.objects.select_for_update(of=("self",)).select_related("campaign")
        row = rows.filter(pk=batch, status=status).first()
        if row is None:
            return 0
        row.claim_token, row.status, row.windows = uuid4(), Batch.Status.SENDING, 0
        row.save(update_fields=["claim_token", "status", "windows"])
        claim, now = Claim.of(row), clock.now()
        chosen = set(devices)
        final = [Answered(device, verdict, 0, 0, now) for device in claim.pending if device in chosen]
        record(claim, Window(final), now=now, give_back=True)
        return len(final)
