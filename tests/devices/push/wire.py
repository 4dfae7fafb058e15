"""Peers of a few lines over real sockets, each as bad as a test wants it, and one way to push at them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from devices.push.base import Answer, Request
from devices.push.engine import Engine

GOOD = b"HTTP/1.1 200 OK\r\nX-NotificationStatus: Received\r\nContent-Length: 0\r\n\r\n"
Play = Callable[[socket.socket], None]


class Peer:
    """Listens on a port of 127.0.0.1 and plays one piece per connection; the last one again and again.

    ``received`` holds what each connection brought, as far as a piece read it. Leaving the context ends all of them.
    """

    def __init__(self, *pieces: Play, host: str = "127.0.0.1") -> None:
        self._pieces = pieces
        self._listening = socket.create_server((host, 0))
        self.connections: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = f"http://{self.address}/push"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            piece = self._pieces[min(len(self.connections), len(self._pieces) - 1)]
            self.connections.append(connection)
            threading.Thread(target=self._play, args=(piece, connection), daemon=True).start()

    def _play(self, piece: Play, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the sender left, as it should
            piece(connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.connections:
            connection.close()


def read_request(connection: socket.socket) -> bytes:
    """Read one request whole, body included; b"" when the sender left."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            return got
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Play:
    """Return a piece that answers the requests of a connection one after the other, then closes it."""

    def play(connection: socket.socket) -> None:
        for answer in answers:
            request = read_request(connection)
            if seen is not None:
                seen.append(request)
            connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    return play


def hanging(connection: socket.socket) -> None:
    """Read and say nothing until the sender leaves."""
    while connection.recv(65536):
        pass


def resetting(connection: socket.socket) -> None:
    """Read a request whole, then break the connection."""
    read_request(connection)
    reset(connection)


def reset(connection: socket.socket) -> None:
    """Break the connection at once: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dripping(start: bytes, drop: bytes, seconds: float = 0.05) -> Play:
    """Return a piece that sends ``start`` and then ``drop`` every so many seconds, until the sender leaves, or 60 s."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        last = time.monotonic() + 60
        while time.monotonic() < last:
            time.sleep(seconds)  # the peer's own pace, not a wait for something to happen
            connection.sendall(drop)

    return play


def flooding(start: bytes, part: bytes, times: int, end: bytes = b"") -> Play:
    """Return a piece that sends ``start``, ``part`` many times and ``end`` as fast as the sender takes it."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        for _ in range(times):
            connection.sendall(part)
        connection.sendall(end)
        connection.shutdown(socket.SHUT_WR)

    return play


def request_to(url: str, body: bytes = b"<x/>", headers: tuple[tuple[str, str], ...] = ()) -> Request:
    """Return a plain push."""
    return Request(url, (("Content-Type", "text/xml"), *headers), body)


def push(engine: Engine[str], request: Request, within: float = 10.0) -> Answer:
    """Push once and return the answer; fails when there is none in time."""
    engine.start(request, "the one")
    answers = engine.wait(within)
    assert len(answers) == 1, "no answer in time"
    tag, answer = answers[0]
    assert tag == "the one"
    return answer


def lets(peer: Peer, deadline: float = 10.0) -> Engine[str]:
    """Return an engine that may talk to ``peer``."""
    return Engine[str](concurrency=4, deadline=deadline, allow=frozenset({peer.address}))
