"""Whom the engine trusts where, and who goes first to a host of HTTP/2."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from devices.push.base import Answer, Lost, Request
from devices.push.engine import Engine
from devices.push.warming import Warming
from tests.devices.push.h2wire import Http2Peer
from tests.devices.push.test_engine_h2 import BODY, engine, pushed


@pytest.fixture
def one(http2_peer: Http2Peer) -> Iterator[Engine[str]]:
    made = engine(http2_peer)
    yield made
    made.close()


def test_an_authority_is_trusted_for_its_own_address_and_no_other(http2_peer: Http2Peer) -> None:
    for trusted, expected in ((http2_peer.address, 200), ("127.0.0.1:1", 0)):
        trust = {trusted: str(http2_peer.authority)}
        made: Engine[str] = Engine(deadline=3.0, allow=frozenset({http2_peer.address}), trust=trust)
        assert [answer.status for answer in pushed(made, http2_peer, "ok")] == [expected]
        made.close()


def test_each_authority_has_connections_of_its_own(http2_peer: Http2Peer) -> None:
    """What was trusted for one address stays with its handles."""
    trust = {http2_peer.address: str(http2_peer.authority)}
    made: Engine[str] = Engine(deadline=3.0, allow=frozenset({http2_peer.address}), trust=trust)
    pushed(made, http2_peer, "ok")
    made._trust = {}
    assert [answer.status for answer in pushed(made, http2_peer, "ok")] == [0]
    made.close()


def test_the_first_request_to_a_host_goes_alone_and_the_others_follow_its_answer(
    http2_peer: Http2Peer, one: Engine[str]
) -> None:
    for number in range(5):
        one.start(Request(http2_peer.url_of("slow-300"), (("x-id", str(number)),), BODY, http2=True), str(number))
    assert one.wait(0.15) == []
    assert len(http2_peer.desk.requests) <= 1
    answers = [answer for _ in range(20) for _, answer in one.wait(0.5)]
    assert [answer.status for answer in answers] == [200] * 5
    assert http2_peer.desk.most_streams == 4


@pytest.mark.faults(14)
def test_what_was_held_while_the_sender_was_frozen_is_not_sent_too_late(http2_peer: Http2Peer) -> None:
    """F14: a sender that was frozen must not send what another one may have by now."""
    made = engine(http2_peer, deadline=1.5)
    pushed(made, http2_peer, "ok")  # so that the handle of the second one has sent something before
    made._warming = Warming()
    for tag in ("first", "held", "held as well"):
        made.start(Request(http2_peer.url_of("slow-2500"), (("x-id", tag),), BODY, http2=True), tag)
    time.sleep(1.8)  # nobody looks at the connections: as between SIGSTOP and SIGCONT
    answers: dict[str, Answer] = {}
    while made.in_flight:
        answers |= dict(made.wait(1.0))
    assert {answers[tag].lost for tag in ("held", "held as well")} == {Lost.NOT_SENT}
    assert answers["held"].error == "It could not be sent in time."
    assert [request for request in http2_peer.desk.requests if "held" in str(request)] == []
    assert [answer.status for answer in pushed(made, http2_peer, "ok")] == [200], "their handles can be used again"
    made.close()


def test_a_first_request_that_takes_long_holds_up_the_others_for_a_second(
    http2_peer: Http2Peer, one: Engine[str]
) -> None:
    one.start(Request(http2_peer.url_of("slow-2500"), (("x-id", "slow"),), BODY, http2=True), "slow")
    began = time.monotonic()
    one.start(Request(http2_peer.url_of("ok"), (("x-id", "quick"),), BODY, http2=True), "quick")
    ((tag, answer),) = one.wait(5.0)
    assert (tag, answer.status) == ("quick", 200)
    assert 0.9 < time.monotonic() - began < 2.0
