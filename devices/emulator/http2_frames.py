"""h2, where a server that meets bad peers and plays bad ones itself needs it to be different."""

from __future__ import annotations

from typing import Any

import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event
from h2.exceptions import FrameTooLargeError
from h2.frame_buffer import FrameBuffer
from hyperframe.frame import Frame, PingFrame

LENGTH = 3  # bytes that say how long a frame is (RFC 9113, section 4.1)
LARGE = 16 * 1024  # bytes of fields from which on compressing them would only cost time


class Encoder(hpack.Encoder):
    """Compresses fields, but writes very many or very long ones as they are, in a fraction of the time."""

    def encode(self, headers: Any, huffman: bool = True) -> bytes:
        fields = [(bytes(name), bytes(value)) for name, value in headers]
        if sum(len(name) + len(value) for name, value in fields) < LARGE:
            return super().encode(fields, huffman)
        return super().encode([]) + b"".join(  # the first is a change of the table's size that may be due
            b"\x00%s%s%s%s" % (_length(name), name, _length(value), value) for name, value in fields
        )


def _length(octets: bytes) -> bytes:
    """Return the length of a literal, as RFC 7541, section 5.1 writes it with a prefix of seven bits."""
    return bytes(hpack.hpack.encode_integer(len(octets), 7))


class _Buffer(FrameBuffer):
    """Refuses a frame that is too long when its length is known, where h2 would first wait for all of it."""

    def __next__(self) -> Frame:
        if len(self._data) >= LENGTH and int.from_bytes(self._data[:LENGTH], "big") > self.max_frame_size:
            raise FrameTooLargeError("a frame that is too long")
        return super().__next__()


class Frames(H2Connection):
    """h2, but with a limit of streams that refuses the one stream too many, not the whole connection.

    While ``answers_pings`` is False no PING is acknowledged.
    """

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.incoming_buffer = _Buffer(server=True)
        self.encoder = Encoder()
        self.answers_pings = True

    @property
    def open_inbound_streams(self) -> int:
        """Return 0: ``http2.Connection`` counts, and h2 would look at each stream for every request."""
        return 0

    def sweep(self) -> None:
        """Forget the streams that are over."""
        self._open_streams(1)

    def _receive_ping_frame(self, frame: PingFrame) -> tuple[list[Frame], list[Event]]:
        answers, happened = super()._receive_ping_frame(frame)
        return (answers if self.answers_pings else []), happened
