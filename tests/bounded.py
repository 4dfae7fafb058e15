"""A command that cannot hang: python -m tests.bounded SECONDS -- COMMAND … ends it, and all it started, after SECONDS.

Then it says what it ended and exits with 124; else with the command's own code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

MARK = "PUSHADMIN_BOUNDED"  # by which processes are found that have left the group
GRACE = 30.0  # seconds that what was interrupted as by Ctrl-C gets to put things away


def run(command: list[str], seconds: float, environment: Mapping[str, str] | None = None) -> int:
    """Run ``command`` in a group of its own and return its exit code; 124 when it took longer than ``seconds``."""
    environment = os.environ if environment is None else environment
    mark = f"{os.getpid()}-{time.time_ns()}"
    marks = " ".join(filter(None, [environment.get(MARK), mark]))  # a limit within a limit: both find it
    child = subprocess.Popen(command, env={**environment, MARK: marks}, start_new_session=True)
    try:
        code = child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        told = "".join(f"\n  {line}" for line in end(child, mark))
        sys.stderr.write(f"Not over within {seconds:g} s: {' '.join(command)}. Ended:{told}\n")
        return 124
    except BaseException:  # Ctrl-C and SIGTERM: nothing outlives us
        end(child, mark)
        raise
    return code if code >= 0 else 128 - code


def end(child: subprocess.Popen[bytes], mark: str) -> list[str]:
    """Interrupt the group, then kill what is left after GRACE; return what was running, a line each."""
    lines = [_line(one) for one in _everybody(child, mark)]
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=GRACE)
    for left in _everybody(child, mark):
        with suppress(psutil.Error):
            left.kill()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    return lines


def _everybody(child: subprocess.Popen[bytes], mark: str) -> list[psutil.Process]:
    """Return the command and what it started: by descent, and by the mark whoever lost its parent."""
    found: dict[int, psutil.Process] = {}
    with suppress(psutil.Error):
        if child.poll() is None:
            root = psutil.Process(child.pid)
            found = {one.pid: one for one in [root, *root.children(recursive=True)]}
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.pid != os.getpid() and mark in one.environ().get(MARK, "").split():
                found[one.pid] = one
    return list(found.values())


def _line(one: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{one.pid} {' '.join(one.cmdline())[:160].strip()}"
    return f"{one.pid} (gone)"


def main(words: list[str]) -> int:
    """Run from the command line."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    if len(words) < 3 or words[1] != "--":
        sys.stderr.write(f"{__doc__}")
        return 2
    try:
        return run(words[2:], float(words[0]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
