"""One request of an HTTP/2 connection, and its answer on the way out through the peer's windows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from h2.connection import H2Connection
from h2.exceptions import ProtocolError

from devices.emulator.exchange import Early, Fields, Reply, Request, message
from devices.emulator.http2_line import StreamLine

if TYPE_CHECKING:
    from devices.emulator.http2 import Connection


class Stream:
    """One request and its answer; an ``exchange.Stream`` and a ``wire.Answering``."""

    def __init__(self, session: Connection, number: int) -> None:
        self.session = session
        self.number = number
        self.request = Request(b"", b"", stream=self)
        self.parts: list[bytes] = []
        self.early: Early | None = None
        self.task: asyncio.Task[None] | None = None
        self.over = False  # nothing can be sent any more
        self.rest = memoryview(b"")  # of the body, for which there was no room yet
        self._ends = False  # with ``rest``
        self._sent = asyncio.Event()

    def deliver(self, reply: Reply) -> None:
        """Send ``reply``, unless the peer has left. Its line is in the ledger."""
        if self.over:
            return
        fields, body = message(reply.answer)
        self.head(fields, end=not body)
        if body:
            self._give(body, end=True)
        if reply.close:
            self.session.go_away(self.session.highest)

    async def play(self, reply: Reply) -> None:
        """Wait as ``reply`` wants, then play it or send it."""
        if reply.seconds:
            await asyncio.sleep(reply.seconds)
        if reply.play is not None:
            await reply.play(StreamLine(self), reply.answer)
        else:
            self.session.outbox.put(self, reply)

    # exchange.Stream

    def head(self, fields: Fields, end: bool = False) -> None:
        """Send HEADERS: ``:status`` first, names in lower case. 1xx as often as wanted, the answer, then trailers."""
        self._send(lambda frames: frames.send_headers(self.number, list(fields), end_stream=end), end)

    async def body(self, octets: bytes, end: bool = False) -> None:
        """Send DATA, waiting for the peer's windows and while it does not read."""
        await self.session.writable.wait()
        if self.over:
            raise asyncio.CancelledError
        self._give(octets, end)
        while self.rest and not self.over:
            self._sent.clear()
            await self._sent.wait()
        if not self.over:
            self.session.flush()

    def end(self) -> None:
        """Send END_STREAM with no more data."""
        self._send(lambda frames: frames.end_stream(self.number), end=True)

    def reset(self, error: int) -> None:
        """Send RST_STREAM."""
        self._send(lambda frames: frames.reset_stream(self.number, error), end=True)

    # for the connection

    def _give(self, octets: bytes, end: bool) -> None:
        self.rest, self._ends = memoryview(octets), end
        if octets:
            self.pump()
        elif end:
            self.end()

    def pump(self) -> None:
        """Send of the body what the windows have room for."""
        while self.rest and self.session.writable.is_set():
            size = min(len(self.rest), self._room())
            if size <= 0:
                break
            part, self.rest = self.rest[:size].tobytes(), self.rest[size:]
            self._send_part(part, end=self._ends and not self.rest)
        if not self.rest:
            self._sent.set()

    def _room(self) -> int:
        try:
            frames = self.session.frames
            return min(frames.local_flow_control_window(self.number), frames.max_outbound_frame_size)
        except ProtocolError:  # see _send
            return 0

    def _send_part(self, part: bytes, end: bool) -> None:
        self._send(lambda frames: frames.send_data(self.number, part, end_stream=end), end)

    def _send(self, send: Callable[[H2Connection], None], end: bool) -> None:
        """Have h2 send something, and forget the stream with its ``end``."""
        if self.over:
            return
        try:
            send(self.session.frames)
        except ProtocolError:  # h2 has read on to where the peer gave up the stream or left, and tells of it next
            self.abandon(task=False)
        if end:
            self.session.finish(self)
        self.session.flush_soon()

    def abandon(self, task: bool = True) -> None:
        """Send nothing any more."""
        self.over = True
        self.rest = memoryview(b"")
        self._sent.set()
        if task and self.task is not None:
            self.task.cancel()
