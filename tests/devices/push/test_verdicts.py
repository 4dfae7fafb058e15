"""Verdicts that are remembered are those that the service would give."""

from __future__ import annotations

from typing import Any

from devices.push import verdicts
from devices.push.base import Answer, Lost, Outcome
from devices.push.services import find
from devices.push.verdicts import Verdicts

MPNS = find("mpns")
RECEIVED = b"HTTP/1.1 200 OK\r\nX-NotificationStatus: Received\r\n\r\n"


def answer(raw: bytes = RECEIVED, **more: Any) -> Answer:
    return Answer(200, {"x-notificationstatus": "Received"}, raw=raw, **more)


class Counting:
    """A service that counts how often it is asked."""

    def __init__(self, slug: str = "mpns") -> None:
        self.slug, self.asked = slug, 0

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Any:
        self.asked += 1
        return MPNS.interpret(answer, authenticated=authenticated)


def test_the_same_answer_is_asked_about_once() -> None:
    service: Any = Counting()
    known = Verdicts()
    found = [known.of(service, answer(milliseconds=number), False) for number in range(5)]
    assert service.asked == 1
    assert {verdict.outcome for verdict in found} == {Outcome.ACCEPTED}


def test_whatever_differs_is_asked_about() -> None:
    service: Any = Counting()
    other: Any = Counting("other")
    known = Verdicts()
    known.of(service, answer(), False)
    known.of(service, answer(), True)  # a 401 means something else to an authenticated push
    known.of(service, answer(body=b"x"), False)
    known.of(service, answer(RECEIVED + b"\r\n"), False)
    known.of(other, answer(), False)
    assert (service.asked, other.asked) == (4, 1)


def test_what_depends_on_the_clock_or_was_lost_or_is_long_is_asked_about_each_time() -> None:
    service: Any = Counting()
    known = Verdicts()
    later = Answer(503, {"retry-after": "Mon, 23 Nov 2026 12:02:00 GMT"}, raw=b"HTTP/1.1 503 x\r\n\r\n")
    lost = Answer(0, lost=Lost.NOT_SENT, error="no route")
    long = answer(body=b"x" * (verdicts.LONGEST + 1))
    for one in (later, lost, long):
        before = service.asked
        known.of(service, one, False)
        known.of(service, one, False)
        assert service.asked == before + 2


def test_a_service_whose_answers_all_differ_fills_no_memory(monkeypatch: Any) -> None:
    monkeypatch.setattr(verdicts, "MOST", 10)
    known = Verdicts()
    for number in range(1000):
        known.of(MPNS, answer(RECEIVED + b"%d" % number), False)
    assert len(known._known) <= 10
