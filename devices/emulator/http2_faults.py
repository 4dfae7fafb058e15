"""What goes wrong on HTTP/2 alone, whatever the push service. Each is an ``exchange.Play``, or makes one.

``before`` in a name means that the service never looked at the request and its sender may send it again (RFC 9113,
section 8.7): a table is to pair it with a message that was not taken. On HTTP/1.1, which has no streams, each of them
closes the connection without an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from h2.errors import ErrorCodes
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, SettingsFrame

from devices.emulator.exchange import Line, Play, Stream, message

MANY = 10_000  # frames of a flood that ends
FLOOD = 1000  # frames in one write
BLOCK = 16_384  # bytes of a frame (RFC 9113, section 4.2)

OnStream = Callable[[Stream, bytes], Awaitable[None]]


def on_stream(play: OnStream) -> Play:
    """Return the play that does ``play`` with the stream, and closes a connection of HTTP/1.1."""

    async def either(line: Line, answer: bytes) -> None:
        if line.stream is None:
            line.close()
        else:
            await play(line.stream, answer)

    return either


async def answer_with(stream: Stream, answer: bytes) -> None:
    """Send the answer."""
    fields, body = message(answer)
    stream.head(fields, end=not body)
    if body:
        await stream.body(body, end=True)


# one stream


def reset_stream(error: int) -> Play:
    """Send RST_STREAM with this code instead of an answer. REFUSED_STREAM says that nothing was looked at."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        stream.reset(error)

    return play


def reset_after_head(error: int) -> Play:
    """Send the head of the answer, then RST_STREAM with this code."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        fields, _ = message(answer)
        stream.head(fields)
        stream.reset(error)

    return play


def informing(status: int, times: int) -> Play:
    """Send so many informational heads (1xx, RFC 9110, section 15.2) with a field, then the answer."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        for number in range(times):
            stream.head([(b":status", b"%d" % status), (b"x-number", b"%d" % number)])
        await answer_with(stream, answer)

    return play


def hints(seconds: float) -> Play:
    """Send a 103 every so many seconds, for ever, and no answer."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        for number in count():
            stream.head([(b":status", b"103"), (b"x-drip", b"%d" % number)])
            await stream.body(b"")  # ends with the stream
            await asyncio.sleep(seconds)

    return play


def trailers(fields: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> Play:
    """Send the head of the answer, ``body``, and these fields after it (RFC 9113, section 8.1)."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        head, _ = message(answer)
        stream.head([field for field in head if field[0] != b"content-length"])
        if body:
            await stream.body(body)
        stream.head(fields, end=True)

    return play


# the connection


def go_away(error: int, debug: bytes = b"") -> Play:
    """Send GOAWAY that leaves the request out: it was not processed, nor was anything after it."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        stream.session.go_away(max(stream.number - 2, 0), error, debug)

    return play


@on_stream
async def go_away_answered(stream: Stream, answer: bytes) -> None:
    """Send GOAWAY that takes the request in, then its answer, then close."""
    stream.session.go_away(stream.number)
    await answer_with(stream, answer)


@on_stream
async def go_away_unanswered(stream: Stream, answer: bytes) -> None:
    """Send GOAWAY that takes the request in, then close without its answer."""
    stream.session.go_away(stream.number, ErrorCodes.INTERNAL_ERROR)
    stream.session.close()


@on_stream
async def close_connection(stream: Stream, answer: bytes) -> None:
    """Close the connection with its streams open and without a GOAWAY."""
    stream.session.close()


@on_stream
async def reset_connection(stream: Stream, answer: bytes) -> None:
    """Break the connection with its streams open."""
    stream.session.reset()


def allowing(streams: int) -> Play:
    """Announce that so many streams may be open at once, and answer."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        stream.session.allow(streams)
        await answer_with(stream, answer)

    return play


@on_stream
async def ping_flood(stream: Stream, answer: bytes) -> None:
    """Send ten thousand PINGs, then the answer."""
    await _flood(stream, [PingFrame(0, opaque_data=b"%08d" % number) for number in range(MANY)])
    await answer_with(stream, answer)


@on_stream
async def settings_flood(stream: Stream, answer: bytes) -> None:
    """Send ten thousand SETTINGS, then the answer."""
    await _flood(stream, [SettingsFrame(0, settings={SettingsFrame.MAX_HEADER_LIST_SIZE: 65_536})] * MANY)
    await answer_with(stream, answer)


@on_stream
async def endless_head(stream: Stream, answer: bytes) -> None:
    """Send HEADERS that go on in CONTINUATION frames for ever. Nothing else can come over the connection then."""
    stream.session.hold()
    fields = b"".join(b"\x00\x07x-flood\x05%05d" % number for number in range(1000))  # literals (RFC 7541, 6.2.2)
    await stream.session.raw(HeadersFrame(stream.number, b"\x88" + fields).serialize())  # 0x88: ":status 200"
    while True:
        await stream.session.raw(ContinuationFrame(stream.number, fields).serialize())
        await asyncio.sleep(0)


def slow_head(seconds: float) -> Play:
    """Send HEADERS that go on with one byte every so many seconds, for ever: the whole connection has to wait."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        stream.session.hold()
        # ":status 200", and a literal whose value is to have 127 + 0x61 + 128 * 0x5e bytes (RFC 7541, 5.1 and 6.2.2)
        await stream.session.raw(HeadersFrame(stream.number, b"\x88\x00\x06x-drip\x7f\xe1\x5e").serialize())
        while True:
            await asyncio.sleep(seconds)
            await stream.session.raw(ContinuationFrame(stream.number, b".").serialize())

    return play


# Frames that RFC 9113 forbids, by what is wrong with them. {} stands for the number of the stream.
BROKEN: dict[str, Callable[[int], bytes]] = {
    "text": lambda stream: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "noise": lambda stream: bytes(range(255, -1, -1)) * 8,
    "length": lambda stream: _frame(0x0, 0, stream, b"", length=0xFFFFFF),  # above SETTINGS_MAX_FRAME_SIZE (4.2)
    "cut": lambda stream: _frame(0x6, 0, 0, b"\0\0\0"),  # a PING of three bytes (6.7)
    "compression": lambda stream: _frame(0x1, 0x5, stream, b"\xff\xff\xff\xff\xff\xff\xff\xff"),  # 4.3
    "data-on-0": lambda stream: _frame(0x0, 0x1, 0, b"lost"),  # 6.1
    "data-first": lambda stream: _frame(0x0, 0x1, stream, b"no head before it"),  # 8.1
    "push": lambda stream: _frame(0x5, 0x4, stream, b"\0\0\0\2\x82\x84\x87"),  # PUSH_PROMISE nobody asked for (8.4)
    "settings": lambda stream: _frame(0x4, 0, 0, b"\0\4\xff\xff\xff\xff"),  # a window above 2**31-1 (6.5.2)
    "window": lambda stream: _frame(0x8, 0, 0, b"\0\0\0\0"),  # WINDOW_UPDATE by nothing (6.9)
    "overflow": lambda stream: _frame(0x8, 0, 0, b"\x7f\xff\xff\xff") * 2,  # a window above 2**31-1 (6.9.1)
    "even": lambda stream: _frame(0x1, 0x5, stream + 1, b"\x88"),  # HEADERS on a stream nobody opened (5.1.1)
    "continuation": lambda stream: _frame(0x9, 0x4, stream, b"\x88"),  # without HEADERS before it (6.10)
}


def broken(kind: str) -> Play:
    """Send one of BROKEN instead of an answer, and then nothing. Raises ValueError for an unknown kind."""
    if kind not in BROKEN:
        raise ValueError(f"not one of {', '.join(BROKEN)}: {kind}")

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        await stream.session.raw(BROKEN[kind](stream.number))

    return play


def bad_head(*fields: tuple[bytes, bytes]) -> Play:
    """Send a head with these fields, which make the answer malformed (RFC 9113, section 8.1.1)."""

    @on_stream
    async def play(stream: Stream, answer: bytes) -> None:
        stream.head(fields, end=True)

    return play


def _frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """Return a frame as RFC 9113, section 4.1 lays it out, right or wrong."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


async def _flood(stream: Stream, frames: Sequence[Frame]) -> None:
    for first in range(0, len(frames), FLOOD):
        await stream.session.raw(b"".join(frame.serialize() for frame in frames[first : first + FLOOD]))
