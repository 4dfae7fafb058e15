"""HTTP/2 (RFC 9113) on asyncio: one Connection per socket, many streams on each, answers as they become ready.

Framing, header compression and the states of streams are h2's. Requests, answers, the ledger and behaviours are the
same as on HTTP/1.1 (``devices.emulator.wire``).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, cast

from h2 import events
from h2.config import H2Configuration
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, SettingsFrame

from devices.emulator import wire
from devices.emulator.exchange import Fields, Opening, Request, Session
from devices.emulator.http2_frames import Frames
from devices.emulator.http2_stream import Stream
from devices.emulator.wire import KEPT, MOST_HEADERS, Outbox

ROOM = 1024 * 1024  # bytes of bodies that all streams of a connection may send before they are given more room
HEADERS_LIST = 64 * 1024  # bytes, as RFC 9113, section 6.5.2 counts them
MOST_IDLE_FRAMES = 10_000  # on one connection while SPELL lasts: PING, SETTINGS and others that bring no request
SPELL = 10.0  # seconds
VISIBLE = re.compile(rb"[!-~]+")  # what a path is made of (RFC 3986, section 2; RFC 9113, section 8.3.1)
SWEEP = 100  # requests after which h2 forgets the streams that are over


class Desk(wire.Desk, Protocol):
    """Whoever answers requests."""

    def greet(self, session: Session) -> Opening:
        """Learn of a new connection, and say what it is opened with."""


class Connection(asyncio.Protocol):
    """One socket. asyncio calls its first methods; ``exchange.Session`` is what behaviours see of it."""

    transport: asyncio.Transport
    _numbers = count(1)

    def __init__(self, desk: Desk, outbox: Outbox, open_ones: set[Connection]) -> None:
        self.number = next(self._numbers)
        self.outbox = outbox
        self.writable = asyncio.Event()
        self.frames = Frames(H2Configuration(
            client_side=False, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        ))  # fmt: skip
        self.highest = 0  # stream that was begun
        self._desk = desk
        self._open_ones = open_ones
        self._streams: dict[int, Stream] = {}
        self._limit = 0
        self._last: int | None = None  # stream that is answered, after GOAWAY
        self._shut = False
        self._held = False
        self._flushing = False
        self._idle_frames = 0
        self._spell = 0.0  # when it began
        self._secure = False
        self._certificate_name = ""
        self._certificate_user = ""
        self._trusted: int | None = None  # streams that a known sender will be allowed
        self._on: dict[type[events.Event], Callable[[Any], None]] = {
            events.RequestReceived: self._begin,
            events.DataReceived: self._take_body,
            events.StreamEnded: self._end,
            events.StreamReset: self._lose,
            events.WindowUpdated: self._widen,
            events.RemoteSettingsChanged: self._change,
            events.ConnectionTerminated: lambda event: self._leave(),
            events.PingAckReceived: lambda event: None,  # answers to what a behaviour sent
            events.SettingsAcknowledged: lambda event: None,
            events.TrailersReceived: lambda event: None,  # no push service reads them
        }

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.writable.set()
        self._open_ones.add(self)
        self._secure = transport.get_extra_info("ssl_object") is not None
        self._certificate_name = wire.certified_name(transport)
        self._certificate_user = wire.certified_name(transport, "userId")
        opening = self._desk.greet(self)
        self._limit, self._trusted = opening.streams, opening.trusted
        told: dict[SettingCodes | int, int] = {
            SettingCodes.MAX_CONCURRENT_STREAMS: opening.streams,
            SettingCodes.INITIAL_WINDOW_SIZE: opening.window,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_LIST,
        }
        # h2 would hold a peer to what it has not read yet: so the first SETTINGS are written here, and count from
        # their acknowledgement on (RFC 9113, section 6.5.3).
        self.frames.initiate_connection()
        self.frames.clear_outbound_data_buffer()
        self.frames.local_settings.update(told)
        self.transport.write(SettingsFrame(0, settings={int(code): value for code, value in told.items()}).serialize())
        self.frames.increment_flow_control_window(ROOM - 65_535)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        try:
            happened = self.frames.receive_data(data)
        except ProtocolError as error:
            # h2 has a GOAWAY ready, unless it is the preface that is wrong (RFC 9113, section 3.4).
            has_one = self.frames.state_machine.state is ConnectionState.CLOSED
            self._fail(None if has_one else error.error_code)
            return
        # While these are met, h2 has read on: a stream may be given up, and the peer may have left.
        with contextlib.suppress(ProtocolError):
            for event in happened:
                self._on.get(type(event), self._idle)(event)
                if self.transport.is_closing():
                    return
        if self.frames.state_machine.state is ConnectionState.CLOSED:
            self._leave()
        self.flush_soon()

    def pause_writing(self) -> None:
        self.writable.clear()
        self.transport.pause_reading()  # or a peer that asks without reading would fill our memory

    def resume_writing(self) -> None:
        self.writable.set()
        self.transport.resume_reading()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)
        self._abandon(-1)
        self.writable.set()

    # exchange.Session

    @property
    def open_streams(self) -> int:
        """Return how many requests are being sent or answered."""
        return len(self._streams)

    def allow(self, streams: int) -> None:
        """Announce how many streams may be open at once. More are refused from now on."""
        self._limit = streams
        self.frames.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.flush_soon()

    def trust(self) -> None:
        """Allow as many streams as the opening grants to a known sender. Does nothing the second time."""
        if self._trusted is not None:  # what came in one piece with the first request is still too much
            asyncio.get_running_loop().call_soon(self._trust, self._trusted)
            self._trusted = None

    def _trust(self, streams: int) -> None:
        with contextlib.suppress(ProtocolError):  # the connection may have ended
            self.allow(streams)

    def ignore_pings(self) -> None:
        """Acknowledge no PING from now on (RFC 9113, section 6.7 wants it): the connection looks dead."""
        self.frames.answers_pings = False

    def shut(self) -> None:
        """Announce a window of 0 bytes for every stream, and give none back from now on."""
        self._shut = True
        self.frames.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.flush_soon()

    def go_away(self, last: int, error: int = 0, debug: bytes = b"") -> None:
        """Send GOAWAY: streams above ``last`` are dropped without an answer; closed when the others are answered."""
        self.flush()
        if self.transport.is_closing():
            return
        # Written past h2, which would answer nothing after it (RFC 9113, section 6.8 wants the others answered).
        self.transport.write(GoAwayFrame(0, last_stream_id=last, error_code=error, additional_data=debug).serialize())
        self._last = last if self._last is None else min(last, self._last)
        self._abandon(self._last)
        self._close_when_done()

    async def raw(self, octets: bytes) -> None:
        """Send bytes as they are, after everything sent so far, waiting while the peer does not read."""
        await self.writable.wait()
        self.flush()
        if self.transport.is_closing():
            raise asyncio.CancelledError
        self.transport.write(octets)

    def hold(self) -> None:
        """Send nothing but ``raw`` from now on: no frame may come within a head (RFC 9113, section 6.10)."""
        self.flush()
        self._held = True

    def close(self) -> None:
        """Close the connection in an orderly way (FIN), without GOAWAY, once everything written is out."""
        self.flush()
        self.transport.close()

    def reset(self) -> None:
        """Close the connection with a TCP RST."""
        wire.reset(self.transport)

    # sending

    def flush_soon(self) -> None:
        """Send what is ready at the end of this turn, answers of many streams in one write."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what is ready."""
        self._flushing = False
        if not self._held and not self.transport.is_closing():
            ready = self.frames.data_to_send()
            if ready:
                self.transport.write(ready)

    def finish(self, stream: Stream) -> None:
        """Forget a stream whose answer is sent."""
        stream.abandon(task=False)
        self._streams.pop(stream.number, None)
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._last is not None and not self._streams:
            self.close()

    def _abandon(self, last: int) -> None:
        for number in [number for number in self._streams if number > last]:
            self._streams.pop(number).abandon()

    def _pump(self) -> None:
        for stream in list(self._streams.values()):
            if stream.rest:
                stream.pump()

    def _fail(self, error: ErrorCodes | None = None) -> None:
        """End the connection with the GOAWAY that h2 has made, or with one of this code."""
        if error is not None:
            self.frames.close_connection(error)
        self._abandon(-1)
        self.close()

    # what h2 tells

    def _begin(self, event: events.RequestReceived) -> None:
        number = event.stream_id
        if number % (2 * SWEEP) == 1:
            self.frames.sweep()
        if self._last is not None and number > self._last:
            return
        if len(self._streams) >= self._limit:
            Stream(self, number).reset(ErrorCodes.REFUSED_STREAM)
            self._idle(event)
            return
        self.highest = number
        stream = self._streams[number] = Stream(self, number)
        _read(stream.request, event.headers)
        stream.request.secure, stream.request.certificate_name = self._secure, self._certificate_name
        stream.request.certificate_user = self._certificate_user
        if not VISIBLE.fullmatch(stream.request.target):
            stream.reset(ErrorCodes.PROTOCOL_ERROR)
            return
        stream.early = self._desk.early(stream.request.target)
        if stream.early is not None and stream.early.reset:
            stream.reset(ErrorCodes.REFUSED_STREAM)
            return
        if stream.early is not None and stream.early.shut:
            self.shut()
        if b"expect" in stream.request.headers:
            stream.head([(b":status", b"100")])

    def _take_body(self, event: events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if not event.data:
            self._idle(event)
        elif stream is not None:
            if stream.request.size < KEPT:
                stream.parts.append(event.data)
            stream.request.size += len(event.data)
        if event.flow_controlled_length and not self._shut:
            self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _end(self, event: events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        stream.request.body = b"".join(stream.parts)
        stream.parts = []
        seconds = stream.early.seconds if stream.early else 0.0
        if seconds:
            stream.task = asyncio.create_task(self._serve_later(stream, seconds))
        else:
            self._serve(stream)

    async def _serve_later(self, stream: Stream, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._serve(stream)

    def _serve(self, stream: Stream) -> None:
        reply = self._desk.answer(stream.request)
        if reply.play is None and not reply.seconds:
            self.outbox.put(stream, reply)
            return
        self.outbox.call()  # the ledger is written before the task below gets its first turn
        stream.task = asyncio.create_task(stream.play(reply))

    def _lose(self, event: events.StreamReset) -> None:
        stream = self._streams.pop(event.stream_id, None)
        if stream is not None:
            stream.abandon()
            self._close_when_done()
        self._idle(event)

    def _widen(self, event: events.WindowUpdated) -> None:
        if not any(stream.rest for stream in self._streams.values()):
            self._idle(event)
        self._pump()

    def _change(self, event: events.RemoteSettingsChanged) -> None:
        self._idle(event)
        self._pump()

    def _leave(self) -> None:
        """End the connection: the peer said that it leaves, after which h2 can send nothing."""
        self._abandon(-1)
        self.close()

    def _idle(self, event: events.Event) -> None:
        """Count what brings no request, and end a connection that brings little else (CVE-2019-9512 and the like)."""
        now = asyncio.get_running_loop().time()
        if now > self._spell + SPELL:
            self._spell, self._idle_frames = now, 0
        self._idle_frames += 1
        if self._idle_frames > MOST_IDLE_FRAMES:
            with contextlib.suppress(ProtocolError):
                self._fail(ErrorCodes.ENHANCE_YOUR_CALM)


def _read(request: Request, fields: Fields) -> None:
    """Put fields of HTTP/2 into ``request`` as those of HTTP/1.1 would be (RFC 9113, sections 8.2.3 and 8.3.1)."""
    headers = request.headers
    for name, value in fields:
        if name == b":method":
            request.method = value
        elif name == b":path":
            request.target = value
        elif name == b":authority":
            headers[b"host"] = value
        elif not name.startswith(b":") and len(headers) < MOST_HEADERS and not (name == b"host" and name in headers):
            if name in headers:
                request.repeated += (name,)
                headers[name] += (b"; " if name == b"cookie" else b", ") + value
            else:
                headers[name] = value
