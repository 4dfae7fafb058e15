"""Which addresses of a file were met, and where: on disk, so that a list of millions takes no memory.

SQLite's database without a name is a file of its own that goes with its connection (SQLite, "In-Memory Databases").
"""

from __future__ import annotations

import sqlite3

DONE = 0  # in the place of a line: this address is taken


class Met:
    """The addresses that were met, by their digests. Lines count from 1."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE met (digest TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        self._rows.execute("BEGIN")

    def first(self, digest: str, line: int) -> int:
        """Return the line in which an address was met before; 0 when it was not: from now on it is this one."""
        found = self._rows.execute("SELECT line FROM met WHERE digest = ?", (digest,)).fetchone()
        if found is None:
            self._rows.execute("INSERT INTO met VALUES (?, ?)", (digest, line))
        return found[0] if found else 0

    def note(self, digest: str, line: int) -> None:
        """Remember the line as the last one that has this address."""
        self._rows.execute("INSERT OR REPLACE INTO met VALUES (?, ?)", (digest, line))

    def take(self, digest: str, line: int) -> bool:
        """Return whether this line is the one that counts for an address, once."""
        done = self._rows.execute("UPDATE met SET line = ? WHERE digest = ? AND line = ?", (DONE, digest, line))
        return done.rowcount == 1

    def close(self) -> None:
        """Forget all."""
        self._rows.close()
