"""What passes between the wire and a push service: a request, and what is done about it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol


@dataclass(slots=True)
class Request:
    """One request that arrived whole.

    ``headers`` has lower-case names. ``size`` is the true length of the body in bytes; ``body`` keeps at most
    ``wire.KEPT`` of them. ``certificate_name`` is the CN the client proved with its certificate, "" without one.
    """

    method: bytes
    target: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0
    secure: bool = False
    certificate_name: str = ""


class Line(Protocol):
    """One connection, as a behaviour that plays on the wire sees it."""

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
    """What happens before the body is read: a reset, or a wait of so many seconds."""

    reset: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Reply:
    """The bytes of the answer, the seconds to wait before it, and what to play on the wire in its place if not None.

    ``successor`` takes the connection over instead of an answer, if the request asks for an upgrade; it is neither
    delayed nor played.
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
