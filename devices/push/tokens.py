"""The one exchange by which a bearer token is asked for, over ``requests``. Who holds it is devices/bearer.py.

The same rules as for pushes: every address is judged after it was resolved and dialled as it was judged, no redirects,
no proxy, no cookies, no .netrc, TLS always verified, a bounded answer, and a bound on the time for all of it.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from devices.push import guard
from devices.push.base import Answer, Lost, Request

DEADLINE = 5.0  # seconds for the whole exchange: well below a push's 15 and a batch's lease
BODY_LIMIT = 64 * 1024  # bytes of an answer; one with more is none
NAMING = 0.8  # of what is left of it, at the most, for finding the address
NO_HTTP = "The connection failed, or the answer was not HTTP."
NOBODY: Mapping[str, str] = MappingProxyType({})


def exchanged(request: Request, allow: frozenset[str] = frozenset(), trust: Mapping[str, str] = NOBODY) -> Answer:
    """Send ``request`` to the service's token endpoint and return the answer, within DEADLINE.

    ``allow`` are exact ``host:port`` pairs that pass the address guard; ``trust`` has the file of the authorities for a
    ``host:port`` that other ones vouch for than everybody's.
    """
    began = time.monotonic()
    wire = _Wire(allow)
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, wire)
    headers = {**dict.fromkeys(("Accept", "Accept-Encoding", "Connection")), "User-Agent": "PushAdmin"}
    late = threading.Timer(DEADLINE, wire.cut)
    late.daemon = True
    late.start()
    try:
        with session.request(
            request.method,
            request.url,
            headers={**headers, **dict(request.all_headers)},
            data=request.body,
            timeout=DEADLINE,
            allow_redirects=False,
            stream=True,
            verify=trust.get(request.url.split("/", 3)[2]) or certifi.where(),
        ) as response:
            body = _whole(response)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        return Answer(0, lost=Lost.NOT_SENT, error=wire.why or _sentence(error), milliseconds=_since(began))
    finally:
        late.cancel()
        session.close()
    if wire.late.is_set():  # what was cut off may look whole: an answer without a length ends where its connection does
        return Answer(0, lost=Lost.NOT_SENT, error=wire.why, milliseconds=_since(began))
    if len(body) > BODY_LIMIT:
        return Answer(0, lost=Lost.NOT_SENT, error="The answer has no end.", milliseconds=_since(began))
    told = {name.lower(): value for name, value in response.headers.items()}
    if not body and not {"content-length", "transfer-encoding"} & set(told):  # cut off before its headers ended
        return Answer(0, lost=Lost.NOT_SENT, error=NO_HTTP, milliseconds=_since(began))
    return Answer(response.status_code, told, body, _since(began))


def _whole(response: requests.Response) -> bytes:
    """Return the body as it came, of one that is too large a byte too much. HTTPError when it ends too soon."""
    body = b""
    while part := response.raw.read(BODY_LIMIT + 1 - len(body), decode_content=False):
        body += part
        if len(body) > BODY_LIMIT:
            break
    return body


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _sentence(error: Exception) -> str:
    """Say for a person why there is no answer, without what a library tells of itself."""
    if isinstance(error, requests.exceptions.SSLError):
        return "The other side's certificate is not one that we trust."
    if isinstance(error, requests.Timeout):
        return f"No answer came within {DEADLINE:.0f} seconds."
    return NO_HTTP


def _resolved(host: str, port: int, seconds: float) -> tuple[list[Any], str]:
    """Return what the name service knows of a host within ``seconds``, and why it is nothing ("": there is something).

    The resolver takes no deadline: it is asked in a thread, which is left to itself.
    """
    answers: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()

    def look() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=look, daemon=True).start()
    try:
        found = answers.get(timeout=max(0.0, seconds))
    except queue.Empty:
        return [], f"The name service did not answer for {host}."
    return found, "" if found else f"{host} is not known to the name service."


class _Wire(HTTPAdapter):
    """Opens sockets only to addresses that the guard lets through, and can cut them off."""

    def __init__(self, allow: frozenset[str]) -> None:
        self.allow, self.why = allow, ""
        self.late = threading.Event()
        self._ends = time.monotonic() + DEADLINE
        self._sockets: list[socket.socket] = []
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Make pools whose connections dial by ``dial``."""
        wire = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return wire.dial(self)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return wire.dial(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def dial(self, connection: HTTPConnection) -> socket.socket:
        """Return a socket to the first address of the host that lets us in; no other lookup follows."""
        found, told = _resolved(connection.host, connection.port, NAMING * (self._ends - time.monotonic()))
        self.why = told or self.why
        for family, kind, protocol, _, target in found:
            if guard.refused(str(target[0]), int(target[1]), self.allow):
                self.why = f"{target[0]} is not a public address: the connection was refused on our side."
                continue
            if (left := self._ends - time.monotonic()) <= 0:
                break
            made = socket.socket(family, kind, protocol)
            self._sockets.append(made.dup())  # TLS takes the socket itself away from us
            made.settimeout(left)
            with suppress(OSError):
                made.connect(target)
                self.why = ""
                return made
            self.why = f"{connection.host} does not take our connection."
            made.close()
        raise NewConnectionError(connection, self.why)

    def cut(self) -> None:
        """End whatever is open: the time is over."""
        self.why = f"No answer came within {DEADLINE:.0f} seconds."
        self.late.set()
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is open."""
        super().close()
        for one in self._sockets:
            one.close()
