"""Slow and broken lines as rows for the table of any service; what each does is in ``faults`` and ``http2_faults``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from h2.errors import ErrorCodes

from devices.emulator import faults, http2_faults
from devices.emulator.exchange import Line, Play
from devices.emulator.table import number, seconds


class LineFault(NamedTuple):
    """One row. ``make`` gets the argument, "" without one, and raises ValueError for one that makes no sense.

    ``taken`` says whether the service keeps the message; ``whole`` whether the play sends the answer's own body, so
    that it has to be there.
    """

    name: str
    means: str
    make: Callable[[str], Play]
    taken: bool = True
    whole: bool = False


def _plain(play: Play) -> Callable[[str], Play]:
    def make(argument: str) -> Play:
        if argument:
            raise ValueError(f"takes no argument: {argument}")
        return play

    return make


def _dripping(play: Callable[[float], Play]) -> Callable[[str], Play]:
    return lambda argument: play(max(seconds(argument), 0.001))


async def _refuse(line: Line, answer: bytes) -> None:
    """Break the connection, or refuse the stream: nothing was looked at."""
    if line.stream is None:
        line.reset()
    else:
        line.stream.reset(ErrorCodes.REFUSED_STREAM)


def _stream_reset(argument: str) -> Play:
    return http2_faults.reset_stream(number(argument or str(int(ErrorCodes.INTERNAL_ERROR)), 2**32 - 1))


LINE_FAULTS: tuple[LineFault, ...] = (
    LineFault("hang", "taken, never answered", _plain(faults.hang)),
    LineFault("drip", "one byte of a header every n (1000) ms, for ever", _dripping(faults.drip)),
    LineFault("drip-body", "one byte of the body every n (1000) ms, for ever", _dripping(faults.drip_body)),
    LineFault("close", "closed without an answer; not taken", _plain(faults.close), taken=False),
    LineFault("close-after", "taken, then closed without an answer", _plain(faults.close)),
    LineFault("reset", "RST in place of an answer; not taken", _plain(faults.reset), taken=False),
    LineFault("reset-before", "RST before anything was looked at; not taken", _plain(_refuse), taken=False),
    LineFault("reset-after", "taken, but the answer is lost: RST", _plain(faults.reset)),
    LineFault("reset-midway", "taken, then closed after the status line", _plain(faults.reset_midway)),
    LineFault("truncated", "taken, answered with less of a body than was promised", _plain(faults.truncated)),
    LineFault("garbage", "taken, answered with bytes that are no HTTP", _plain(faults.garbage)),
    LineFault("huge", "taken, answered with a body of a gigabyte", _plain(faults.huge)),
    LineFault("gzip-bomb", "taken, answered with 256 MB packed into 256 KB", _plain(faults.gzip_bomb)),
    LineFault("headers-flood", "taken, answered with 100,000 headers", _plain(faults.headers_flood)),
    LineFault("long-header", "taken, answered with a header line of 2 MB", _plain(faults.long_header)),
    LineFault("bad-utf8", "taken, answered with bytes that are no UTF-8", _plain(faults.bad_utf8)),
    # on HTTP/1.1 each of these closes the connection without an answer
    LineFault("stream-reset", "HTTP/2: taken, then RST_STREAM with code n (2)", _stream_reset),
    LineFault("goaway-before", "HTTP/2: GOAWAY below the request; not taken", _plain(http2_faults.go_away(0)), False),
    LineFault(
        "goaway-after", "HTTP/2: GOAWAY with the request, then ok", _plain(http2_faults.go_away_answered), whole=True
    ),
    LineFault("goaway-lost", "HTTP/2: taken, GOAWAY, no answer", _plain(http2_faults.go_away_unanswered)),
    LineFault("break", "HTTP/2: taken, then the connection breaks (RST)", _plain(http2_faults.reset_connection)),
    LineFault("h2-broken", "HTTP/2: taken, then frames that are none: -text, -noise, …", http2_faults.broken),
)
