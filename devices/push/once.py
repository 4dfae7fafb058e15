"""One push by itself, while a person waits for what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from devices.push.base import Answer, Lost, Request
from devices.push.engine import Engine

DEADLINE = 5.0  # seconds for the whole exchange
NOBODY: Mapping[str, str] = MappingProxyType({})


def exchanged(request: Request, allow: frozenset[str] = frozenset(), trust: Mapping[str, str] = NOBODY) -> Answer:
    """Send ``request`` by the engine that carries all pushes, and return the answer, within DEADLINE.

    ``allow`` and ``trust`` are the engine's.
    """
    engine: Engine[None] = Engine(concurrency=1, deadline=DEADLINE, allow=allow, trust=trust)
    try:
        engine.start(request, None)
        answers = engine.wait(DEADLINE + 1.0)
    finally:
        engine.close()
    return answers[0][1] if answers else Answer(0, lost=Lost.AMBIGUOUS, error="No answer came in time.")
