"""What passes between the wire and a push service: a request, and what is done about it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol


@dataclass(slots=True)
class Request:
    """One request that arrived whole.

    ``headers`` has lower-case names. ``size`` is the true length of the body in bytes; ``body`` keeps at most
    ``wire.KEPT`` of them. ``certificate_name`` is the CN the client proved with its certificate, ``certificate_user``
    the UID (RFC 4519, section 2.39), "" without one. ``repeated`` names the fields of HTTP/2 that came more than once.
    ``stream`` is where it came from when that was HTTP/2, on which a service may act; None on HTTP/1.1.
    """

    method: bytes
    target: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0
    secure: bool = False
    certificate_name: str = ""
    certificate_user: str = ""
    repeated: tuple[bytes, ...] = ()
    stream: Stream | None = None

    @property
    def http2(self) -> bool:
        """Whether it came over HTTP/2."""
        return self.stream is not None


Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Opening:
    """What the SETTINGS that open an HTTP/2 connection say (RFC 9113, section 6.5.2): how many streams at once, and
    how many bytes of a body the peer may send on each before it is given more room.

    ``trusted`` is how many streams a sender may have open once a service knows who it is (``Session.trust``), None: as
    many as before.
    """

    streams: int = 1000
    window: int = 65_535
    trusted: int | None = None


class Session(Protocol):
    """One HTTP/2 connection, as services and behaviours see it. Error codes are those of RFC 9113, section 7."""

    @property
    def number(self) -> int:
        """Count from 1 for each connection since the start: tells connections apart."""

    @property
    def open_streams(self) -> int:
        """Return how many requests are being sent or answered."""

    def allow(self, streams: int) -> None:
        """Announce how many streams may be open at once. More are refused from now on."""

    def trust(self) -> None:
        """Allow as many streams as the opening grants to a known sender. Does nothing the second time."""

    def ignore_pings(self) -> None:
        """Acknowledge no PING from now on (RFC 9113, section 6.7 wants it): the connection looks dead."""

    def shut(self) -> None:
        """Announce a window of 0 bytes for every stream, and give none back from now on."""

    def go_away(self, last: int, error: int = 0, debug: bytes = b"") -> None:
        """Send GOAWAY: streams above ``last`` are dropped without an answer; closed when the others are answered."""

    async def raw(self, octets: bytes) -> None:
        """Send bytes as they are, after everything sent so far, waiting while the peer does not read."""

    def hold(self) -> None:
        """Send nothing but ``raw`` from now on: no frame may come within a head (RFC 9113, section 6.10)."""

    def close(self) -> None:
        """Close the connection in an orderly way (FIN), without GOAWAY, once everything written is out."""

    def reset(self) -> None:
        """Close the connection with a TCP RST."""


class Stream(Protocol):
    """One request on an HTTP/2 connection, as services and behaviours see it. After its end nothing can be sent."""

    @property
    def number(self) -> int:
        """Return its identifier (RFC 9113, section 5.1.1)."""

    @property
    def session(self) -> Session:
        """Return its connection."""

    def head(self, fields: Fields, end: bool = False) -> None:
        """Send HEADERS: ``:status`` first, names in lower case. 1xx as often as wanted, the answer, then trailers."""

    async def body(self, octets: bytes, end: bool = False) -> None:
        """Send DATA, waiting for the peer's windows and while it does not read."""

    def end(self) -> None:
        """Send END_STREAM with no more data."""

    def reset(self, error: int) -> None:
        """Send RST_STREAM."""


class Line(Protocol):
    """One connection, as a behaviour that plays on the wire sees it.

    On HTTP/2 it stands for one stream: what is written is an answer of HTTP/1.1 all the same, and sent as the nearest
    that a stream can carry (``devices.emulator.http2_line``).
    """

    @property
    def stream(self) -> Stream | None:
        """Return the stream of HTTP/2, None on HTTP/1.1."""

    async def write(self, octets: bytes) -> None:
        """Send bytes, waiting while the peer does not read."""

    def close(self) -> None:
        """Close in an orderly way (FIN) once everything written is out."""

    def reset(self) -> None:
        """Close with a TCP RST."""


Play = Callable[[Line, bytes], Awaitable[None]]


class Wire(Protocol):
    """One connection, as a protocol that took it over from HTTP sees it."""

    def send(self, octets: bytes) -> None:
        """Send bytes at once. While the peer does not read them, nothing of its own is read either."""

    def close(self) -> None:
        """Close in an orderly way (FIN) once everything written is out."""


class Successor(Protocol):
    """Another protocol on a connection that began as HTTP (RFC 9110, section 7.8), such as a websocket."""

    def begin(self, wire: Wire) -> None:
        """Take over, and answer the request that asked for it."""

    def receive(self, octets: bytes) -> None:
        """Take what arrived after that request. May be empty."""

    def lost(self) -> None:
        """Learn that the connection has ended, whoever ended it. Called once, after which nothing can be sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Early:
    """What happens before the body is read: a reset, or a wait of so many seconds.

    On HTTP/2 the reset is a RST_STREAM with REFUSED_STREAM: nothing was looked at (RFC 9113, section 8.7). ``shut``
    takes the sender's window away there (``Session.shut``); HTTP/1.1 has none.
    """

    reset: bool = False
    seconds: float = 0.0
    shut: bool = False


@dataclass(slots=True)
class Reply:
    """The answer, the seconds to wait before it, and what to play on the wire in its place if not None.

    ``answer`` is written as HTTP/1.1, whatever it goes over: HTTP/2 reads it again (``message``). ``successor`` takes
    the connection over instead of an answer, if the request asks for an upgrade; it is neither delayed nor played, and
    HTTP/2 sends the answer.
    """

    answer: bytes
    seconds: float = 0.0
    play: Play | None = None
    close: bool = False
    successor: Successor | None = None


class _Today:
    """The Date header, made once a second."""

    second = -1
    text = b""


def date() -> bytes:
    """Return this moment as an HTTP date (RFC 9110, section 5.6.7)."""
    second = int(time.time())
    if second != _Today.second:
        _Today.second = second
        _Today.text = formatdate(second, usegmt=True).encode()
    return _Today.text


def status_line(status: int) -> bytes:
    """Return "HTTP/1.1 404 Not Found" with its line end."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def plain(status: int, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return a whole answer that carries ``body``."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    return b"%sDate: %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status_line(status), date(), lines, len(body), body)


def message(answer: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Read an answer of HTTP/1.1 as the fields of HTTP/2, ``:status`` first, and the body (RFC 9113, section 8.2).

    Whatever is no HTTP stays as it is: a bad status line is the status, a line without a colon is a name.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [(b":status", first.split(b" ", 2)[1] if first.startswith(b"HTTP/1.1 ") else first)]
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _OF_A_CONNECTION and line:
            fields.append((name, value.strip(b" ")))
    return fields, body


_OF_A_CONNECTION = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
