"""The header block of an answer, as it came over HTTP/1.1 or as libcurl spells that of HTTP/2, taken apart."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

HEADER_LIMIT = 16 * 1024  # bytes of headers; an answer with more is none

# The blank line that ends headers. It begins with a byte that is there for certain, so that a search leaps from one to
# the next (1.4 µs less an answer); the carriage return before it stays with the last line, as with all others.
END = re.compile(rb"\n\r?\n")


@lru_cache(maxsize=256)  # within a second most answers of a service are the same to the letter
def parsed(block: bytes) -> tuple[int, Mapping[str, str] | None]:
    """Return status and headers of an answer, names in lower case, values as latin-1 text; (0, None) when not whole.

    A response with 1xx is no answer yet (RFC 9110, 15.2): the next one's headers take its place. What follows the blank
    line are trailers of the body.
    """
    while end := END.search(block):
        first, *lines = block[: end.start()].split(b"\n")
        status = first.partition(b" ")[2][:3]
        if not status.isdigit():
            break
        if not status.startswith(b"1"):
            headers = dict(map(_header, lines))
            headers.pop("", None)
            return int(status), MappingProxyType(headers)
        block = block[end.end() :]
    return 0, None


@lru_cache(maxsize=256)  # most lines of a service are the same in every answer
def _header(line: bytes) -> tuple[str, str]:
    """Return name and value of a header line; the name is "" when it is none."""
    name, colon, value = line.decode("latin-1").partition(":")
    return (name.strip().lower(), value.strip()) if colon else ("", "")


class Block(io.RawIOBase):
    """Where the headers of one exchange end up, with one call for all of them.

    libcurl hands over line by line; the buffer in front of this takes the lines in C (nine lines: 1.5 µs). What does
    not fit into it is too much.
    """

    def __init__(self, flooded: Callable[[], None]) -> None:
        super().__init__()
        self._flooded = flooded
        self._taken: bytes | None = None  # None: nobody asked for it yet
        self._first = b""  # what was heard first of too much
        self.buffer = io.BufferedWriter(self, HEADER_LIMIT)

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        """Take what the buffer holds: because somebody wants it, or because it is full."""
        if self._taken is None:
            self._first = self._first or bytes(part)
            self._flooded()
        else:
            self._taken += bytes(part)
        return len(part)

    def take(self) -> bytes:
        """Return everything since the last time, and forget it."""
        self._taken = b""
        self.buffer.flush()
        taken, self._taken, self._first = self._first or self._taken, None, b""
        return taken
