"""HTTP/1.1 on raw asyncio: one Connection per socket, many requests on each, answers in order.

Answers of one turn of the event loop leave together, after the ledger has taken their lines in one write.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol, cast

import httptools

from devices.emulator.exchange import Early, Reply, Request, Successor, plain
from devices.emulator.ledger import Ledger

KEPT = 64 * 1024  # bytes of a body that are kept; the rest is only counted
MOST_HEADERS = 100
MOST_WAITING = 64  # pipelined requests on one connection before it is no longer read
LINGER_NOTHING = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds: close() sends RST


class Desk(Protocol):
    """Whoever answers requests."""

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a request for ``target`` is read, if anything."""

    def answer(self, request: Request) -> Reply:
        """Decide about one request."""


class Answering(Protocol):
    """Where an answer goes: a connection of HTTP/1.1 or a stream of HTTP/2."""

    def deliver(self, reply: Reply) -> None:
        """Send ``reply``, unless the peer has left. Its line is in the ledger."""


class Outbox:
    """Gathers the answers of one turn of the event loop and sends them once the ledger is written."""

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._loop = loop
        self._answers: list[tuple[Answering, Reply]] = []
        self._called = False
        self.failure: asyncio.Future[None] = loop.create_future()

    def call(self) -> None:
        """Have ``_flush`` run at the end of this turn, before anything that is scheduled from now on."""
        if not self._called:
            self._called = True
            self._loop.call_soon(self._flush)

    def put(self, asker: Answering, reply: Reply) -> None:
        """Send ``reply`` at the end of this turn."""
        self._answers.append((asker, reply))
        self.call()

    def _flush(self) -> None:
        self._called = False
        answers, self._answers = self._answers, []
        try:
            self._ledger.write()
        except OSError as error:  # an answer without its line would make the ledger a liar: stop instead
            if not self.failure.done():
                self.failure.set_exception(error)
            return
        for asker, reply in answers:
            asker.deliver(reply)


class Connection(asyncio.Protocol):
    """One socket. httptools calls the ``on_`` methods, asyncio the others; ``Line`` is what behaviours see of it."""

    transport: asyncio.Transport
    stream = None  # of exchange.Line

    def __init__(self, desk: Desk, outbox: Outbox, open_ones: set[Connection]) -> None:
        self._desk = desk
        self._outbox = outbox
        self._open_ones = open_ones
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request(b"", b"")
        self._parts: list[bytes] = []
        self._early: Early | None = None
        self._waiting: deque[tuple[Request, float, bool]] = deque()
        self._busy = False  # an answer is late or being played: what follows has to wait its turn
        self._task: asyncio.Task[None] | None = None
        self._successor: Successor | None = None
        self._after = b""  # what came in one piece with the request for an upgrade, and belongs to the new protocol
        self._writable = asyncio.Event()
        self._secure = False
        self._certificate_name = self._certificate_user = ""

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._writable.set()
        self._open_ones.add(self)
        self._secure = transport.get_extra_info("ssl_object") is not None
        self._certificate_name = certified_name(transport)
        self._certificate_user = certified_name(transport, "userId")

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._successor is not None:
            self._successor.receive(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # a wish that may be ignored ("Upgrade: h2c"), and mostly is
            self._parser = httptools.HttpRequestParser(self)
            self._after = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._outbox.put(self, Reply(plain(400), close=True))

    def pause_writing(self) -> None:
        self._writable.clear()
        if self._successor is not None:  # or a peer that asks without reading would fill our memory
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._successor is not None:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)
        if self._successor is not None:
            self._successor.lost()
        self._waiting.clear()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    # httptools calls these

    def on_message_begin(self) -> None:
        self._request = Request(
            b"",
            b"",
            secure=self._secure,
            certificate_name=self._certificate_name,
            certificate_user=self._certificate_user,
        )
        self._parts = []

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._request.headers
        if len(headers) < MOST_HEADERS:
            name = name.lower()
            headers[name] = value if name not in headers else b"%s, %s" % (headers[name], value)  # RFC 9110, 5.3

    def on_headers_complete(self) -> None:
        self._early = self._desk.early(self._request.target)
        if self._early is not None and self._early.reset:
            self.reset()
        elif b"expect" in self._request.headers and not self._busy:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        request = self._request
        if request.size < KEPT:
            self._parts.append(body)
        request.size += len(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        request = self._request
        request.method = self._parser.get_method()
        request.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        seconds = self._early.seconds if self._early else 0.0
        keep_alive = self._parser.should_keep_alive()
        if not self._busy and not seconds:
            self._serve(request, keep_alive)
            return
        self._waiting.append((request, seconds, keep_alive))
        if len(self._waiting) >= MOST_WAITING:
            self.transport.pause_reading()
        if not self._busy:
            self._next()

    # answering, one request at a time

    def _serve(self, request: Request, keep_alive: bool) -> None:
        reply = self._desk.answer(request)
        reply.close = reply.close or not keep_alive
        if reply.successor is not None and not self._may_hand_over(request):
            reply = Reply(plain(400), close=True)
        if reply.play is None and not reply.seconds:
            self._outbox.put(self, reply)
            return
        self._outbox.call()  # the ledger is written before the task below gets its first turn
        self._busy = True
        self._task = asyncio.create_task(self._play(reply))

    def deliver(self, reply: Reply) -> None:
        """Send ``reply``, unless the peer has left. Its line is in the ledger."""
        transport = self.transport
        if transport.is_closing():
            return
        if reply.successor is not None:
            self.hand_over(reply.successor)
            return
        transport.write(reply.answer)
        if reply.close:
            transport.close()

    async def _play(self, reply: Reply) -> None:
        if reply.seconds:
            await asyncio.sleep(reply.seconds)
        if reply.play is not None:
            await reply.play(self, reply.answer)
        else:
            self._outbox.put(self, reply)
        self._task = None
        self._next()

    def _next(self) -> None:
        """Serve what waited, until one of them keeps the line busy."""
        self._busy = False
        while self._waiting and not self._busy and not self.transport.is_closing():
            request, seconds, keep_alive = self._waiting.popleft()
            if seconds:
                self._busy = True
                self._task = asyncio.create_task(self._serve_later(request, seconds, keep_alive))
            else:
                self._serve(request, keep_alive)
        if not self._waiting and not self.transport.is_closing():
            self.transport.resume_reading()

    async def _serve_later(self, request: Request, seconds: float, keep_alive: bool) -> None:
        await asyncio.sleep(seconds)
        self._task = None
        self._busy = False
        self._serve(request, keep_alive)
        if not self._busy:
            self._next()

    # another protocol (exchange.Wire)

    def hand_over(self, successor: Successor) -> None:
        """Let ``successor`` have the connection and whatever arrived after the request."""
        self._successor = successor
        successor.begin(self)
        after, self._after = self._after, b""
        if after and not self.transport.is_closing():
            successor.receive(after)

    def _may_hand_over(self, request: Request) -> bool:
        """Tell whether ``request`` asks for it, has no body (httptools reads none then), and did not have to wait.

        What came after one that waited was read as HTTP: that parser knows of no upgrade.
        """
        bodiless = not request.headers.keys() & {b"content-length", b"transfer-encoding"}
        return bodiless and bool(self._parser.should_upgrade())

    def send(self, octets: bytes) -> None:
        """Send bytes at once. While the peer does not read them, nothing of its own is read either."""
        if not self.transport.is_closing():
            self.transport.write(octets)

    # what behaviours may do (exchange.Line)

    async def write(self, octets: bytes) -> None:
        """Send bytes, waiting while the peer does not read."""
        await self._writable.wait()
        if self.transport.is_closing():
            raise asyncio.CancelledError
        self.transport.write(octets)

    def close(self) -> None:
        """Close in an orderly way (FIN) once everything written is out."""
        self.transport.close()

    def reset(self) -> None:
        """Close with a TCP RST."""
        reset(self.transport)


def reset(transport: asyncio.Transport) -> None:
    """Close a connection with a TCP RST."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOTHING)
    transport.abort()


def certified_name(transport: asyncio.BaseTransport, attribute: str = "commonName") -> str:
    """Return this attribute of the subject that the client proved with its certificate, "" without one."""
    name = ""
    certificate = transport.get_extra_info("peercert") or {}
    for part in certificate.get("subject", ()):
        name = dict(part).get(attribute, name)
    return name
