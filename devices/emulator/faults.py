"""Answers that go wrong on the wire, whatever the push service. Each is an ``exchange.Play``.

They are what a sender meets in the field (a dying peer, a captive portal, a broken proxy, an attacker), so each one
is as bad as it can be for as long as the sender stays on the line. On HTTP/2 each has the nearest meaning on its stream
(``devices.emulator.http2_line``); what only HTTP/2 can get wrong is in ``devices.emulator.http2_faults``.
"""

from __future__ import annotations

import asyncio
import zlib
from functools import cache
from itertools import cycle

from devices.emulator import http2_faults
from devices.emulator.exchange import Line, Play, date, status_line

MEGABYTE = 1024 * 1024
HUGE = 1_000_000_000  # bytes of an endless-looking body
BOMB = 256  # megabytes inside the gzip bomb; about a thousandth of that on the wire
FLOOD = 100_000  # headers
LONG = 2 * MEGABYTE  # bytes of one header line
CHUNK = 64 * 1024


async def hang(line: Line, answer: bytes) -> None:
    """Say nothing until the sender leaves."""
    await asyncio.Event().wait()


async def close(line: Line, answer: bytes) -> None:
    """Close without an answer."""
    line.close()


async def reset(line: Line, answer: bytes) -> None:
    """Break the connection without an answer."""
    line.reset()


async def reset_midway(line: Line, answer: bytes) -> None:
    """Send the status line, then close."""
    await line.write(answer[: answer.index(b"\r\n") + 2])
    line.close()


async def truncated(line: Line, answer: bytes) -> None:
    """Send a good head and less of the body than it promises, then close."""
    await line.write(_with_body(answer, 1000) + b"0123456789")
    line.close()


async def garbage(line: Line, answer: bytes) -> None:
    """Send bytes that are no HTTP, then close."""
    await line.write(b"\x00\xff\xfeSSH-2.0-nonsense\r\n\x80\x81 700 ?\r\n\r\n")
    line.close()


def drip(seconds: float) -> Play:
    """Send the status line, then one byte of an endless header every ``seconds``; on HTTP/2 an endless row of 103."""
    on_stream = http2_faults.hints(seconds)

    async def play(line: Line, answer: bytes) -> None:
        if line.stream is not None:  # a head that is never whole would hold up all its streams
            await on_stream(line, answer)
            return
        await line.write(answer[: answer.index(b"\r\n") + 2] + b"X-Drip: ")
        for octet in cycle(b"drip "):
            await asyncio.sleep(seconds)
            await line.write(bytes((octet,)))

    return play


def drip_body(seconds: float) -> Play:
    """Send a good head, then one byte of a long body every ``seconds``."""

    async def play(line: Line, answer: bytes) -> None:
        await line.write(_with_body(answer, MEGABYTE))
        while True:
            await asyncio.sleep(seconds)
            await line.write(b".")

    return play


async def huge(line: Line, answer: bytes) -> None:
    """Stream a body of a gigabyte."""
    await line.write(_with_body(answer, HUGE))
    chunk = b"\0" * CHUNK
    for sent in range(0, HUGE, CHUNK):
        await line.write(chunk[: HUGE - sent])


async def gzip_bomb(line: Line, answer: bytes) -> None:
    """Send a small gzip body that unpacks to a quarter of a gigabyte."""
    body = _bomb()
    await line.write(_with_body(answer, len(body), b"Content-Encoding: gzip\r\n"))
    await line.write(body)


async def headers_flood(line: Line, answer: bytes) -> None:
    """Send a hundred thousand headers before the end of the head."""
    await line.write(answer[: answer.index(b"\r\n") + 2])
    for first in range(0, FLOOD, 1000):
        await line.write(b"".join(b"X-Flood-%d: %d\r\n" % (n, n) for n in range(first, first + 1000)))
    await line.write(b"Content-Length: 0\r\n\r\n")


async def long_header(line: Line, answer: bytes) -> None:
    """Send one header line of two megabytes."""
    await line.write(answer[: answer.index(b"\r\n") + 2] + b"X-Long: ")
    for _ in range(LONG // CHUNK):
        await line.write(b"a" * CHUNK)
    await line.write(b"\r\nContent-Length: 0\r\n\r\n")


async def bad_utf8(line: Line, answer: bytes) -> None:
    """Send a head and a body whose bytes are no UTF-8."""
    body = b"\xc3\x28\xff\xfe\xed\xa0\x80"
    head = status_line(200).replace(b"OK", b"\xc3\x28") + b"X-NotificationStatus: \xff\xfe\xc0\xaf\r\n"
    await line.write(b"%sDate: %s\r\nContent-Length: %d\r\n\r\n%s" % (head, date(), len(body), body))


def _with_body(answer: bytes, length: int, extra: bytes = b"") -> bytes:
    return answer.replace(b"Content-Length: 0\r\n", b"%sContent-Length: %d\r\n" % (extra, length))


@cache
def _bomb() -> bytes:
    """Return a gzip stream of BOMB megabytes of zeros. Takes about half a second, once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = b"\0" * MEGABYTE
    return b"".join(packer.compress(chunk) for _ in range(BOMB)) + packer.flush()
