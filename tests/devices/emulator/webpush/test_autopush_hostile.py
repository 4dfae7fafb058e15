"""What no browser says to its push service: it may cost the connection, and nothing else."""

from __future__ import annotations

import json
import random
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from devices.emulator.webpush.autopush import LONGEST_MESSAGE
from tests.devices.emulator.webpush.half import Half, Talker, talking
from tests.devices.emulator.webpush.test_autopush import CHANNEL, KEY, endpoint_of
from tests.waiting import until

HELLO = {"messageType": "hello", "uaid": "", "use_webpush": True}
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
MASK = b"\x01\x02\x03\x04"


@pytest.fixture
def half() -> Iterator[Half]:
    """The service, which serves the next browser whatever the last one did."""
    with Half() as half:
        yield half
        assert half.failures == []
        with talking(half) as talker:
            assert len(talker.hello()) == 32


@pytest.fixture
def client(half: Half) -> Iterator[Talker]:
    with talking(half) as talker:
        yield talker


def frame(opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """Return one frame (RFC 6455, section 5.2)."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    return head + MASK + bytes(octet ^ MASK[i % 4] for i, octet in enumerate(payload))


def handshake(**changes: str | None) -> bytes:
    """Return the request for a websocket, with other headers; None leaves one out."""
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **{name.replace("_", "-"): value for name, value in changes.items() if name != "method"},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"{changes.get('method', 'GET')} / HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def answered(half: Half, octets: bytes, enough: bytes = b"") -> bytes:
    """Send ``octets``; return what comes until ``enough`` of it is there, or the connection is closed."""
    with socket.create_connection(("127.0.0.1", half.port), timeout=5) as line:
        line.sendall(octets)
        got = b""
        while not (enough and enough in got) and (more := line.recv(65536)):
            got += more
        return got


NOT_OURS = [
    "",
    "x",
    "{",
    "[]",
    "null",
    "1",
    '"hello"',
    "[" * 60_000,
    '{"a":' * 9_000,
    "1" * 60_000,
    "NaN",
    '["\\ud800"]',
]


@pytest.mark.parametrize("said", NOT_OURS, ids=lambda text: text[:8])
@pytest.mark.parametrize("greeted", [True, False])
def test_what_is_no_json_object_ends_the_connection(half: Half, client: Talker, said: str, greeted: bool) -> None:
    if greeted:
        client.hello()
    client.say(said)
    assert client.ending() in {(1008, "not JSON"), (1008, "not an object")}


WRONG_TYPES: list[Any] = [None, 1, 1.5, True, [], {}, ["x"]]


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"messageType": "register", "channelID": CHANNEL}, "messageType"),
        ({"messageType": "register", "key": KEY}, "channelID"),
        ({"messageType": "register", "channelID": CHANNEL}, "key"),
        ({"messageType": "unregister"}, "channelID"),
    ],
)
def test_a_field_of_another_type_ends_the_connection(client: Talker, message: Any, name: str, wrong: Any) -> None:
    client.hello()
    client.say({**message, name: wrong})
    assert client.ending() == (1008, f"{name} must be text")


@pytest.mark.parametrize("wrong", [*WRONG_TYPES[:5], {}, [1], [None], [[]], "x"], ids=repr)
def test_updates_of_another_type_end_the_connection(client: Talker, wrong: Any) -> None:
    client.hello()
    if wrong == []:  # nothing to acknowledge is no fault
        client.say({"messageType": "ack", "updates": wrong})
        assert client.is_quiet()
        return
    client.say({"messageType": "ack", "updates": wrong})
    assert client.ending() == (1008, "updates must be a list of objects")


@pytest.mark.parametrize("update", [{}, {"channelID": CHANNEL}, {"version": "x"}, {"channelID": 1, "version": "x"}])
def test_an_update_without_its_fields_ends_the_connection(client: Talker, update: Any) -> None:
    client.hello()
    client.say({"messageType": "ack", "updates": [update]})
    assert client.ending()[0] == 1008


@pytest.mark.parametrize("message", [{"messageType": kind} for kind in ("register", "unregister", "ack", "nack", "x")])
def test_nothing_comes_before_hello(client: Talker, message: Any) -> None:
    client.say(message)
    assert client.ending() == (1008, "the first message must be hello")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({**HELLO, "uaid": 5}, "uaid must be text"),
        ({**HELLO, "use_webpush": "true"}, "use_webpush must be true"),
        ({**HELLO, "use_webpush": 1}, "use_webpush must be true"),
        ({"messageType": "hello"}, "use_webpush must be true"),
    ],
)
def test_a_wrong_hello_ends_the_connection(client: Talker, message: Any, reason: str) -> None:
    client.say(message)
    assert client.ending() == (1008, reason)


def test_hello_is_said_once(client: Talker) -> None:
    client.hello()
    client.say(HELLO)
    assert client.ending() == (1008, "hello was said")


def test_a_lone_surrogate_is_only_a_text(client: Talker) -> None:
    client.hello()
    answer = client.ask('{"messageType":"unregister","channelID":"\\ud800"}')
    assert answer == {"messageType": "unregister", "channelID": "\ud800", "status": 200}


# frames


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(BINARY, b"{}"), 1003),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"{}", masked=False), 1002),
        (frame(TEXT, b"{}", reserved=4), 1002),  # compressed, which nobody agreed to
        (frame(3, b""), 1002),
        (frame(0, b"x"), 1002),  # a continuation of nothing
        (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", final=False), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, struct.pack("!H", 1005)), 1002),
        (frame(CLOSE, struct.pack("!H", 4000) + b"bye"), 4000),
        (frame(CLOSE, b""), 1000),
        (frame(CLOSE, b"") + frame(TEXT, b"{}") + frame(CLOSE, b""), 1000),
        (frame(TEXT, b" " * (LONGEST_MESSAGE + 1)), 1009),
        (frame(TEXT, b" " * 40_000, final=False) + frame(0, b" " * 40_000), 1009),
        (b"\x81\xff" + struct.pack("!Q", 1 << 40) + MASK + b"\0" * (LONGEST_MESSAGE + 100), 1009),
    ],
)
def test_broken_frames_end_the_connection(client: Talker, octets: bytes, code: int) -> None:
    client.hello()
    client.line.sendall(octets)
    assert client.ending()[0] == code


def test_a_message_may_come_in_pieces_and_be_as_long_as_the_limit(client: Talker) -> None:
    client.hello()
    text = json.dumps({"messageType": "unregister", "channelID": CHANNEL}).encode().ljust(LONGEST_MESSAGE)
    half_way = frame(TEXT, text[:9], final=False) + frame(0, b"", final=False) * 100 + frame(PING, b"between")
    for octet in half_way[:40]:
        client.line.sendall(bytes([octet]))
    client.line.sendall(half_way[40:] + frame(0, text[9:]))
    assert client.hear()["status"] == 200
    assert client.pongs == [b"between"]


def test_nothing_is_heard_after_the_end(half: Half, client: Talker) -> None:
    client.line.sendall(frame(TEXT, b"x") + frame(TEXT, json.dumps(HELLO).encode()))
    assert client.ending() == (1008, "not JSON")
    assert half.do(half.autopush.shown)["known"] == 0


def test_one_that_asks_without_reading_is_no_longer_read(half: Half, client: Talker) -> None:
    client.hello()
    (transport,) = (one.transport for one in half.connections)
    client.line.settimeout(0.5)
    with suppress(TimeoutError):
        client.line.sendall(frame(PING, b"x" * 125) * 200_000)
    until(lambda: not transport.is_reading(), 10, "the service to stop reading")
    assert transport.get_write_buffer_size() < 1_000_000
    with talking(half) as other:
        assert len(other.hello()) == 32
    client.line.settimeout(5)
    until(lambda: client.line.recv(1 << 20) and transport.is_reading(), 10, "it to go on once its answers are read")


def test_random_bytes_do_no_harm(half: Half) -> None:
    chance = random.Random(8030)
    for _ in range(150):
        with talking(half) as talker:
            if chance.random() < 0.5:
                talker.hello()
            good = frame(TEXT, json.dumps({"messageType": "register", "channelID": CHANNEL}).encode())
            octets = bytearray(good * 3)
            for _ in range(chance.randrange(1, 20)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            talker.line.sendall(bytes(octets) + chance.randbytes(chance.randrange(200)))


# handshakes


def test_frames_may_come_in_one_piece_with_the_handshake(half: Half) -> None:
    got = answered(half, handshake() + frame(TEXT, json.dumps(HELLO).encode()) + frame(TEXT, b"{}"), b"{}}")
    assert got.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in got  # the example of RFC 6455, section 1.3
    assert b'"messageType":"hello"' in got


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Version": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Host": None}, 403),
        ({"Host": "push.example"}, 403),
        ({"Host": "127.0.0.1.example"}, 403),
        ({"Host": "127.0.0.1:1x"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "HTTP://127.0.0.1:8000"}, 403),
        ({"Origin": "null"}, 403),
        ({"method": "POST"}, 405),
        ({"Connection": "Upgrade, \xff"}, 400),
        ({"Sec_WebSocket_Protocol": "\xff"}, 400),
        ({"Content_Length": "1"}, 400),
        ({"X_Bad": "a\x7fb\x80\xff"}, 0),
    ],
)
def test_a_wrong_handshake_is_refused(half: Half, changes: dict[str, str | None], status: int) -> None:
    body = b"x" if "Content_Length" in changes else b""
    got = answered(half, handshake(**changes) + body, b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 %d " % status if status else b"HTTP/1.1 ")
    assert half.do(lambda: len(half.autopush.sessions)) in ({0} if status else {0, 1})


@pytest.mark.parametrize("origin", ["ws://127.0.0.1:8100/", ""])
def test_a_browser_itself_is_let_in(half: Half, origin: str) -> None:
    assert answered(half, handshake(Origin=origin), b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_a_websocket_comes_after_what_was_asked_before_it(half: Half) -> None:
    before = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    got = answered(half, before + handshake() + frame(TEXT, b"{}"), b"{}")
    assert got.index(b"HTTP/1.1 200 ") < got.index(b"HTTP/1.1 101 ")


def test_a_websocket_does_not_wait_behind_a_slow_answer(half: Half) -> None:
    before = b"GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    got = answered(half, before + handshake() + frame(TEXT, b"{}"))
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"400"]


def test_a_notification_to_a_peer_that_has_just_hung_up_is_kept(half: Half, client: Talker) -> None:
    uaid = client.hello()
    endpoint = endpoint_of(client)
    client.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    half.push(endpoint, b"late")
    with talking(half) as again:
        again.hello(uaid)
        assert again.hear()["channelID"] == CHANNEL
