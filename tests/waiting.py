"""Waits that end: each has a limit, and says what it waited for and what it saw instead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


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
