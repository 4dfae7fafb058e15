"""Configuration of gunicorn (--config python:pushadmin.webserver): one process, eight threads, on loopback.

Behind a proxy on another machine, BIND says where to listen.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from campaigns import lifeline

bind = os.environ.get("BIND") or f"127.0.0.1:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = 1
threads = 8
loglevel = "warning"
timeout = 60
graceful_timeout = 10
control_socket_disable = True


def when_ready(server: Any) -> None:
    """End when whoever started us is gone: gunicorn itself would stay."""
    if os.environ.get(lifeline.VARIABLE):
        threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    while not lifeline.wait(3600):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
