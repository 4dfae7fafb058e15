"""The client's side of one HTTP/2 connection, as plain as can be: h2, a socket and a record of what came."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import Frame, GoAwayFrame

Found = TypeVar("Found")
WAIT = 10.0  # seconds for anything that a test waits for
KEPT = 1_000_000  # bytes of a body


@dataclass
class Answer:
    """What came on one stream so far. ``reset`` is the code of a RST_STREAM."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0  # of the body, of which KEPT are kept
    pieces: int = 0  # DATA frames
    informed: list[dict[str, str]] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """Return the status, 0 before the head is there or when it has none."""
        status = self.headers.get(":status", "")
        return int(status) if status.isdecimal() else 0

    @property
    def over(self) -> bool:
        """Tell whether no more can come."""
        return self.ended or self.reset is not None


def tls(
    address: tuple[str, int], authority: Path, *protocols: str, own: tuple[Path, Path] | None = None
) -> ssl.SSLSocket:
    """Open a TLS connection that offers these protocols, and shows a certificate (its file and that of its key)."""
    context = ssl.create_default_context(cafile=str(authority))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if own is not None:
        context.load_cert_chain(*own)
    line = socket.create_connection(address, timeout=WAIT)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(line, server_hostname=address[0], suppress_ragged_eofs=False)
    except BaseException:
        line.close()
        raise


class Client:
    """One connection. Use as a context. ``gives`` tells whether windows are given back for what arrives."""

    def __init__(
        self,
        port: int,
        authority: Path,
        window: int = 65_535,
        gives: bool = True,
        own: tuple[Path, Path] | None = None,
    ) -> None:
        self.line = tls(("127.0.0.1", port), authority, "h2", own=own)
        self.frames = _Frames(H2Configuration(header_encoding=None, validate_inbound_headers=False))
        self.frames.local_settings = type(self.frames.local_settings)(
            client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window, SettingCodes.ENABLE_PUSH: 0}
        )
        self._gives = gives
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.went: events.ConnectionTerminated | None = None  # their GOAWAY
        self.closed = False
        self.broken: Exception | None = None  # why h2 would not read on, or the RST
        self.settings: list[dict[int, int]] = []
        self.acknowledged = 0  # settings of ours
        self.pings = self.pongs = 0
        self.frames.initiate_connection()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.line.close()

    def flush(self) -> None:
        """Send what is ready."""
        self.raw(self.frames.data_to_send())

    def raw(self, octets: bytes) -> None:
        """Send bytes as they are; nothing when the peer has left."""
        with contextlib.suppress(OSError):
            self.line.sendall(octets)

    def ask(self, target: str, body: bytes = b"", *headers: tuple[str, str], end: bool = True, now: bool = True) -> int:
        """Send a request, or make it ready, and return its stream. As much of the body goes as the windows let."""
        stream = self.frames.get_next_available_stream_id()
        peer = self.line.getpeername()
        fields = [(":method", "POST"), (":scheme", "https"), (":authority", f"127.0.0.1:{peer[1]}"), (":path", target)]
        self.frames.send_headers(stream, [*fields, *headers], end_stream=end and not body)
        self.give(stream, body, end)
        if now:
            self.flush()
        return stream

    def give(self, stream: int, body: bytes, end: bool = True) -> int:
        """Make ready of a body what the windows let; return how much that was."""
        sent = 0
        while sent < len(body):
            size = min(
                self.frames.local_flow_control_window(stream), self.frames.max_outbound_frame_size, len(body) - sent
            )
            if size <= 0:
                break
            sent += size
            self.frames.send_data(stream, body[sent - size : sent], end_stream=end and sent == len(body))
        return sent

    def answer(self, stream: int) -> Answer:
        """Wait for the end of an answer, or of the connection."""
        return self.until(lambda: self.answers[stream] if self.answers[stream].over or self.gone else None)

    def get(self, target: str, body: bytes = b"") -> Answer:
        """Send a request and wait for the end of its answer."""
        return self.answer(self.ask(target, body))

    @property
    def gone(self) -> bool:
        """Tell whether the connection can carry nothing more."""
        return self.closed or self.broken is not None

    def end(self) -> None:
        """Wait for the end of the connection."""
        self.until(lambda: self.gone)

    def until(self, condition: Callable[[], Found | None], seconds: float = WAIT) -> Found:
        """Read until ``condition`` returns something; return that."""
        last = time.monotonic() + seconds
        while not (found := condition()):
            left = last - time.monotonic()
            assert left > 0, f"waited {seconds} s; answers {dict(self.answers)}"
            assert not self.gone, f"no more can come: {self.broken}; answers {dict(self.answers)}"
            self.read(left)
        return found

    def listen(self, seconds: float) -> None:
        """Read for so many seconds, whatever comes."""
        last = time.monotonic() + seconds
        while (left := last - time.monotonic()) > 0 and not self.gone:
            self.read(left)

    def read(self, seconds: float) -> bool:
        """Read once. False when nothing came within so many seconds."""
        if self.gone:
            return False
        self.line.settimeout(max(seconds, 0.001))
        try:
            octets = self.line.recv(262_144)
        except TimeoutError:
            return False
        except OSError as error:
            self.broken = error
            return False
        finally:
            self.line.settimeout(WAIT)
        if not octets:
            self.closed = True
            return False
        try:
            happened = self.frames.receive_data(octets)
        except ProtocolError as error:
            self.broken = error
            return True
        for event in happened:
            self._take(event)
        self.flush()
        return True

    def _take(self, event: events.Event) -> None:
        match event:
            case events.ConnectionTerminated():
                self.went = event
            case events.RemoteSettingsChanged():
                self.settings.append({int(code): change.new_value for code, change in event.changed_settings.items()})
            case events.SettingsAcknowledged():
                self.acknowledged += 1
            case events.PingReceived():
                self.pings += 1
            case events.PingAckReceived():
                self.pongs += 1
            case events.WindowUpdated():
                pass
            case _ if hasattr(event, "stream_id"):
                self._take_part(event, self.answers[event.stream_id])

    def _take_part(self, event: events.Event, answer: Answer) -> None:
        match event:
            case events.InformationalResponseReceived():
                answer.informed.append(_text(event.headers))
            case events.ResponseReceived():
                answer.headers = _text(event.headers)
            case events.TrailersReceived():
                answer.trailers = _text(event.headers)
            case events.StreamEnded():
                answer.ended = True
            case events.StreamReset():
                answer.reset = int(event.error_code)
            case events.DataReceived():
                answer.pieces += 1
                answer.size += len(event.data)
                if answer.size <= KEPT:
                    answer.body += event.data
                if self._gives:
                    self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def _text(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in fields}


class _Frames(H2Connection):
    """h2, but ready to hear answers after a GOAWAY (RFC 9113, section 6.8)."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[events.Event]]:
        event = events.ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        event.additional_data = frame.additional_data
        return [], [event]
