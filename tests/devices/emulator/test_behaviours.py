"""Each behaviour an address can name, over real sockets."""

from __future__ import annotations

import http.client
import socket
import time
import zlib

import pytest

from devices.emulator.mpns.behaviours import BEHAVIOURS, Behaviour, plan
from tests.devices.emulator.sender import TILE, TILE_HEADERS, TOAST, dial, new_id, octets, push
from tests.emulator import EmulatorProcess

ACCEPTED = (200, ("Received", "Connected", "Active"))
DOWN = (503, (None, None, None))


def answers(emulator: EmulatorProcess, channel: str, times: int) -> list[tuple[int, tuple[str | None, ...]]]:
    got = [push(emulator.uri(channel)) for _ in range(times)]
    return [(answer.status, answer.words) for answer in got]


def send(emulator: EmulatorProcess, channel: str, message_id: str = "") -> socket.socket:
    """Push and return the line, nothing read from it yet."""
    uri = emulator.uri(channel)
    line = dial(uri)
    line.sendall(octets(uri, message_id))
    return line


def read_all(line: socket.socket) -> bytes:
    """Read until the other side closes."""
    with line:
        return b"".join(iter(lambda: line.recv(65536), b""))


def read_until(line: socket.socket, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        more = line.recv(65536)
        assert more, f"closed after {got!r}"
        got += more
    return got


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("ok", [ACCEPTED] * 2),
        ("queue-full", [(200, ("QueueFull", "Connected", "Active"))] * 3),
        ("queue-full-2", [(200, ("QueueFull", "Connected", "Active"))] * 2 + [ACCEPTED] * 2),
        ("suppressed", [(200, ("Suppressed", "Connected", "Active"))]),
        ("suppressed-toast", [(200, ("Suppressed", "Connected", "Active"))]),
        ("suppressed-tile", [ACCEPTED]),
        ("expired", [(404, ("Dropped", "Connected", "Expired"))] * 2),
        ("inactive-1", [(412, ("Dropped", "Inactive", None)), ACCEPTED]),
        ("unauthorized", [(401, (None, None, None))]),
        ("forbidden", [(403, (None, None, None))]),
        ("unavailable", [DOWN] * 3),
        ("unavailable-2", [DOWN] * 2 + [ACCEPTED]),
        ("flap-3", [DOWN] * 3 + [ACCEPTED]),
        ("rate-limit-1000", [ACCEPTED] * 2),
        ("daily-limit-1", [ACCEPTED, (406, ("Dropped", "Connected", "Active"))]),
        ("temp-disconnected-1", [(200, (word, "TempDisconnected", "Active")) for word in ("Received", "QueueFull")]),
        ("status-410", [(410, (None, None, None))]),
        ("status-429", [(429, (None, None, None))]),
        ("status-299", [(299, (None, None, None))]),
        ("unknown-words", [(200, ("Pondered", "Hibernating", "Paused"))]),
        ("slow-1", [ACCEPTED]),
        ("slow-accept-1", [ACCEPTED]),
    ],
)
def test_answers_follow_from_the_address(
    emulator: EmulatorProcess, channel: str, expected: list[tuple[int, tuple[str | None, ...]]]
) -> None:
    assert answers(emulator, f"{channel}.phone", len(expected)) == expected


@pytest.mark.parametrize(
    ("argument", "header"),
    [("30", "30"), ("0", "0"), ("-1", "-1"), ("1000000000", "1000000000"), ("junk", "soon; or later?")],
)
def test_retry_after_is_what_the_address_says(emulator: EmulatorProcess, argument: str, header: str) -> None:
    answer = push(emulator.uri(f"retry-after-{argument}.phone"))
    assert (answer.status, answer.headers["retry-after"]) == (503, header)


def test_retry_after_can_be_a_date(emulator: EmulatorProcess) -> None:
    answer = push(emulator.uri("retry-after-date.phone"))
    assert answer.headers["retry-after"].endswith(" GMT")


def test_no_words_means_none_at_all(emulator: EmulatorProcess) -> None:
    answer = push(emulator.uri("no-words.phone"))
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("x-")]


def test_a_cookie_is_offered(emulator: EmulatorProcess) -> None:
    assert "device=1" in push(emulator.uri("cookie.phone")).headers["set-cookie"]


@pytest.mark.parametrize(("channel", "status"), [("redirect.phone", 302), ("redirect-307.phone", 307)])
def test_redirects_lead_into_a_counted_trap(emulator: EmulatorProcess, channel: str, status: int) -> None:
    answer = push(emulator.uri(channel))
    assert answer.status == status
    assert emulator.control("state")["trap_hits"] == 0
    push(emulator.url + answer.headers["location"])
    assert emulator.control("state")["trap_hits"] == 1


def test_slow_waits_but_takes_at_once(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    started = time.monotonic_ns()
    assert push(emulator.uri("slow-200.phone"), message_id=message_id).status == 200
    ended = time.monotonic_ns()
    (line,) = [line for line in emulator.ledger() if line["id"] == message_id]
    assert line["at"] - started < 150e6
    assert ended - line["at"] >= 195e6


def test_slow_accept_waits_before_it_takes(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    started = time.monotonic_ns()
    assert push(emulator.uri("slow-accept-200.phone"), message_id=message_id).status == 200
    (line,) = [line for line in emulator.ledger() if line["id"] == message_id]
    assert line["at"] - started >= 195e6


def test_hang_takes_and_says_nothing(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    with send(emulator, "hang.phone", message_id) as line:
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        (noted,) = [noted for noted in emulator.ledger() if noted["id"] == message_id]
    assert (noted["behaviour"], noted["answer"], noted["taken"]) == ("hang", "", True)


def test_drip_never_ends_the_head(emulator: EmulatorProcess) -> None:
    with send(emulator, "drip-5.phone") as line:
        head = read_until(line, b"drip drip")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    assert b"\r\n\r\n" not in head


def test_drip_body_never_ends_the_body(emulator: EmulatorProcess) -> None:
    with send(emulator, "drip-body-5.phone") as line:
        got = read_until(line, b"\r\n\r\n......")
    assert b"Content-Length: 1048576\r\n" in got
    assert b"X-NotificationStatus: Received\r\n" in got


def test_reset_closes_without_a_word(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    assert read_all(send(emulator, "reset.phone", message_id)) == b""
    assert [line["taken"] for line in emulator.ledger() if line["id"] == message_id] == [True]


def test_reset_after_takes_and_breaks_the_line(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    with pytest.raises(ConnectionResetError):
        read_all(send(emulator, "reset-after.phone", message_id))
    assert [line["taken"] for line in emulator.ledger() if line["id"] == message_id] == [True]


def test_reset_before_breaks_the_line_and_takes_nothing(emulator: EmulatorProcess) -> None:
    message_id = new_id()
    uri = emulator.uri("reset-before.phone")
    head = octets(uri, message_id)[: -len(TOAST)]
    with dial(uri) as line:
        line.sendall(head)  # the body never needs to leave
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    assert [line for line in emulator.ledger() if line["id"] == message_id] == []


def test_reset_midway_ends_after_the_status_line(emulator: EmulatorProcess) -> None:
    assert read_all(send(emulator, "reset-midway.phone")) == b"HTTP/1.1 200 OK\r\n"


def test_garbage_is_no_http(emulator: EmulatorProcess) -> None:
    got = read_all(send(emulator, "garbage.phone"))
    assert got
    assert not got.startswith(b"HTTP")


def test_huge_goes_on_as_long_as_somebody_reads(emulator: EmulatorProcess) -> None:
    with send(emulator, "huge.phone") as line:
        assert b"Content-Length: 1000000000\r\n" in read_until(line, b"\r\n\r\n")
        read = 0
        while read < 20_000_000:
            read += len(line.recv(1 << 20))


def test_a_gzip_bomb_unpacks_to_a_thousand_times_its_size(emulator: EmulatorProcess) -> None:
    with send(emulator, "gzip-bomb.phone") as line:
        answer = http.client.HTTPResponse(line, method="POST")
        answer.begin()
        packed = answer.read()
    assert answer.headers["content-encoding"] == "gzip"
    unpacker = zlib.decompressobj(31)
    size = 0
    while packed and not unpacker.eof:
        size += len(unpacker.decompress(packed, 1 << 24))
        packed = unpacker.unconsumed_tail
    assert size == 256 * 1024 * 1024


def test_headers_flood_sends_a_hundred_thousand(emulator: EmulatorProcess) -> None:
    with send(emulator, "headers-flood.phone") as line:
        assert read_until(line, b"\r\n\r\n").count(b"\r\nX-Flood-") == 100_000


def test_a_long_header_has_two_megabytes(emulator: EmulatorProcess) -> None:
    with send(emulator, "long-header.phone") as line:
        head = read_until(line, b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) > 2_000_000


def test_bad_utf8_is_bad(emulator: EmulatorProcess) -> None:
    with send(emulator, "bad-utf8.phone") as line:
        head, _, body = read_until(line, b"\x80").partition(b"\r\n\r\n")
    for part in (head, body):
        with pytest.raises(UnicodeDecodeError):
            part.decode()


def test_answers_stay_in_order_when_requests_are_pipelined(emulator: EmulatorProcess) -> None:
    names = ["ok.a", "slow-50.b", "ok.c", "slow-accept-20.d", "expired.e", "ok.f"]
    uris = [emulator.uri(name) for name in names]
    with dial(uris[0]) as line:
        line.sendall(b"".join(octets(uri, message_id=name) for uri, name in zip(uris, names, strict=True)))
        got = read_until(line, b"X-MessageID: ok.f\r\n\r\n")
    echoed = [part.split(b"\r\n")[0].decode() for part in got.split(b"X-MessageID: ")[1:]]
    assert echoed == names


def test_one_connection_carries_many_pushes(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with dial(uri) as line:
        for number in range(50):
            line.sendall(octets(uri, str(number)))
            assert read_until(line, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_a_request_in_small_pieces_is_one_request(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with dial(uri) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in octets(uri):
            line.sendall(bytes((octet,)))
        assert read_until(line, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_the_sender_may_ask_to_close(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with dial(uri) as line:
        line.sendall(octets(uri).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        assert read_all(line).startswith(b"HTTP/1.1 200 OK")


def test_no_http_at_all_gets_400(emulator: EmulatorProcess) -> None:
    with dial(emulator.url) as line:
        line.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert read_all(line).startswith(b"HTTP/1.1 400 ")


def test_a_sender_may_wait_for_leave_to_send_its_body(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    head, body = octets(uri).split(b"\r\n\r\n", 1)
    with dial(uri) as line:
        line.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert read_until(line, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert read_until(line, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_a_phone_that_is_back_gets_what_waited(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("temp-disconnected.phone")
    push(uri)
    push(uri, TILE, TILE_HEADERS)
    assert emulator.control("phones")["phones"] == []
    emulator.control("behaviour", {"channel": uri, "behaviour": "ok"})
    (phone,) = emulator.control("phones")["phones"]
    assert phone["toasts"] == [{"Text1": "Hello", "Text2": "World"}]
    assert phone["tiles"][""]["values"]["Title"] == "Mail"
    assert push(uri).words == ACCEPTED[1]


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
def test_every_behaviour_has_a_meaning_and_a_reading(behaviour: Behaviour) -> None:
    assert behaviour.means
    assert plan(behaviour.name) or plan(f"{behaviour.name}-1") or plan(f"{behaviour.name}-200")


@pytest.mark.parametrize(
    "text", ["", "okay", "ok-1", "slow-x", "slow--1", "row-19", "row", "status-9999", "hang-1", "suppressed-x"]
)
def test_what_is_no_behaviour_is_none(text: str) -> None:
    assert plan(text) is None
