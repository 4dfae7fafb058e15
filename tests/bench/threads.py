"""pywebpush in 16 threads, run by a Python that has it: python tests/bench/threads.py, with the task as JSON on stdin.

Nothing of this project is imported: that Python has none of what it needs.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import count
from typing import Any

import requests
from py_vapid import Vapid
from pywebpush import webpush

THREADS = 16
LONGEST = 600.0  # seconds for all of it


def send(task: dict[str, Any], total: int) -> None:
    """Send ``total`` pushes by ``webpush()``. AssertionError when not every one is accepted.

    ``task`` has ``endpoints`` (a text that ends where the number goes), ``keys``, ``text``, ``ttl``, ``private``,
    ``contact`` and ``kept``: whether each thread keeps a session and the key is read once. Otherwise as the library's
    own documentation shows it: a connection and the key anew for each push.
    """
    key = Vapid.from_string(task["private"]) if task["kept"] else task["private"]
    turn, accepted = count(), []

    def work() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (number := next(turn)) < total:
                answer = webpush(
                    {"endpoint": f"{task['endpoints']}{number}", "keys": task["keys"][number % len(task["keys"])]},
                    task["text"],
                    vapid_private_key=key,
                    vapid_claims={"sub": task["contact"]},  # a new one each time: it writes into it
                    ttl=task["ttl"],
                    headers={"Urgency": "normal", "Topic": f"{number:032x}"},
                    timeout=15,
                    requests_session=session if task["kept"] else None,
                )
                assert answer.status_code == 201, answer.status_code
                accepted.append(number)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    last = time.monotonic() + LONGEST
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=max(0.0, last - time.monotonic()))
    assert len(accepted) == total, f"{len(accepted)} of {total} accepted"


def main() -> None:
    """Send what stdin says, and print seconds and seconds of CPU."""
    task = json.load(sys.stdin)
    send(task, min(task["total"], 500))  # connections
    began, cpu = time.monotonic(), time.process_time()
    send(task, task["total"])
    found = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
