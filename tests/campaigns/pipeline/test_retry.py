"""The retry policy as a table: what follows from one attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.pipeline.retry import (
    BUSY,
    LONGEST,
    UNANSWERED,
    UNREACHED,
    Decision,
    credential_refused,
    decide,
    pause_after,
)
from devices.push.base import Outcome, Verdict

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
RETRY = Verdict(Outcome.RETRY)
LOST = Verdict(Outcome.UNKNOWN, ambiguous=True)


def after(verdict: Verdict, **more: object) -> Decision:
    known = {"attempt": 1, "copies": 0, "never_twice": False, "now": NOW, "expires_at": NOW + timedelta(days=1)}
    return decide(verdict, **(known | more))  # type: ignore[arg-type]  # a table of keywords


@pytest.mark.parametrize("outcome", [Outcome.DROPPED, Outcome.GONE, Outcome.REJECTED, Outcome.EXPIRED, Outcome.SKIPPED])
def test_a_final_outcome_has_no_next_attempt_and_adds_no_copy(outcome: Outcome) -> None:
    assert after(Verdict(outcome)) == Decision(outcome, 0)


def test_an_accepted_push_is_one_copy_more_and_final() -> None:
    assert after(Verdict(Outcome.ACCEPTED)) == Decision(Outcome.ACCEPTED, 1)
    assert after(Verdict(Outcome.ACCEPTED), copies=1) == Decision(Outcome.ACCEPTED, 2)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 4), (2, 8), (3, 16), (4, 32), (5, 32), (60, 32)])
def test_a_full_queue_is_tried_again_after_4_8_16_32_minutes(attempt: int, minutes: int) -> None:
    decision = after(RETRY, attempt=attempt)
    assert decision == Decision(Outcome.RETRY, 0, NOW + timedelta(minutes=minutes))


def test_the_wish_of_the_service_goes_before_our_own_pause() -> None:
    assert pause_after(Verdict(Outcome.RETRY, retry_after=timedelta(seconds=7)), 4) == timedelta(seconds=7)
    assert pause_after(Verdict(Outcome.RETRY, hold=timedelta(hours=1)), 1) == timedelta(hours=1)


def test_a_request_that_never_left_is_tried_again_soon() -> None:
    assert after(RETRY, unreached=True).again_at == NOW + UNREACHED
    assert UNREACHED < UNANSWERED < BUSY < LONGEST


def test_repetitions_are_moved_apart_by_at_most_a_tenth() -> None:
    assert after(RETRY, spread=1.0).again_at == NOW + BUSY * 1.1


def test_what_would_come_after_the_expiry_is_expired() -> None:
    assert after(RETRY, expires_at=NOW + BUSY) == Decision(Outcome.EXPIRED, 0)
    assert after(RETRY, expires_at=NOW + BUSY + timedelta(seconds=1)).outcome is Outcome.RETRY


def test_expired_is_never_said_of_a_device_that_may_have_a_copy() -> None:
    assert after(RETRY, copies=1, expires_at=NOW) == Decision(Outcome.UNKNOWN, 1)


def test_a_lost_answer_is_repeated_once_and_marked() -> None:
    first = after(LOST)
    assert first == Decision(Outcome.RETRY, 1, NOW + UNANSWERED)
    assert after(LOST, attempt=2, copies=first.copies) == Decision(Outcome.UNKNOWN, 2)


def test_never_twice_lists_a_lost_answer_as_unknown_at_once() -> None:
    assert after(LOST, never_twice=True) == Decision(Outcome.UNKNOWN, 1)


def test_an_answer_we_do_not_understand_is_never_repeated() -> None:
    assert after(Verdict(Outcome.UNKNOWN)) == Decision(Outcome.UNKNOWN, 1)


def test_a_refused_credential_costs_nobody_anything() -> None:
    assert after(Verdict(Outcome.DENIED), attempt=9, pausing=True) == Decision(Outcome.DENIED, 0, NOW)
    # A few devices of many are tried again, but not at once and not for ever faster.
    assert after(Verdict(Outcome.DENIED), attempt=1) == Decision(Outcome.DENIED, 0, NOW + BUSY)
    assert after(Verdict(Outcome.DENIED), attempt=9) == Decision(Outcome.DENIED, 0, NOW + LONGEST)
    assert after(Verdict(Outcome.DENIED), leave_denied=True) == Decision(Outcome.REJECTED, 0)


@pytest.mark.parametrize(
    ("denied", "accepted", "denied_before", "accepted_before", "audience", "first_attempt", "refused"),
    [
        (1, 0, 0, 0, 1, True, True),  # the only one
        (1, 0, 0, 0, 20_055, True, True),  # the first one of all: nobody has been accepted
        (3, 189, 0, 0, 20_055, True, False),
        (6, 0, 6, 20_049, 20_055, False, False),  # the six, again and again
        (19, 0, 19, 981, 1000, False, False),
        (50, 0, 50, 950, 1000, False, True),  # one in twenty
        (1, 5, 0, 0, 6, True, True),
        (200, 56, 0, 500_000, 1_000_000, True, True),  # withdrawn in the middle
        (19, 1, 0, 500_000, 1_000_000, True, False),
    ],
)
def test_the_share_decides_whether_it_is_our_credential(
    denied: int,
    accepted: int,
    denied_before: int,
    accepted_before: int,
    audience: int,
    first_attempt: bool,
    refused: bool,
) -> None:
    found = credential_refused(
        denied=denied,
        accepted=accepted,
        denied_before=denied_before,
        accepted_before=accepted_before,
        audience=audience,
        first_attempt=first_attempt,
    )
    assert found is refused
