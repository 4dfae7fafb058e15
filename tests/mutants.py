"""Does every test that shows a fault to be met notice when it is not? python -m tests.mutants [NUMBER | WORD …]

Makes each mistake of tests/mutations/ in a copy of the tracked files and runs its tests there. They must fail; a
mistake that nobody notices means that a test proves nothing. NUMBERs are faults of docs/reliability.md, a WORD is a
part of a mistake's sentence, file or tests. The database is that of the environment: under ``python -m tests.postgres``
the mistakes that only PostgreSQL shows are made as well.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutations import ALL
from tests.mutations.table import Mutation, Unfit

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ("pytest", "-q", "-x", "--no-header", "--tb=line", "-p", "no:randomly", "-p", "no:cacheprovider")
UNCHANGED = 900.0  # seconds for all tests of all chosen mistakes, in a copy without a mistake
FAREWELL = 60.0  # seconds a run that was ended gets to put things away
FAILED = re.compile(r"^(FAILED .*|(\d+ failed.*))$", re.MULTILINE)
BAD_RUN = re.compile(r"^violations +[1-9]", re.MULTILINE)
POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")


def chosen(words: Sequence[str]) -> list[Mutation]:
    """Return the mistakes that the command line asks for; all without a word."""
    numbers = {int(word) for word in words if word.isdecimal()}
    texts = [word for word in words if not word.isdecimal()]
    return [
        row
        for row in ALL
        if not words
        or numbers & set(row.faults)
        or any(text in " ".join([row.file, row.what, *row.tests]) for text in texts)
    ]


def copied(folder: Path) -> Path:
    """Copy the tracked files, as they are in the checkout, into ``folder``; return it."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def ran(folder: Path, command: Sequence[str], seconds: float) -> tuple[int, str]:
    """Run ``python -m command`` in a copy; return its exit code (124: not over in time) and what it printed."""
    temporary = folder.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o755)  # a server of PostgreSQL in it may be another user's
    bounded = [sys.executable, "-m", "tests.bounded", f"{seconds:g}", "--", sys.executable, "-m", *command]
    told = folder.parent / "told"  # not a pipe: who outlives a run that was killed would hold it open
    with told.open("wb") as output:
        code = subprocess.run(
            bounded,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds + FAREWELL,
        ).returncode
    return code, told.read_text(errors="replace")


def verdict(row: Mutation, code: int, printed: str) -> str:
    """Return "found", "SURVIVED", or "UNCLEAR" when the run says neither: no test failed, but none passed either."""
    if code == 0:
        return "SURVIVED"
    noticed = BAD_RUN if row.command else FAILED
    return "found" if code == 1 and noticed.search(printed) else "UNCLEAR"


def tried(row: Mutation) -> str:
    """Make one mistake in a copy and return the verdict; after anything but "found", with what was printed last."""
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        folder = copied(Path(place) / "copy")
        file = folder / row.file
        try:
            file.write_text(row.applied(file.read_text(encoding="utf-8")), encoding="utf-8")
        except (Unfit, OSError) as problem:
            return f"UNFIT     {problem}"
        code, printed = ran(folder, row.command or [*PYTEST, *row.tests], row.seconds)
        found = verdict(row, code, printed)
        if found == "found":
            return found
        return f"{found}\n" + "\n".join(f"    {line}" for line in [f"exit code {code}", *printed.splitlines()[-12:]])


def unchanged(rows: Sequence[Mutation]) -> str:
    """Run all tests of ``rows`` in a copy without a mistake; return "" when they pass, else what was printed last.

    Without this a test that fails for another reason would pass for a good one.
    """
    tests = list(dict.fromkeys(test for row in rows for test in row.tests))
    if not tests:
        return ""
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        code, printed = ran(copied(Path(place) / "copy"), [*PYTEST, *tests], UNCHANGED)
    return "" if code == 0 else printed[-3000:]


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Try all mistakes that were asked for; 1 when one of them was not found."""
    rows = chosen(words)
    left_out = [row for row in rows if (row.postgres and not POSTGRES) or (row.sqlite and POSTGRES)]
    for row in left_out:
        tell(f"{row.label:8} left out  {row.what} (only {'PostgreSQL' if row.postgres else 'SQLite'} shows it)")
    rows = [row for row in rows if row not in left_out]
    if printed := unchanged(rows):
        tell(f"The tests fail without any mistake:\n{printed}")
        return 1
    unfound = 0
    for row in rows:
        result, _, more = tried(row).partition("\n")
        tell(f"{row.label:8} {result:9} {row.what}" + (f"\n{more}" if more else ""))
        unfound += result != "found"
    tell(f"{len(rows) - unfound} of {len(rows)} mistakes were found.")
    return 1 if unfound else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
