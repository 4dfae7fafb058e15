"""The emulator as a process of its own, for tests that push for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.waiting import ending, line_of

ROOT = Path(__file__).resolve().parent.parent
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


class EmulatorProcess:
    """An emulator on a free port, with a ledger. It ends with ``stop``, or when this process does.

    Use it as a context manager. ``flags`` are those of ``python -m devices.emulator``.
    """

    def __init__(self, *flags: str, ledger: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="emulator-")
        self.ledger_file = ledger or Path(self._folder.name) / "ledger.jsonl"
        ours, self._lifeline = os.pipe()  # our end closes when we die, however we die
        command = [sys.executable, "-m", "devices.emulator", "--port", "0", "--ledger", str(self.ledger_file)]
        self.process = subprocess.Popen(
            [*command, "--lifeline-fd", str(ours), *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(ours,),
        )
        os.close(ours)
        self.url = self._announced("listening on")
        secure, own = (any(flag.startswith(name) for flag in flags) for name in ("--tls-port", "--tls-folder"))
        self.secure_url = self._announced("listening on") if secure else ""
        self.authority = Path(self._announced("authority")) if own else None  # the file of its certificate

    def _announced(self, what: str) -> str:
        """Return what the emulator prints next: an address, or a file."""
        try:
            line = line_of(self.process)
            if line.startswith(f"emulator {what} "):
                return line.removeprefix(f"emulator {what} ").rstrip("\n")
            raise RuntimeError(f"the emulator did not start: {line!r}")
        except BaseException:
            self.stop()
            raise

    def uri(self, channel_id: str) -> str:
        """Return the channel URI with this id; what stands before its dot names the behaviour: "expired.dev-8"."""
        return f"{self.url}/throttledthirdparty/01.00/{channel_id}"

    def ledger(self) -> list[dict[str, Any]]:
        """Return every line of the ledger, oldest first."""
        return [json.loads(line) for line in self.ledger_file.read_text().splitlines()]

    def control(self, path: str, wishes: dict[str, Any] | None = None) -> Any:
        """Ask the control API: GET without ``wishes``, POST with them. ``path`` is "state", "phones?since=0", "clock" …

        Raises urllib.error.HTTPError when the emulator refuses.
        """
        body = None if wishes is None else json.dumps(wishes).encode()
        request = urllib.request.Request(f"{self.url}/emulator/{path}", body, {"Content-Type": "application/json"})
        with _opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End the process and remove its folder. Safe to call again. An emulator that has to be killed is an error."""
        if self._lifeline < 0:
            return
        os.close(self._lifeline)
        self._lifeline = -1
        self.process.terminate()
        with self._folder, ending(self.process, within=10):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
