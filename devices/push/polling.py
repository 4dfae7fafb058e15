"""Waiting for connections of several of libcurl's multi handles at once."""

from __future__ import annotations

import select
import time
from typing import Any


def wait(multis: list[Any], seconds: float) -> None:
    """Return when a connection of any of these has something to do, at the latest after ``seconds``."""
    if len(multis) == 1:
        multis[0].select(seconds)
        return
    reading: list[int] = []
    writing: list[int] = []
    for multi in multis:
        read, write, _errors = multi.fdset()
        reading += read
        writing += write
    if reading or writing:
        select.select(reading, writing, [], seconds)
    else:
        time.sleep(min(seconds, 0.01))  # a name is being looked up
