"""What a service hands out once and has to know again after a restart: keys, secrets, accounts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

Document = dict[str, object]
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class KeysFolder:
    """JSON documents by name, each a file with mode 0600 in a folder with mode 0700; in memory only without a folder.

    Raises OSError when the folder cannot be made.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._documents: dict[str, str] = {}
        if path is not None:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)

    def read(self, name: str) -> Document:
        """Return the document of this name ("fcm-accounts"), {} while there is none.

        Raises OSError, or ValueError when the file is no JSON object.
        """
        file = self._file(name)
        written = file.read_text() if file and file.exists() else self._documents.get(name, "{}")
        document = json.loads(written)
        if not isinstance(document, dict):
            raise ValueError(f"{name} is no JSON object")
        return document

    def write(self, name: str, document: Document) -> None:
        """Keep the document in place of the former one: the whole of it or nothing. Raises OSError."""
        written = json.dumps(document, indent=1)
        file = self._file(name)
        if file is None:
            self._documents[name] = written
            return
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(written)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)

    def _file(self, name: str) -> Path | None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"no name for a document: {name}")
        return self._path / f"{name}.json" if self._path else None
