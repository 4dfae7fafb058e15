"""How the processes of a worker learn that they should stop: the pipe to their supervisor is closed.

`manage.py runworker` holds the only writing end. It closes it to stop the sending; it cannot help closing it when it
dies. Either way the reading ends, inherited by every process below it, come to their end.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time

VARIABLE = "PUSHADMIN_LIFELINE"
GRACE = 20.0  # seconds from the cut to the end of whoever is still there


def cut() -> bool:
    """Return whether the supervisor told us to stop, or is gone. False where there is no supervisor."""
    return wait(0)


def wait(seconds: float) -> bool:
    """Sleep for ``seconds`` or until the lifeline is cut; return whether it is."""
    number = os.environ.get(VARIABLE)
    if number is None:
        time.sleep(seconds)
        return False
    readable, _, _ = select.select([int(number)], [], [], seconds)
    return bool(readable)


def watch() -> None:
    """End this process, at the latest GRACE seconds after the lifeline is cut, in a thread of its own.

    django-q2 leaves its workers, pusher and monitor running when their parent dies, and they go on taking tasks; with
    this each of them ends by itself.
    """
    if os.environ.get(VARIABLE) is None:
        return
    threading.Thread(target=_wait_and_end, name="lifeline", daemon=True).start()
    os.register_at_fork(after_in_child=_watch_again)


def _watch_again() -> None:
    threading.Thread(target=_wait_and_end, name="lifeline", daemon=True).start()


def _wait_and_end() -> None:
    while not wait(3600):
        pass
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)
