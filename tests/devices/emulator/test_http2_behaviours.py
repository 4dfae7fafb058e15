"""What a stream can be made to do: each behaviour of the push service in ``tests.devices.push.h2wire``, as met."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from devices.emulator import faults
from devices.emulator.exchange import Opening, plain
from devices.emulator.http2_faults import BROKEN, broken, endless_head
from tests.devices.emulator.h2client import WAIT, Client
from tests.devices.push.h2wire import ALARM, BEHAVIOURS, Http2Peer
from tests.waiting import until

MEGABYTE = 1_000_000


@pytest.fixture
def peer() -> Iterator[Http2Peer]:
    with Http2Peer() as peer:
        yield peer
    assert peer.failures == []


@pytest.fixture
def client(peer: Http2Peer) -> Iterator[Client]:
    with Client(peer.port, peer.authority) as client:
        yield client


# How a stream ends that the connection survives: status, code of RST_STREAM, whether the message is kept.
ENDS: dict[str, tuple[int, int | None, bool]] = {
    "ok": (200, None, True),
    "status-503": (503, None, False),
    "status-204": (204, None, True),
    "no-such-thing": (404, None, False),
    "slow-1": (200, None, True),
    "slow-accept-1": (200, None, True),
    "allow-7": (200, None, True),
    "bad-utf8": (200, None, True),
    "refused-late": (0, ErrorCodes.REFUSED_STREAM, False),
    "http11-required": (0, ErrorCodes.HTTP_1_1_REQUIRED, False),
    "reset-internal": (0, ErrorCodes.INTERNAL_ERROR, True),
    "reset-cancel": (0, ErrorCodes.CANCEL, True),
    "reset-calm": (0, ErrorCodes.ENHANCE_YOUR_CALM, True),
    "reset-code-77": (0, 77, True),
    "reset-midway": (200, ErrorCodes.INTERNAL_ERROR, True),
    "reset-nicely": (200, ErrorCodes.NO_ERROR, True),
    "close-stream": (0, ErrorCodes.CANCEL, True),
}


@pytest.mark.parametrize("behaviour", ENDS)
def test_a_stream_ends_as_asked_and_the_others_go_on(peer: Http2Peer, client: Client, behaviour: str) -> None:
    slow = client.ask("/h2/slow-50", b"other")
    answer = client.get(f"/h2/{behaviour}", b"body")
    status, reset, taken = ENDS[behaviour]
    assert (answer.status, answer.reset) == (status, reset)
    assert client.answer(slow).status == 200
    assert client.get("/h2/ok").status == 200
    (took,) = [request for request in peer.desk.requests if request.stream == 3]
    assert took.target == f"/h2/{behaviour}"
    assert (took.taken, took.body, took.session, took.stream) == (taken, b"body", 1, 3)
    assert not client.gone


def test_a_refused_stream_was_not_looked_at(peer: Http2Peer, client: Client) -> None:
    assert client.get("/h2/refused", b"body").reset == ErrorCodes.REFUSED_STREAM
    assert peer.desk.requests == []
    assert peer.desk.heads["/h2/refused"] == 1


@pytest.mark.parametrize("behaviour", ["refused", "refused-late", "reset-internal", "status-503"])
def test_a_behaviour_can_be_over_after_some_times(peer: Http2Peer, client: Client, behaviour: str) -> None:
    answers = [client.get(f"/h2/{behaviour}?times=2").status for _ in range(4)]
    assert answers[2:] == [200, 200]
    assert 200 not in answers[:2]
    assert [request.taken for request in peer.desk.requests][-2:] == [True, True]


# GOAWAY: its last stream, code and words, and whether the second stream is answered and its message kept.
GOES: dict[str, tuple[int, int, bytes, bool, bool]] = {
    "goaway-before": (1, ErrorCodes.NO_ERROR, b"", False, False),
    "goaway-alarm": (1, ErrorCodes.ENHANCE_YOUR_CALM, ALARM, False, False),
    "goaway-after": (3, ErrorCodes.NO_ERROR, b"", True, True),
    "goaway-lost": (3, ErrorCodes.INTERNAL_ERROR, b"", False, True),
    "last": (3, ErrorCodes.NO_ERROR, b"", True, True),
}


@pytest.mark.parametrize("behaviour", GOES)
def test_going_away_says_what_was_processed(peer: Http2Peer, client: Client, behaviour: str) -> None:
    last, code, words, answered, taken = GOES[behaviour]
    client.get("/h2/ok")
    second = client.ask(f"/h2/{behaviour}", b"body")
    client.end()
    assert client.went is not None
    assert (client.went.last_stream_id, client.went.error_code, client.went.additional_data) == (last, code, words)
    assert client.answers[second].ended is answered
    assert peer.desk.requests[-1].taken is taken
    assert client.closed


def test_what_was_begun_before_going_away_is_answered_and_nothing_after_it(peer: Http2Peer, client: Client) -> None:
    older, going = client.ask("/h2/slow-200"), client.ask("/h2/goaway-before")
    client.until(lambda: client.went)
    late = client.ask("/h2/ok")
    client.end()
    assert client.answers[older].status == 200
    assert not client.answers[going].over
    assert not client.answers[late].over
    assert [request.target for request in peer.desk.requests] == ["/h2/slow-200", "/h2/goaway-before"]


def test_a_connection_closes_with_streams_open(peer: Http2Peer, client: Client) -> None:
    hanging, closing = client.ask("/h2/hang"), client.ask("/h2/close")
    client.end()
    assert (client.closed, client.went) == (True, None)
    assert not client.answers[hanging].over
    assert not client.answers[closing].over
    assert len(peer.desk.taken) == 2


def test_a_connection_breaks(client: Client) -> None:
    client.ask("/h2/break")
    client.end()
    assert client.broken is not None
    assert not client.closed


def test_a_stream_hangs_while_others_are_answered(client: Client) -> None:
    hanging = client.ask("/h2/hang")
    assert [client.get("/h2/ok").status for _ in range(20)] == [200] * 20
    assert not client.answers[hanging].over


@pytest.mark.parametrize(("behaviour", "status"), [("hints-3", "103"), ("continue", "100")])
def test_heads_come_before_the_head(client: Client, behaviour: str, status: str) -> None:
    answer = client.get(f"/h2/{behaviour}")
    assert {informed[":status"] for informed in answer.informed} == {status}
    assert len(answer.informed) == (3 if status == "103" else 1)
    assert (answer.status, answer.ended) == (200, True)


def test_fields_come_after_the_body(client: Client) -> None:
    answer = client.get("/h2/trailers")
    assert (answer.status, answer.body, answer.trailers) == (200, b"body", {"grpc-status": "0"})
    assert answer.ended


def test_an_endless_head_is_dripped_without_holding_up_others(client: Client) -> None:
    stream = client.ask("/h2/drip-5")
    client.until(lambda: len(client.answers[stream].informed) >= 5)
    assert client.get("/h2/ok").status == 200
    assert client.answers[stream].status == 0


def test_a_body_comes_a_byte_at_a_time(client: Client) -> None:
    stream = client.ask("/h2/drip-body-5")
    client.until(lambda: client.answers[stream].size >= 10)
    answer = client.answers[stream]
    assert (answer.size, answer.status) == (answer.pieces, 200)
    assert not answer.over
    assert client.get("/h2/ok").status == 200


def test_a_slow_head_holds_up_the_whole_connection(peer: Http2Peer, client: Client) -> None:
    client.ask("/h2/slow-head-5")
    until(lambda: peer.desk.requests, WAIT, "the first request")
    other = client.ask("/h2/ok")
    until(lambda: len(peer.desk.requests) == 2, WAIT, "the second request")
    client.end()
    assert "continuation" in str(client.broken)
    assert not client.answers[other].over


def test_a_big_body_arrives_whole(client: Client) -> None:
    answer = client.get("/h2/big-3000000")
    assert (answer.size, answer.ended, answer.headers["content-length"]) == (3_000_000, True, "3000000")


def test_a_gigabyte_begins(peer: Http2Peer) -> None:
    with Client(peer.port, peer.authority, window=MEGABYTE) as client:
        stream = client.ask("/h2/huge")
        client.until(lambda: client.answers[stream].size > 5 * MEGABYTE)
        assert client.answers[stream].headers["content-length"] == str(faults.HUGE)
        assert client.get("/h2/ok").status == 200


def test_a_small_body_unpacks_to_a_large_one(client: Client) -> None:
    answer = client.get("/h2/gzip-bomb")
    assert answer.headers["content-encoding"] == "gzip"
    unpacker, unpacked = zlib.decompressobj(31), 0
    for first in range(0, len(answer.body), 10_000):
        unpacked += len(unpacker.decompress(answer.body[first : first + 10_000]))
    assert unpacked == faults.BOMB * faults.MEGABYTE


@pytest.mark.parametrize("behaviour", ["headers-flood", "long-header", "endless-head"])
def test_a_head_is_more_than_anybody_takes(client: Client, behaviour: str) -> None:
    client.ask(f"/h2/{behaviour}")
    client.end()
    assert "continuation" in str(client.broken)


@pytest.mark.parametrize(
    ("behaviour", "counted"),
    [("ping-flood", lambda client: client.pings), ("settings-flood", lambda client: len(client.settings))],
)
def test_a_flood_comes_before_the_answer(
    peer: Http2Peer, client: Client, behaviour: str, counted: Callable[[Client], int]
) -> None:
    assert client.get(f"/h2/{behaviour}").status == 200
    assert counted(client) >= 10_000
    assert client.get("/h2/ok").status == 200  # our ten thousand acknowledgements are no flood


def test_a_body_is_cut_short(client: Client) -> None:
    client.get("/h2/truncated")
    assert "expected 1000 bytes, received 10" in str(client.broken).lower()


@pytest.mark.parametrize(
    ("behaviour", "fields"),
    [
        ("no-status", {"x-a": "b"}),
        ("bad-status", {":status": "fine"}),
        ("upper-case", {":status": "200", "X-A": "b"}),
        ("connection", {":status": "200", "connection": "close"}),
        ("garbage", {":status": "\0ÿþSSH-2.0-nonsense", "\x80\x81 700 ?": ""}),
    ],
)
def test_a_head_is_malformed(client: Client, behaviour: str, fields: dict[str, str]) -> None:
    answer = client.get(f"/h2/{behaviour}")
    assert answer.headers == fields
    assert answer.ended


UNNOTICED = {"text", "noise", "length", "even"}  # by h2 as a client: it waits for a frame of that length, or ignores it


@pytest.mark.parametrize("kind", sorted(BROKEN.keys() - UNNOTICED))
def test_a_frame_is_broken(client: Client, kind: str) -> None:
    client.ask(f"/h2/frame-{kind}")
    client.end()
    assert client.broken is not None


@pytest.mark.parametrize("kind", sorted(UNNOTICED))
def test_a_broken_frame_is_on_the_wire(kind: str) -> None:
    sent: list[bytes] = []

    class Session:
        async def raw(self, octets: bytes) -> None:
            sent.append(octets)

    class Line:
        number = 5
        session = Session()

        @property
        def stream(self) -> Line:
            return self

    asyncio.run(broken(kind)(Line(), b""))  # type: ignore[arg-type]  # as much of a line as it needs
    assert sent == [BROKEN[kind](5)]


def test_a_window_stays_shut(peer: Http2Peer, client: Client) -> None:
    """The sender may send what it had room for before it learned of it, and not a byte more, ever."""
    stream = client.ask("/h2/shut", end=False)
    client.until(lambda: [settings for settings in client.settings if settings == {4: 0}])
    assert client.give(stream, b"x" * 100_000) == 0
    other = client.ask("/h2/ok", b"small")
    client.listen(0.2)
    assert not client.answers[stream].over
    assert not client.answers[other].over
    assert peer.desk.requests == []


def test_a_window_is_shut_from_the_start() -> None:
    with Http2Peer(Opening(window=0)) as peer, Client(peer.port, peer.authority) as client:
        client.until(lambda: client.settings)
        stream = client.ask("/h2/ok", b"small")
        client.listen(0.2)
        assert not client.answers[stream].over
        assert client.get("/h2/ok").status == 200  # without a body there is nothing to wait for


def test_more_streams_are_allowed_after_the_first_good_answer() -> None:
    with Http2Peer(Opening(streams=1)) as peer, Client(peer.port, peer.authority) as client:
        client.until(lambda: client.settings)
        assert client.settings[0][3] == 1
        client.get("/h2/allow-3")
        assert client.settings[-1] == {3: 3}
        streams = [client.ask("/h2/slow-50") for _ in range(3)]
        assert [client.answer(stream).status for stream in streams] == [200, 200, 200]
        assert peer.desk.most_streams == 3


def test_on_http1_they_close_the_connection() -> None:
    closed: list[str] = []

    class Line:
        stream = None

        def close(self) -> None:
            closed.append("closed")

    asyncio.run(endless_head(Line(), plain(200)))  # type: ignore[arg-type]  # as much of a line as it needs
    assert closed == ["closed"]


def test_each_behaviour_was_met() -> None:
    """Every row of the service stands in this file, between a slash or a quotation mark and what ends a name."""
    text = Path(__file__).read_text()
    assert [name for name in BEHAVIOURS if f'"{name}' not in text and f"/h2/{name}" not in text] == []
