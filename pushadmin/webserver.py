"""The web server: waitress, which reads requests and writes answers in one loop and gives threads whole requests alone.

So a client that sends or reads slowly costs a connection and never a thread. Ours on top: a limit on the connections of
one address, a limit on the time that a request may take to arrive, and on its size before any of it is kept.
"""

from __future__ import annotations

import copy
import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer

from devices.common import lifeline
from pushadmin.bodies import most_for

logger = logging.getLogger(__name__)

THREADS = 8
CONNECTIONS = 1000  # open at once, before new ones wait to be accepted
PER_ADDRESS = 100  # of them from one address; behind a proxy the proxy counts (docs/operations.md)
SILENT = 20  # seconds without a byte until a connection is closed
ARRIVES = 20.0  # seconds a request may take to arrive, and …
SLOWEST = 20_000  # … bytes a second of its body beyond them
GRACE = 10.0  # seconds that running requests get at the end
SWEEP = 2  # seconds between two looks for those that are too slow


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Reads one request; knows when its first byte came, and how large its body may be."""

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began = time.monotonic()

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head, then take the limit for the body that follows."""
        super().parse_header(header_plus)
        self.adj: Adjustments = copy.copy(self.adj)
        self.adj.max_request_body_size = most_for(self.path, self.query) + 1  # waitress refuses from there on

    @property
    def late(self) -> bool:
        """Whether the rest of this request should have come by now."""
        allowed: float = ARRIVES + self.body_bytes_received / SLOWEST
        return time.monotonic() - self.began > allowed


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    parser_class = Parser


class WebServer(TcpWSGIServer):  # type: ignore[misc]
    """Accepts, and sweeps out who is too slow."""

    channel_class = Channel
    per_address = PER_ADDRESS

    def accept(self) -> Any:
        """Accept a connection; close it at once when its address has as many as it may."""
        accepted = super().accept()
        if accepted is None or not self.per_address:
            return accepted
        connection, address = accepted
        open_now = sum(channel.addr[0] == address[0] for channel in self.active_channels.values())
        if open_now < self.per_address:
            return accepted
        connection.close()
        return None

    def maintenance(self, now: float) -> None:
        """Close who is silent, and who takes too long over one request."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.request is not None and channel.request.late and not channel.requests:
                channel.will_close = True


def adjustments(host: str, port: int) -> Adjustments:
    """Return what waitress is told."""
    return Adjustments(
        listen=f"{host}:{port}",
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=SILENT,
        cleanup_interval=SWEEP,
        asyncore_use_poll=True,  # select() knows no descriptor beyond 1,023
        backlog=1024,
        ident=None,
        inbuf_overflow=64 * 1024,  # bytes of a body in memory
        # An answer goes into a file while its reader is slow, and its thread is free.
        outbuf_high_watermark=512 * 1024 * 1024,
        # Django believes X-Forwarded-… only with BEHIND_PROXY; who it is from is decided there alone.
        clear_untrusted_proxy_headers=False,
        log_socket_errors=False,
    )


def serve(application: Callable[..., Any], host: str, port: int, *, per_address: int = PER_ADDRESS) -> None:
    """Serve until SIGTERM, Ctrl-C or the end of whoever started us; running requests get GRACE seconds."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of a few requests is nothing to report
    adj = adjustments(host, port)
    server = WebServer(application, adj=adj, sockinfo=adj.listen[0])
    server.per_address = per_address
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    server.run()


def _stop(number: int, frame: object) -> None:
    raise SystemExit(0)


def _end_with_parent() -> None:
    while not lifeline.wait(3600):
        pass
    signal.raise_signal(signal.SIGTERM)
