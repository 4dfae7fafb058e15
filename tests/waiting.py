"""Waits that end: each has a limit, and says what it waited for and what it saw instead."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import AnyStr


def until(
    condition: Callable[[], object],
    seconds: float,
    what: str,
    *,
    saw: Callable[[], object] | None = None,
    every: float = 0.05,
) -> float:
    """Return after how many seconds ``condition`` held; AssertionError when it did not within ``seconds``."""
    began = time.monotonic()
    while not condition():
        passed = time.monotonic() - began
        if passed > seconds:
            seen = f"; saw {saw()!r}" if saw else ""
            raise AssertionError(f"waited {passed:.1f} s, more than {seconds:g} s, for: {what}{seen}")
        time.sleep(min(every, seconds))
    return time.monotonic() - began


def ended(*threads: threading.Thread, within: float = 60.0) -> None:
    """Join threads; AssertionError when one of them still runs ``within`` seconds later."""
    last = time.monotonic() + within
    for thread in threads:
        thread.join(timeout=max(0.0, last - time.monotonic()))
    left = [thread.name for thread in threads if thread.is_alive()]
    assert not left, f"still running after {within:g} s: {', '.join(left)}"


def line_of(process: subprocess.Popen[AnyStr], within: float = 30.0) -> AnyStr:
    """Return the next line that ``process`` prints; AssertionError when none comes within so many seconds."""
    stream, got = process.stdout, []
    assert stream is not None
    # In a thread, because a line that Python has read ahead would not wake a select.
    reader = threading.Thread(target=lambda: got.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(timeout=within)
    assert got, f"{process.args!r} printed no line within {within:g} s; exit code {process.poll()}"
    return got[0]


@contextmanager
def ending(process: subprocess.Popen[AnyStr], within: float = 15.0) -> Iterator[subprocess.Popen[AnyStr]]:
    """Yield ``process`` and expect its end soon after the block; it is killed when it does not come or on an error."""
    try:
        yield process
        process.wait(timeout=within)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=10)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
