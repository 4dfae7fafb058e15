"""The ledger: the only truth about what left our house.

One JSON line for every push that arrived whole, in the file before its answer is on the wire.
"""

from __future__ import annotations

import os
import time
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One push that arrived whole.

    ``answer`` is what will be answered, "200 Received", or "" when no valid answer follows. ``taken`` says whether
    the service keeps the message. ``size`` counts the bytes of the body.
    """

    service: str
    message_id: str
    channel: str
    behaviour: str
    kind: str
    size: int
    answer: str
    taken: bool


class Ledger:
    """Collects the lines of one turn of the event loop and appends them with one write(2)."""

    def __init__(self, path: Path | None) -> None:
        self._lines: list[str] = []
        self._file = -1
        if path is not None:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def note(self, entry: Entry) -> None:
        """Remember one push until ``write``. ``at`` becomes CLOCK_MONOTONIC in nanoseconds, ``wall`` unix seconds."""
        if self._file < 0:
            return
        service, message_id, channel, behaviour, kind, size, answer, taken = entry
        self._lines.append(
            f'{{"service":"{service}","id":{quoted(message_id)},"channel":{quoted(channel)},'
            f'"at":{time.monotonic_ns()},"wall":{time.time():.6f},"kind":"{kind}","bytes":{size},'
            f'"behaviour":{quoted(behaviour)},"answer":{quoted(answer)},"taken":{"true" if taken else "false"}}}\n'
        )

    def write(self) -> None:
        """Append what was noted. Raises OSError when the file cannot take it: then nothing may be answered."""
        if not self._lines:
            return
        rest = memoryview("".join(self._lines).encode())
        self._lines.clear()
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._file >= 0:
            self.write()
            os.close(self._file)
            self._file = -1
