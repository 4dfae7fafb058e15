"""Who may go to a host of HTTP/2 that nobody knows yet: one alone, then all. By a clock that stands still."""

from __future__ import annotations

import pytest

from devices.push import warming
from devices.push.warming import PATIENCE, WARM, Warming

A, B, C, D, E, F, G, H, X, Y, Z = range(11)  # what goes to a host is told apart by identity
HOST, OTHER = "https://api.push.apple.com", "https://api.sandbox.push.apple.com"


class Now:
    """The monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    clock = Now()
    monkeypatch.setattr(warming, "time", clock)
    return clock


def waiting(host: str = HOST) -> Warming[int]:
    """Return where A went alone to ``host``, and B and C wait."""
    made = Warming[int]()
    assert [made.may_go(host, one) for one in (A, B, C)] == [True, False, False]
    return made


def test_the_first_goes_alone_and_the_others_when_it_is_answered(now: Now) -> None:
    made = waiting()
    assert made.ended(HOST, A, answered=True) == [B, C]
    assert [made.may_go(HOST, one) for one in (D, E, F)] == [True, True, True]


def test_each_host_is_known_for_itself(now: Now) -> None:
    made = waiting()
    assert [made.may_go(OTHER, one) for one in (D, E)] == [True, False]
    assert made.ended(OTHER, D, answered=True) == [E]
    assert made.may_go(HOST, F) is False


def test_when_the_first_fails_the_next_one_tries_alone(now: Now) -> None:
    made = waiting()
    assert made.ended(HOST, A, answered=False) == [B]
    assert made.may_go(HOST, D) is False
    assert made.ended(HOST, B, answered=False) == [C]
    assert made.ended(HOST, C, answered=True) == [D]


def test_when_the_last_one_fails_nobody_is_left_waiting(now: Now) -> None:
    made = Warming[int]()
    assert made.may_go(HOST, A)
    assert made.ended(HOST, A, answered=False) == []
    assert list(made.overdue()) == []


def test_a_slow_first_one_holds_the_others_up_for_a_second(now: Now) -> None:
    made = waiting()
    assert made.soon == PATIENCE
    now.seconds += PATIENCE - 0.25
    assert (list(made.overdue()), made.soon) == ([], 0.25)
    now.seconds += 0.26
    assert made.soon == 0
    assert list(made.overdue()) == [B, C]
    assert (list(made.overdue()), made.soon) == ([], PATIENCE)
    assert made.may_go(HOST, D)
    assert made.ended(HOST, A, answered=True) == []


def test_a_host_that_was_silent_for_long_is_unknown_again(now: Now) -> None:
    made = waiting()
    made.ended(HOST, A, answered=True)
    now.seconds += WARM - 1
    assert [made.may_go(HOST, one) for one in (D, E)] == [True, True]
    assert made.ended(HOST, D, answered=True) == []
    now.seconds += WARM - 1
    assert made.may_go(HOST, F)
    now.seconds += 2
    assert [made.may_go(HOST, one) for one in (G, H)] == [True, False]


def test_a_failure_does_not_make_a_known_host_unknown(now: Now) -> None:
    made = waiting()
    made.ended(HOST, A, answered=True)
    assert made.ended(HOST, B, answered=False) == []
    assert made.may_go(HOST, D)


def test_what_a_server_did_not_look_at_goes_again_alone(now: Now) -> None:
    made = waiting()
    made.ended(HOST, A, answered=True)
    assert made.refused(HOST, B) is True
    assert made.refused(HOST, C) is False
    assert made.may_go(HOST, D) is False
    assert made.ended(HOST, B, answered=True) == [C, D]


def test_the_first_one_itself_may_be_refused_and_goes_again(now: Now) -> None:
    made = waiting()
    assert made.refused(HOST, A) is True
    assert made.ended(HOST, A, answered=True) == [B, C]


def test_a_late_answer_of_another_frees_all(now: Now) -> None:
    made = waiting()
    list(made.ended(HOST, A, answered=True))
    made.refused(HOST, X)
    assert made.may_go(HOST, Y) is False
    assert made.ended(HOST, Z, answered=True) == [Y]


def test_nobody_is_told_of_a_host_that_nobody_went_to(now: Now) -> None:
    made = Warming[int]()
    assert made.ended(HOST, A, answered=True) == []
    assert (list(made.overdue()), made.soon) == ([], PATIENCE)
    assert made.refused(HOST, A) is True


def test_whose_first_one_was_too_slow_is_trusted_for_half_the_time(now: Now) -> None:
    made = waiting()
    now.seconds += PATIENCE + 0.1
    list(made.overdue())
    now.seconds += WARM / 2 - 1
    assert [made.may_go(HOST, one) for one in (D, E)] == [True, True]
    now.seconds += 2
    assert [made.may_go(HOST, one) for one in (F, G)] == [True, False]


def test_a_refusal_makes_a_host_unknown_that_was_heard_just_now(now: Now) -> None:
    made = waiting()
    made.ended(HOST, A, answered=True)
    assert made.refused(HOST, B)
    assert made.ended(HOST, B, answered=False) == []
    now.seconds += WARM / 2 + 1
    assert [made.may_go(HOST, one) for one in (D, E)] == [True, False]
