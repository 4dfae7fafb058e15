"""The engine over HTTP/2: many streams, few connections, and exactly what is in doubt when a stream goes wrong.

The peer (h2wire.py) tells which requests it took: what we call "not sent" it must not have taken, and nothing that it
took may reach it twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from devices.emulator.exchange import Opening
from devices.push.base import Answer, Lost, Request
from devices.push.engine import AGAIN, BODY_LIMIT, CONNECTIONS, Engine
from tests.devices.push.h2wire import Http2Peer

BODY = b'{"aps":{}}'


def engine(peer: Http2Peer, deadline: float = 3.0, concurrency: int = 64) -> Engine[str]:
    """Return an engine that trusts the peer and may dial it."""
    return Engine(
        concurrency=concurrency,
        deadline=deadline,
        allow=frozenset({peer.address}),
        authorities=str(peer.authority),
    )


def pushed(
    made: Engine[str], peer: Http2Peer, *behaviours: str, body: bytes = BODY, http2: bool = True
) -> list[Answer]:
    """Push once for each behaviour, all at once; return the answers in their order."""
    found: dict[int, Answer] = {}
    waiting = list(enumerate(behaviours))
    until = time.monotonic() + 30
    out = 0
    while len(found) < len(behaviours) and time.monotonic() < until:
        while waiting and made.free > 0:
            number, behaviour = waiting.pop(0)
            made.start(Request(peer.url_of(behaviour), (("x-id", str(number)),), body, http2=http2), str(number))
            out += 1
        for tag, answer in made.wait(1.0):
            found[int(tag)] = answer
    assert len(found) == len(behaviours)
    return [found[number] for number in range(len(behaviours))]


def goes_on(made: Engine[str], peer: Http2Peer) -> None:
    """See that pushes get through again. One may still meet a connection whose end was not heard of yet."""
    pushed(made, peer, "ok?after")
    assert [answer.status for answer in pushed(made, peer, *["ok?then"] * 5)] == [200] * 5


@pytest.fixture
def one(http2_peer: Http2Peer) -> Iterator[Engine[str]]:
    made = engine(http2_peer)
    yield made
    made.close()


def test_a_push_goes_over_http2_with_our_headers_and_body(http2_peer: Http2Peer, one: Engine[str]) -> None:
    (answer,) = pushed(one, http2_peer, "ok")
    assert (answer.status, answer.lost) == (200, None)
    (took,) = http2_peer.desk.requests
    assert (took.http2, took.method, took.body, took.headers["x-id"]) == (True, "POST", BODY, "0")
    assert took.headers["content-length"] == str(len(BODY))
    assert "expect" not in took.headers


def test_many_streams_share_few_connections(http2_peer: Http2Peer, one: Engine[str]) -> None:
    answers = pushed(one, http2_peer, *["slow-20"] * 300)
    assert {answer.status for answer in answers} == {200}
    assert http2_peer.desk.sessions <= 2
    assert http2_peer.desk.most_streams > 20
    assert max(Counter(took.headers["x-id"] for took in http2_peer.desk.requests).values()) == 1


def test_the_servers_limit_of_streams_is_obeyed(http2_peer: Http2Peer, one: Engine[str]) -> None:
    http2_peer.desk.opening = Opening(streams=1)
    pushed(one, http2_peer, "allow-100")  # as APNs does: one stream, and more after the first good answer
    answers = pushed(one, http2_peer, *["slow-20"] * 200)
    assert {answer.status for answer in answers} == {200}
    assert http2_peer.desk.sessions <= CONNECTIONS
    assert http2_peer.failures == []


def test_streams_above_the_servers_limit_are_refused_and_none_is_in_doubt(
    http2_peer: Http2Peer, one: Engine[str]
) -> None:
    """Before its SETTINGS have come nobody knows the limit; who wants one stream at first has to be sent one first."""
    http2_peer.desk.opening = Opening(streams=1)
    answers = pushed(one, http2_peer, *["ok"] * 100)
    assert {answer.lost for answer in answers} <= {None, Lost.NOT_SENT}
    assert sum(answer.status == 200 for answer in answers) == len(http2_peer.desk.taken)
    assert http2_peer.desk.most_streams == 1
    assert http2_peer.desk.sessions <= CONNECTIONS


NOT_TAKEN = ("refused", "refused-late", "goaway-before")


@pytest.mark.parametrize("behaviour", NOT_TAKEN)
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept connection"])
def test_what_the_server_did_not_look_at_is_not_sent(
    http2_peer: Http2Peer, one: Engine[str], behaviour: str, warm: bool
) -> None:
    if warm:
        pushed(one, http2_peer, "ok")
    (answer,) = pushed(one, http2_peer, behaviour)
    assert (answer.status, answer.lost) == (0, Lost.NOT_SENT), answer.error
    assert [took for took in http2_peer.desk.taken if took.target.startswith(f"/h2/{behaviour}")] == []
    assert http2_peer.desk.heads[f"/h2/{behaviour}"] == 1 + AGAIN
    goes_on(one, http2_peer)


@pytest.mark.parametrize("behaviour", ["refused", "refused-late"])
def test_and_is_sent_once_more_at_once(http2_peer: Http2Peer, one: Engine[str], behaviour: str) -> None:
    pushed(one, http2_peer, "ok")
    answers = pushed(one, http2_peer, *[f"{behaviour}?times=2&n={number}" for number in range(20)])
    assert {answer.status for answer in answers} == {200}
    taken = Counter(took.target for took in http2_peer.desk.taken if behaviour in took.target)
    assert set(taken.values()) == {1}
    assert len(taken) == 20


# "goaway-alarm" was not taken either, but libcurl does not tell a GOAWAY with an error from the end of a connection.
IN_DOUBT = (
    "goaway-alarm",
    "reset-internal",
    "reset-cancel",
    "reset-calm",
    "goaway-lost",
    "close",
    "break",
    "close-stream",
    "garbage",
)


@pytest.mark.parametrize("behaviour", IN_DOUBT)
@pytest.mark.parametrize("before", ["ok", "refused", "goaway-before"])
def test_what_the_server_may_have_taken_is_in_doubt_and_never_sent_twice(
    http2_peer: Http2Peer, one: Engine[str], behaviour: str, before: str
) -> None:
    """Also on a handle that was refused before: libcurl remembers that, and says so again of any failure."""
    pushed(one, http2_peer, before)
    (answer,) = pushed(one, http2_peer, behaviour)
    assert (answer.status, answer.lost) == (0, Lost.AMBIGUOUS), answer.error
    assert http2_peer.desk.heads[f"/h2/{behaviour}"] == 1
    goes_on(one, http2_peer)


@pytest.mark.parametrize("behaviour", ["hang", "drip"])  # a head that comes slowly holds its whole connection
def test_a_stream_that_never_answers_keeps_no_other_waiting(http2_peer: Http2Peer, behaviour: str) -> None:
    made = engine(http2_peer, deadline=1.5)
    began = time.monotonic()
    answers = pushed(made, http2_peer, behaviour, *["ok"] * 50)
    assert answers[0].lost is Lost.AMBIGUOUS
    assert {answer.status for answer in answers[1:]} == {200}
    assert time.monotonic() - began < 3.5
    made.close()


def test_a_window_that_stays_closed_means_that_nothing_was_sent(http2_peer: Http2Peer) -> None:
    made = engine(http2_peer, deadline=1.0)
    (shut,) = pushed(made, http2_peer, "shut", body=b"x" * 200_000)
    assert (shut.status, shut.lost) == (0, Lost.NOT_SENT)
    assert http2_peer.desk.taken == []
    made.close()


@pytest.mark.parametrize(
    "behaviour", ["hints", "continue", "trailers", "goaway-after", "last", "ping-flood", "bad-utf8"]
)
def test_an_odd_but_whole_answer_is_one(http2_peer: Http2Peer, one: Engine[str], behaviour: str) -> None:
    (answer,) = pushed(one, http2_peer, behaviour)
    assert (answer.status, answer.lost) == (200, None), answer.error
    goes_on(one, http2_peer)


@pytest.mark.parametrize(
    ("behaviour", "deadline"),
    [("huge", 10.0), ("gzip-bomb", 10.0), ("drip-body", 1.5), ("reset-midway", 10.0), ("truncated", 10.0)],
)
def test_a_body_that_is_too_much_or_breaks_off_takes_nothing_from_the_head(
    http2_peer: Http2Peer, behaviour: str, deadline: float
) -> None:
    made = engine(http2_peer, deadline=deadline)
    (answer,) = pushed(made, http2_peer, behaviour)
    assert answer.status == 200
    assert len(answer.body) <= BODY_LIMIT
    made.close()


@pytest.mark.parametrize(
    "behaviour", ["headers-flood", "long-header", "endless-head", "no-status", "bad-status", "upper-case", "connection"]
)
def test_a_head_that_is_none_or_too_much_is_no_answer(http2_peer: Http2Peer, behaviour: str) -> None:
    made = engine(http2_peer, deadline=2.0)
    (answer,) = pushed(made, http2_peer, behaviour)
    assert (answer.status, answer.lost) == (0, Lost.AMBIGUOUS)
    goes_on(made, http2_peer)
    made.close()


def test_a_service_that_says_nothing_of_http2_is_spoken_to_as_before(http2_peer: Http2Peer, one: Engine[str]) -> None:
    (answer,) = pushed(one, http2_peer, "ok", http2=False)
    assert answer.status == 200
    assert [took.http2 for took in http2_peer.desk.requests] == [False]


def test_both_kinds_go_on_beside_each_other(http2_peer: Http2Peer, one: Engine[str]) -> None:
    for number in range(30):
        for http2 in (True, False):
            one.start(Request(http2_peer.url_of("slow-30"), (), BODY, http2=http2), f"{number} {http2}")
    found: list[str] = []
    until = time.monotonic() + 10
    while one.in_flight and time.monotonic() < until:
        found += [tag for tag, answer in one.wait(1.0) if answer.status == 200]
    assert len(found) == len(set(found)) == 60
    assert Counter(took.http2 for took in http2_peer.desk.requests) == {True: 30, False: 30}
