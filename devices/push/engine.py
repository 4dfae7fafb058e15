"""libcurl's multi interface: requests in, answers out, with a bound on everything.

One engine belongs to one thread of one process and is made after fork. What libcurl is told: a wall-clock deadline
over the whole exchange, no redirects, no proxy, no cookies, no .netrc, no decompression, at most 64 KiB of body, TLS
always verified, and every address judged after it was resolved and before the socket is opened (guard.py).
"""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import certifi
import pycurl

from devices.push import guard
from devices.push.base import Answer, ClientCertificate, Lost, Request

T = TypeVar("T")

BODY_LIMIT = 64 * 1024
HEADER_LIMIT = 64 * 1024
UNWANTED = ["Expect:", "Accept:"]  # headers libcurl would add by itself
# Nothing can have left when an exchange ends with one of these.
BEFORE_SENDING = frozenset(
    {
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_CACERT,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_ISSUER_ERROR,
    }
)


@dataclass(slots=True)
class _Exchange:
    """What belongs to one easy handle while it is out."""

    handle: Any
    certificate: ClientCertificate | None
    headers: list[bytes] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    size: int = 0  # bytes of the request's body
    tag: Any = None

    def clear(self) -> None:
        """Make ready for the next request."""
        self.headers.clear()
        self.body.clear()


class Engine(Generic[T]):
    """Bounded concurrency over keep-alive connections. ``T`` is whatever the caller needs back with each answer."""

    def __init__(
        self,
        concurrency: int = 64,
        deadline: float = 15.0,
        connect_timeout: float = 3.0,
        allow: frozenset[str] = frozenset(),
        user_agent: str = "PushAdmin",
    ) -> None:
        """Take how many requests may be out, seconds for a whole exchange and for connecting.

        ``allow`` are exact ``host:port`` pairs that pass the address guard.
        """
        self.concurrency = concurrency
        self._deadline, self._connect_timeout = deadline, connect_timeout
        self._allow, self._user_agent = allow, user_agent
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, concurrency)
        self._idle: dict[ClientCertificate | None, list[_Exchange]] = {}
        self._out: dict[Any, _Exchange] = {}

    @property
    def in_flight(self) -> int:
        """How many requests are out."""
        return len(self._out)

    @property
    def free(self) -> int:
        """How many more may be started now."""
        return self.concurrency - len(self._out)

    def start(self, request: Request, tag: T) -> None:
        """Send a request; its answer comes out of ``wait`` with ``tag``. RuntimeError when ``free`` is 0."""
        if not self.free:
            raise RuntimeError("as many requests are out as may be")
        idle = self._idle.get(request.certificate)
        exchange = idle.pop() if idle else self._exchange(request.certificate)
        exchange.tag, exchange.size = tag, len(request.body)
        handle = exchange.handle
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in request.headers] + UNWANTED)
        handle.setopt(pycurl.POSTFIELDSIZE, exchange.size)
        # A callback that cannot rewind, on purpose: given the bytes, libcurl would silently send them a second time
        # when a kept-alive connection is closed before an answer, and nobody could tell whether two copies left.
        handle.setopt(pycurl.READFUNCTION, io.BytesIO(request.body).read)
        self._multi.add_handle(handle)
        self._out[handle] = exchange

    def wait(self, timeout: float) -> list[tuple[T, Answer]]:
        """Return the answers that are there, as soon as there is one; [] after ``timeout`` seconds without."""
        until = time.monotonic() + timeout
        while self._out:
            while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                pass
            if answers := self._finished():
                return answers
            left = until - time.monotonic()
            if left <= 0:
                break
            self._multi.select(min(left, 1.0))
        return []

    def close(self) -> None:
        """Drop everything, finished or not."""
        for handle in self._out:
            self._multi.remove_handle(handle)
        self._out.clear()
        self._idle.clear()
        self._multi.close()

    def _finished(self) -> list[tuple[T, Answer]]:
        answers = []
        while True:
            left, done, failed = self._multi.info_read()
            for handle in done:
                answers.append(self._answer(handle, 0, ""))
            for handle, code, text in failed:
                answers.append(self._answer(handle, code, text))
            if not left:
                return answers

    def _answer(self, handle: Any, code: int, text: str) -> tuple[T, Answer]:
        exchange = self._out.pop(handle)
        self._multi.remove_handle(handle)
        milliseconds = round(handle.getinfo(pycurl.TOTAL_TIME) * 1000)
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        if status >= 200 and exchange.headers and exchange.headers[-1].strip() == b"":
            body = b"".join(exchange.body)[:BODY_LIMIT] if exchange.body else b""
            answer = Answer(status, parsed(exchange.headers), body, milliseconds)
        else:
            lost = self._lost(exchange, code)
            answer = Answer(0, {}, b"", milliseconds, lost, text or "The answer was not HTTP.")
        tag = exchange.tag
        exchange.clear()
        self._idle.setdefault(exchange.certificate, []).append(exchange)
        return tag, answer

    def _lost(self, exchange: _Exchange, code: int) -> Lost:
        """Tell whether the service can have a whole request: only then anything is in doubt."""
        handle = exchange.handle
        if handle.getinfo(pycurl.REQUEST_SIZE) == 0:
            return Lost.NOT_SENT
        if code in BEFORE_SENDING and handle.getinfo(pycurl.SIZE_UPLOAD) == 0 and exchange.size:
            return Lost.NOT_SENT
        complete = handle.getinfo(pycurl.SIZE_UPLOAD) >= exchange.size
        return Lost.AMBIGUOUS if complete else Lost.NOT_SENT

    def _exchange(self, certificate: ClientCertificate | None) -> _Exchange:
        handle = pycurl.Curl()
        exchange = _Exchange(handle, certificate)
        options = {
            pycurl.NOSIGNAL: 1,
            pycurl.POST: 1,
            pycurl.TIMEOUT_MS: int(self._deadline * 1000),
            pycurl.CONNECTTIMEOUT_MS: int(self._connect_timeout * 1000),
            pycurl.FOLLOWLOCATION: 0,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.PROXY: "",
            pycurl.NOPROXY: "*",
            pycurl.NETRC: pycurl.NETRC_IGNORED,
            pycurl.HTTP_CONTENT_DECODING: 0,
            pycurl.HTTP_TRANSFER_DECODING: 1,
            pycurl.MAXFILESIZE: BODY_LIMIT,
            pycurl.USERAGENT: self._user_agent,
            pycurl.CAINFO: certifi.where(),
            pycurl.SSL_VERIFYPEER: 1,
            pycurl.SSL_VERIFYHOST: 2,
            pycurl.TCP_NODELAY: 1,
            pycurl.HEADERFUNCTION: _capped(exchange.headers, HEADER_LIMIT),
            pycurl.WRITEFUNCTION: _capped(exchange.body, BODY_LIMIT),
            pycurl.OPENSOCKETFUNCTION: self._open,
        }
        for option, value in options.items():
            handle.setopt(option, value)
        if certificate is not None:
            handle.setopt(pycurl.SSLCERT_BLOB, certificate.certificate.encode())
            handle.setopt(pycurl.SSLKEY_BLOB, certificate.key.encode())
        return exchange

    def _open(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, target = address
        if guard.refused(target[0], target[1], self._allow):
            return pycurl.SOCKET_BAD
        return socket.socket(family, kind, protocol)


def _capped(parts: list[bytes], limit: int) -> Any:
    """Return a callback for libcurl that keeps at most ``limit`` bytes and ends the exchange at more."""

    def keep(part: bytes) -> int | None:
        if len(parts) > 200 and sum(map(len, parts)) > limit:
            return -1
        parts.append(part)
        return None

    return keep


def parsed(lines: list[bytes]) -> dict[str, str]:
    """Return the headers of the last response in ``lines``, names in lower case, values as latin-1 text."""
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            headers.clear()
            continue
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers
