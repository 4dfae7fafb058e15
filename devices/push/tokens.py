"""The one exchange by which a bearer token is asked for. Who holds it, and for how long, is the pipeline's."""

from __future__ import annotations

from devices.push.base import Answer, Lost, Request
from devices.push.engine import Engine

DEADLINE = 5.0  # seconds for the whole exchange: well below a push's 15 and a batch's lease


def exchanged(request: Request, allow: frozenset[str] = frozenset()) -> Answer:
    """Send ``request`` to the service's token endpoint and return the answer, within DEADLINE.

    By the engine that carries the pushes: the same guard over addresses, no redirects, no proxy, a bounded answer.
    """
    engine: Engine[None] = Engine(concurrency=1, deadline=DEADLINE, allow=allow)
    try:
        engine.start(request, None)
        answers = engine.wait(DEADLINE + 1.0)
    finally:
        engine.close()
    return answers[0][1] if answers else Answer(0, lost=Lost.AMBIGUOUS, error="No answer came in time.")
