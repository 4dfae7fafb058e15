"""A behaviour that plays HTTP/1.1 on a connection, played on one stream of HTTP/2 as what comes nearest there."""

from __future__ import annotations

from h2.errors import ErrorCodes

from devices.emulator.exchange import Stream, message

END = b"\r\n\r\n"
BODILESS = (b"204", b"304")


class StreamLine:
    """An ``exchange.Line`` that stands for one stream.

    A head is sent when it is whole. Closing before that resets the stream, closing within the body ends it too early;
    breaking the connection resets the stream as well, and leaves the others alone.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._head = bytearray()
        self._whole = False
        self._left: int | None = None  # bytes of the body, None when its end is the end of the connection

    async def write(self, octets: bytes) -> None:
        """Send what can be sent of an answer, waiting for the peer's windows."""
        if not self._whole:
            searched = max(len(self._head) - len(END), 0)
            self._head += octets
            at = self._head.find(END, searched)
            if at < 0:
                return
            octets = bytes(self._head[at + len(END) :])
            self._begin(bytes(self._head[:at]))
        if octets:
            if self._left is not None:
                self._left -= len(octets)
            await self.stream.body(octets, end=self._left == 0)

    def close(self) -> None:
        """End the stream as far as it got."""
        if not self._whole:
            if b"\r\n" in self._head:
                self._begin(bytes(self._head[: self._head.rindex(b"\r\n")]), end=False)
                self.stream.reset(ErrorCodes.INTERNAL_ERROR)
            self.stream.reset(ErrorCodes.CANCEL)
        elif self._left != 0:
            self.stream.end()

    def reset(self) -> None:
        """Break the stream."""
        self.stream.reset(ErrorCodes.INTERNAL_ERROR)

    def _begin(self, head: bytes, end: bool = True) -> None:
        self._whole = True
        fields, _ = message(head)
        lengths = [int(value) for name, value in fields if name == b"content-length"]
        self._left = 0 if fields[0][1] in BODILESS else lengths[0] if lengths else None
        self.stream.head(fields, end=end and self._left == 0)
