"""What follows from one attempt: is it final, and if not, when is the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from devices.push.base import Outcome, Verdict

# Microsoft's suggestion for a full queue or a busy service: 4, 8, 16, 32 minutes; then it stays there.
BUSY = timedelta(minutes=4)
# The request never left us, so nobody is bothered by an earlier second try.
UNREACHED = timedelta(seconds=30)
# The answer to a push got lost. A minute lets a stumbling service get up before the one repetition.
UNANSWERED = timedelta(minutes=1)
LONGEST = timedelta(minutes=32)
SHARE = 0.05  # of an audience whose pushes are refused for our credential: from here on the campaign pauses
SUDDEN = 20  # refusals in one window of first attempts that say so at once, when they are half of it


@dataclass(frozen=True, slots=True)
class Decision:
    """What one verdict means for a delivery.

    ``copies`` is the most copies that may have been taken so far. ``again_at`` is the moment of the next attempt,
    None when this one was final.
    """

    outcome: Outcome
    copies: int
    again_at: datetime | None = None


def decide(
    verdict: Verdict,
    *,
    attempt: int,
    copies: int,
    never_twice: bool,
    now: datetime,
    expires_at: datetime | None,
    unreached: bool = False,
    pausing: bool = False,
    leave_denied: bool = False,
    spread: float = 0.0,
) -> Decision:
    """Return what follows from ``verdict`` for a device that may have got ``copies`` copies before (0 or 1).

    ``unreached`` says that the request never left us; ``pausing`` that the campaign pauses until a person has put our
    credential right; ``leave_denied`` that a person gave up those whose push is refused for it. ``spread`` (0…1) moves
    repetitions apart by up to a tenth so that batches do not come back in step.
    """

    def again() -> datetime | None:
        at_once = verdict.outcome is Outcome.DENIED and pausing  # whoever resumes it wants it to go on
        pause = timedelta(0) if at_once else pause_after(verdict, attempt, unreached)
        moment = now + pause * (1 + spread / 10)
        return moment if expires_at is None or moment < expires_at else None

    if verdict.outcome is Outcome.ACCEPTED:
        return Decision(Outcome.ACCEPTED, copies + 1)
    if verdict.outcome is Outcome.UNKNOWN:
        may_repeat = verdict.ambiguous and not never_twice and copies == 0
        moment = again() if may_repeat else None
        return Decision(Outcome.RETRY if moment else Outcome.UNKNOWN, copies + 1, moment)
    if verdict.outcome in {Outcome.EXPIRED, Outcome.SKIPPED} and copies:
        return Decision(Outcome.UNKNOWN, copies)  # a first copy may be out there
    if verdict.outcome is Outcome.DENIED and verdict.device_alone and attempt > 1 and not pausing and not leave_denied:
        return Decision(Outcome.GONE, copies)
    if verdict.outcome is Outcome.DENIED and leave_denied:
        return Decision(Outcome.REJECTED, copies)
    if verdict.outcome not in {Outcome.RETRY, Outcome.DENIED}:
        return Decision(verdict.outcome, copies)
    if moment := again():
        return Decision(verdict.outcome, copies, moment)
    # A first copy may be out there: "expired" would be a claim that nothing arrived.
    return Decision(Outcome.UNKNOWN if copies else Outcome.EXPIRED, copies)


def credential_refused(
    *, denied: int, accepted: int, denied_before: int, accepted_before: int, audience: int, first_attempt: bool
) -> bool:
    """Return whether refusals are about our credential, so that the campaign must pause, or about a few odd devices.

    ``denied`` and ``accepted`` are answers of the last window, ``…_before`` devices of the campaign by their last word
    so far. Nobody accepted, a share of the whole audience, or most of a fresh window (a certificate withdrawn while the
    campaign is sent) are about us. Six of 20,055 are not: they are tried again later, and the page tells of them.
    """
    if not accepted + accepted_before:
        return True
    if first_attempt and denied >= SUDDEN and denied >= accepted:
        return True
    together = denied + denied_before if first_attempt else max(denied, denied_before)
    return together >= SHARE * audience


def pause_after(verdict: Verdict, attempt: int, unreached: bool = False) -> timedelta:
    """Return how long to wait after attempt number ``attempt`` (1, 2, …) ended in ``verdict``."""
    asked = verdict.hold or verdict.retry_after
    if asked:
        return asked
    first = UNREACHED if unreached else UNANSWERED if verdict.ambiguous else BUSY
    doublings = min(attempt - 1, 10)
    return min(first * (1 << doublings), LONGEST)
