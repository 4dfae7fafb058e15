"""libcurl's multi interface: requests in, answers out, with a bound on everything.

HTTP/1.1 with a connection for each request that is out; for services that say so HTTP/2 over TLS (RFC 9113), many
streams on few connections, as many as the server's SETTINGS_MAX_CONCURRENT_STREAMS allows. Both have a multi handle of
their own, for what is a good number of connections differs.

One engine belongs to one thread of one process and is made after fork. What libcurl is told: a wall-clock deadline
over the whole exchange, no redirects, no proxy, no cookies, no .netrc, no decompression, at most 64 KiB of body and
16 KiB of headers, TLS always verified, and every address judged after it was resolved and before the socket is opened
(guard.py). A request never leaves twice by itself, unless the server says that it did not look at it.

A kept connection that was used within the last second is not looked at before it is used again (libcurl's choice): if
the service closed it meanwhile, that one exchange is called ambiguous.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import certifi
import pycurl

from devices.push import guard, polling
from devices.push.base import Answer, ClientCertificate, Lost, Request
from devices.push.headers import HEADER_LIMIT, Block, parsed
from devices.push.warming import Warming

T = TypeVar("T")

BODY_LIMIT = 64 * 1024  # bytes kept of an answer's body; the exchange ends at more
UNWANTED = ["Expect:", "Accept:"]  # headers libcurl would add by itself
# Connections to one host over HTTP/2. One is enough for most; a server that allows few streams each, or speaks HTTP/1.1
# after all, gets more. Apple takes many short ones for an attack.
CONNECTIONS = 16
# What libcurl says when the server did not look at a stream: RST_STREAM with REFUSED_STREAM, or GOAWAY with a lower
# last stream id (RFC 9113, 8.7 and 6.8). It says so nowhere else; being told costs 4 µs a push. Its other words,
# "REFUSED_STREAM, retrying", are none of this: on a handle that was refused before, they come with any failure.
AGAIN = 3  # how often a request is sent once more that the server said it did not look at (RFC 9113, 8.7)
NOT_LOOKED_AT = re.compile(rb"HTTP/2 stream [0-9]+ refused by server")
PATIENCE = 1.0  # seconds after which a request that is out no longer counts against the concurrency
LONGEST_NAP = 1.0  # seconds between two looks at the connections when libcurl names no nearer moment
CERTIFICATE_UNUSABLE = {pycurl.E_SSL_CERTPROBLEM, pycurl.E_BAD_FUNCTION_ARGUMENT}  # the latter for a key that is none
# How OpenSSL tells that the other side did not take our certificate (RFC 8446, 6.2). Under TLS 1.3 this comes when the
# request is out already, but no server looks at a request before it has judged the certificate.
CERTIFICATE_REFUSED = re.compile(r" alert .*(certificate|unknown ca|access denied)")


@dataclass(slots=True, eq=False)
class _Exchange:
    """One easy handle and what it hears. The handle is used again and again; only the request changes."""

    handle: Any
    certificate: ClientCertificate | None
    allow: frozenset[str]
    crowd: list[_Exchange]  # those that are ended at once
    multi: Any  # libcurl's, of HTTP/1.1 or of HTTP/2
    http2: bool = False
    authorities: str = ""  # whom it trusts instead of everybody's authorities
    heard: Block = field(init=False)
    flooded: bool = False
    body: bytearray = field(default_factory=bytearray)
    refused: str = ""  # the address the guard refused last
    size: int = -1  # bytes of the request's body
    method: str = ""
    tag: Any = None
    started: float = 0.0  # on the monotonic clock
    slow: bool = False  # out for longer than PATIENCE
    said: list[bytes] = field(default_factory=list)  # by libcurl, of itself: 25 texts a push
    untouched: bool = False  # the server said that it did not look at the request
    sent: bytes = b""  # the request's body
    again: int = 0  # how often it was sent once more
    host: str = ""  # host and port, as the URL spells them
    held: bool = False  # waits for the first request to its host

    def __post_init__(self) -> None:
        self.heard = Block(self.flood)

    def flood(self) -> None:
        """Note that it is to end: there are more headers than we take, or its time was over before it left."""
        if not self.flooded:
            self.flooded = True
            self.crowd.append(self)

    def take(self, part: bytes) -> int | None:
        """Keep a part of the body; end the exchange (-1) when that is enough."""
        self.body += part[: BODY_LIMIT - len(self.body)]
        return -1 if len(self.body) == BODY_LIMIT else None

    def open(self, purpose: int, address: Any) -> Any:
        """Open a socket to a resolved address, or refuse to."""
        family, kind, protocol, target = address
        if guard.refused(target[0], target[1], self.allow):
            self.refused = str(target[0])
            return pycurl.SOCKET_BAD
        return socket.socket(family, kind, protocol)


class Engine(Generic[T]):
    """Bounded concurrency over keep-alive connections. ``T`` is whatever the caller needs back with each answer."""

    def __init__(
        self,
        concurrency: int = 64,
        deadline: float = 15.0,
        connect_timeout: float = 3.0,
        allow: frozenset[str] = frozenset(),
        user_agent: str = "PushAdmin",
        authorities: str = "",
        limit: int = 512,
        trust: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take how many requests may be out, seconds for a whole exchange and for connecting.

        A request that waits for longer than PATIENCE gives its place to another one and is waited for beside, so that
        a few hanging devices cost the others nothing; altogether at most ``limit`` are out.
        ``allow`` are exact ``host:port`` pairs that pass the address guard. ``authorities`` is the file of the
        certificate authorities to trust (PEM), by default those that certifi brings; ``trust`` has another file for a
        ``host:port`` as the URL spells it, and for it alone.
        """
        self.concurrency, self.limit = concurrency, max(limit, concurrency)
        self._allow, self._trust = allow, trust
        self._deadline = deadline
        self._options = _options(deadline, connect_timeout, user_agent, authorities or certifi.where())
        self._multis = {False: pycurl.CurlMulti(), True: pycurl.CurlMulti()}  # HTTP/1.1, HTTP/2
        for multi in self._multis.values():
            multi.setopt(pycurl.M_MAXCONNECTS, self.limit)
        self._multis[True].setopt(pycurl.M_MAX_HOST_CONNECTIONS, CONNECTIONS)
        self._multis[True].setopt(pycurl.M_MAX_CONCURRENT_STREAMS, self.limit)
        self._streams = 0  # how many are out over HTTP/2
        self._warming: Warming[_Exchange] = Warming()
        self._idle: dict[tuple[ClientCertificate | None, bool, str], list[_Exchange]] = {}
        self._out: dict[Any, _Exchange] = {}
        self._young: deque[tuple[float, _Exchange]] = deque()  # what was started within PATIENCE, oldest first
        self._slow = 0  # how many are out for longer
        self._flooded: list[_Exchange] = []  # that are ended at once

    @property
    def in_flight(self) -> int:
        """How many requests are out."""
        return len(self._out)

    @property
    def free(self) -> int:
        """How many more may be started now."""
        horizon = time.monotonic() - PATIENCE
        while self._young and self._young[0][0] < horizon:
            started, exchange = self._young.popleft()
            if exchange.started == started:
                exchange.slow = True
                self._slow += 1
        return min(self.concurrency - (len(self._out) - self._slow), self.limit - len(self._out))

    def start(self, request: Request, tag: T) -> None:
        """Send a request; its answer comes out of ``wait`` with ``tag``. RuntimeError when ``free`` is 0."""
        out = len(self._out)
        if out >= self.limit or (out - self._slow >= self.concurrency and self.free <= 0):
            raise RuntimeError("as many requests are out as may be")
        http2 = request.http2 and request.url.startswith("https:")
        host = request.url.split("/", 3)[2] if http2 or self._trust else ""
        authorities = self._trust.get(host, "")
        idle = self._idle.get((request.certificate, http2, authorities))
        exchange = idle.pop() if idle else self._exchange(request.certificate, http2, authorities)
        handle = exchange.handle
        handle.setopt(pycurl.URL, request.url)
        lines = _lines(request.headers)
        handle.setopt(pycurl.HTTPHEADER, [*lines, *[f"{one[0]}: {one[1]}" for one in request.own]])
        # A callback that cannot rewind, on purpose. When a kept-alive connection is closed before an answer, libcurl
        # sends the request once more on a new one (Curl_retry_request): two copies, and nobody could tell. It must
        # rewind the body for that, fails, and we call the exchange ambiguous. Without a body there is nothing to
        # rewind, so such a request gets a connection of its own.
        handle.setopt(pycurl.READFUNCTION, io.BytesIO(request.body).read)
        size = len(request.body)
        if size != exchange.size:
            handle.setopt(pycurl.POSTFIELDSIZE, size)
            handle.setopt(pycurl.FRESH_CONNECT, not size and not http2)
        if request.method != exchange.method:
            handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        exchange.tag, exchange.size, exchange.method, exchange.untouched = tag, size, request.method, False
        exchange.sent = request.body
        if exchange.again:
            exchange.again = 0
            handle.setopt(pycurl.TIMEOUT_MS, int(self._deadline * 1000))
        exchange.host = host
        if http2 and not self._warming.may_go(host, exchange):
            exchange.held = True
        else:
            exchange.multi.add_handle(handle)
        self._streams += http2
        self._out[handle] = exchange
        exchange.started = time.monotonic()
        self._young.append((exchange.started, exchange))

    def wait(self, timeout: float) -> list[tuple[T, Answer]]:
        """Return the answers that are there, as soon as there is one; [] after ``timeout`` seconds without.

        When nothing is out it returns [] at once.
        """
        until = time.monotonic() + timeout
        while self._out:
            multis = self._busy()
            self._release(self._warming.overdue())
            for multi in multis:
                while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                    pass
            if answers := [answer for multi in multis for answer in self._finished(multi)]:
                return answers
            if self._flooded:
                return [self._answer(one.handle, pycurl.E_WRITE_ERROR, "") for one in list(self._flooded)]
            left = until - time.monotonic()
            if left <= 0:
                break
            # milliseconds until libcurl has something to do by itself; -1: nothing
            soon = min(
                [LONGEST_NAP, self._warming.soon, *[multi.timeout() / 1000 for multi in multis if multi.timeout() >= 0]]
            )
            polling.wait(multis, min(left, soon))
        return []

    def _busy(self) -> list[Any]:
        """Return the multi handles that have something to do."""
        both = ((False, len(self._out) - self._streams), (True, self._streams))
        return [self._multis[http2] for http2, out in both if out]

    def close(self) -> None:
        """Drop everything, finished or not."""
        for handle, exchange in self._out.items():
            if not exchange.held:
                exchange.multi.remove_handle(handle)
        self._out.clear()
        self._idle.clear()
        for multi in self._multis.values():
            multi.close()

    def _finished(self, multi: Any) -> list[tuple[T, Answer]]:
        answers: list[tuple[T, Answer]] = []
        while True:
            left, done, failed = multi.info_read()
            answers += [self._answer(handle, 0, "") for handle in done]
            for handle, code, text in failed:
                self._listen(handle)
                if not self._resent(handle):
                    answers.append(self._answer(handle, code, text))
            if not left:
                return answers

    def _listen(self, handle: Any) -> None:
        """Look whether libcurl told that the server did not look at a request that failed."""
        exchange = self._out[handle]
        exchange.untouched = any(map(NOT_LOOKED_AT.match, exchange.said))

    def _resent(self, handle: Any) -> bool:
        """Send a request once more that the server did not look at, within its deadline; return whether it was."""
        exchange = self._out[handle]
        left = self._deadline - (time.monotonic() - exchange.started)
        if not exchange.untouched or exchange.again >= AGAIN or left <= 0:
            return False
        exchange.multi.remove_handle(handle)
        exchange.heard.take()
        exchange.body.clear()
        exchange.said.clear()
        exchange.untouched = False
        exchange.again += 1
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))
        handle.setopt(pycurl.READFUNCTION, io.BytesIO(exchange.sent).read)
        exchange.held = True
        if self._warming.refused(exchange.host, exchange):
            self._release([exchange])
        return True

    def _release(self, several: Iterable[_Exchange]) -> None:
        """Send what waited for the first request to its host; not past its deadline: another sender may have it."""
        horizon = time.monotonic() - self._deadline
        for exchange in several:
            if exchange.started < horizon:
                exchange.untouched = True
                exchange.flood()
                continue
            exchange.held = False
            exchange.multi.add_handle(exchange.handle)

    def _answer(self, handle: Any, code: int, text: str) -> tuple[T, Answer]:
        exchange = self._out.pop(handle)
        if not exchange.held:
            exchange.multi.remove_handle(handle)
        self._streams -= exchange.http2
        milliseconds = round(handle.getinfo(pycurl.TOTAL_TIME) * 1000)
        raw = exchange.heard.take()
        status, headers = parsed(raw)
        if headers is not None:  # a body or trailers that never end take nothing from what the headers said
            answer = Answer(status, headers, bytes(exchange.body), milliseconds, None, "", False, raw)
        else:
            answer = _unanswered(exchange, milliseconds, code, text)
        if exchange.http2:
            self._release(self._warming.ended(exchange.host, exchange, headers is not None))
        tag = exchange.tag
        self._put_by(exchange)
        return tag, answer

    def _put_by(self, exchange: _Exchange) -> None:
        """Keep a handle for the next request."""
        if exchange.slow:
            self._slow -= 1
            exchange.slow = False
        if exchange.flooded:
            self._flooded.remove(exchange)
            exchange.flooded = False
        if exchange.body:
            exchange.body.clear()
        exchange.said.clear()
        exchange.refused, exchange.tag, exchange.started, exchange.held = "", None, 0.0, False
        kind = (exchange.certificate, exchange.http2, exchange.authorities)
        self._idle.setdefault(kind, []).append(exchange)

    def _exchange(self, certificate: ClientCertificate | None, http2: bool, authorities: str) -> _Exchange:
        handle = pycurl.Curl()
        exchange = _Exchange(handle, certificate, self._allow, self._flooded, self._multis[http2], http2, authorities)
        for option, value in self._options.items():
            handle.setopt(option, value)
        if authorities:
            handle.setopt(pycurl.CAINFO, authorities)
        handle.setopt(pycurl.HEADERFUNCTION, exchange.heard.buffer.write)
        handle.setopt(pycurl.WRITEFUNCTION, exchange.take)
        handle.setopt(pycurl.OPENSOCKETFUNCTION, exchange.open)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if http2 else pycurl.CURL_HTTP_VERSION_1_1)
        if http2:
            handle.setopt(pycurl.PIPEWAIT, 1)  # rather a stream on the connection that is being opened than one more
            handle.setopt(pycurl.DEBUGFUNCTION, exchange.said.insert)  # with the kind of text as the place
            handle.setopt(pycurl.VERBOSE, 1)
        if certificate is not None:
            # An empty blob is an error at once; a blank one is an answer, as any other that is no certificate.
            handle.setopt(pycurl.SSLCERT_BLOB, certificate.certificate.encode() or b" ")
            handle.setopt(pycurl.SSLKEY_BLOB, certificate.key.encode() or b" ")
        return exchange


def _options(deadline: float, connect_timeout: float, user_agent: str, authorities: str) -> dict[int, Any]:
    """Return what every handle is told once."""
    return {
        pycurl.NOSIGNAL: 1,
        pycurl.POST: 1,
        pycurl.TIMEOUT_MS: int(deadline * 1000),
        pycurl.CONNECTTIMEOUT_MS: int(connect_timeout * 1000),
        pycurl.FOLLOWLOCATION: 0,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.PATH_AS_IS: 1,
        pycurl.PROXY: "",
        pycurl.NOPROXY: "*",
        pycurl.NETRC: pycurl.NETRC_IGNORED,
        pycurl.HTTP_CONTENT_DECODING: 0,
        pycurl.USERAGENT: user_agent,
        pycurl.CAINFO: authorities,
        pycurl.SSL_VERIFYPEER: 1,
        pycurl.SSL_VERIFYHOST: 2,
        pycurl.TCP_NODELAY: 1,
    }


def _unanswered(exchange: _Exchange, milliseconds: int, code: int, text: str) -> Answer:
    """Tell whether the service can have a whole request: only then anything is in doubt.

    Whole means that the kernel took the last byte, not that it arrived: that nobody here can know.
    """
    sent = exchange.handle.getinfo(pycurl.REQUEST_SIZE)
    complete = sent and exchange.handle.getinfo(pycurl.SIZE_UPLOAD_T) >= exchange.size
    fresh = exchange.handle.getinfo(pycurl.NUM_CONNECTS) > 0
    unusable = exchange.certificate is not None and code in CERTIFICATE_UNUSABLE
    refused = unusable or (fresh and CERTIFICATE_REFUSED.search(text) is not None)
    lost = Lost.AMBIGUOUS if complete and not refused and not exchange.untouched else Lost.NOT_SENT
    sentence = _sentence(exchange, code, text)
    return Answer(0, {}, b"", milliseconds, lost, sentence, certificate_refused=refused)


def _sentence(exchange: _Exchange, code: int, text: str) -> str:
    """Say for a person why there is no answer."""
    if exchange.refused:
        return f"{exchange.refused} is not a public address: the connection was refused on our side."
    if exchange.held:
        return "It could not be sent in time."
    if exchange.flooded:
        return f"The answer's headers have more than {HEADER_LIMIT} bytes."
    if exchange.untouched:
        return "The service did not look at the request: it refused the stream, or is closing the connection."
    if code == pycurl.E_SEND_FAIL_REWIND:
        return "The service closed a connection that was in use before, without an answer."
    return text or "The answer was not HTTP."


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[str, str], ...]) -> list[str]:
    """Return the header lines that many requests share, and what keeps libcurl from adding its own."""
    return [*[f"{name}: {value}" for name, value in headers], *UNWANTED]
