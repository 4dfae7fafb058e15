"""A push service over HTTP/2 that does whatever its address says, and a log of what reached it.

``/h2/<behaviour>``, ``/h2/<behaviour>-<argument>``; with ``?times=n`` only the first n requests for this very address
get it, and "ok" those after them. ``BEHAVIOURS`` says what each one does.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from h2.errors import ErrorCodes

from devices.emulator import certificates, faults, http2_faults
from devices.emulator.door import Door
from devices.emulator.exchange import Early, Opening, Play, Reply, Request, Session, plain
from devices.emulator.http2_faults import broken, go_away, reset_after_head, reset_stream
from devices.emulator.ledger import Entry, Ledger
from devices.emulator.server import context_of
from devices.emulator.table import Behaviour, Table, always, number, seconds
from devices.emulator.wire import Outbox

WAIT = 10.0  # seconds for anything that the service is asked from outside its loop


@dataclass(frozen=True)
class Turn:
    """What is done about one request. ``taken`` is False when the sender may send it again without a second push."""

    play: Play | None = None
    taken: bool = True
    seconds: float = 0.0
    early: Early | None = None
    status: int = 200
    body: bytes = b""
    close: bool = False


Make = Callable[[str], Turn]


def _of_seconds(play: Callable[[float], Play]) -> Make:
    return lambda argument: Turn(play(max(seconds(argument, "50"), 0.001)))


def _of_number(play: Callable[[int], Play], default: str) -> Make:
    return lambda argument: Turn(play(number(argument or default, 2**31 - 1)))


def _untaken(play: Play) -> Make:
    return always(Turn(play, taken=False))


def _playing(play: Play) -> Make:
    return always(Turn(play))


ALARM = b'{"reason":"Shutdown"}'
_bad_head = http2_faults.bad_head
ROWS: tuple[tuple[str, str, Make], ...] = (
    ("ok", "200", always(Turn())),
    ("status", "-n: that status", lambda argument: Turn(status=number(argument, 599), taken=argument.startswith("2"))),
    ("big", "200 with a body of n (1,000,000) bytes", lambda n: Turn(body=b"x" * number(n or "1000000", 10**9))),
    ("slow", "200 after n (50) ms", lambda n: Turn(seconds=seconds(n, "50"))),
    ("slow-accept", "looked at after n (50) ms, then 200", lambda n: Turn(early=Early(seconds=seconds(n, "50")))),
    ("last", "200, and then GOAWAY and the end of the connection", always(Turn(close=True))),
    # a stream that fails; not taken
    ("refused", "REFUSED_STREAM as soon as the head is there", always(Turn(early=Early(reset=True), taken=False))),
    ("refused-late", "REFUSED_STREAM once the body is there", _untaken(reset_stream(ErrorCodes.REFUSED_STREAM))),
    ("http11-required", "HTTP_1_1_REQUIRED", _untaken(reset_stream(ErrorCodes.HTTP_1_1_REQUIRED))),
    # a stream that fails after it was taken
    ("reset-internal", "INTERNAL_ERROR", _playing(reset_stream(ErrorCodes.INTERNAL_ERROR))),
    ("reset-cancel", "CANCEL", _playing(reset_stream(ErrorCodes.CANCEL))),
    ("reset-calm", "ENHANCE_YOUR_CALM", _playing(reset_stream(ErrorCodes.ENHANCE_YOUR_CALM))),
    ("reset-code", "-n: this error code", _of_number(reset_stream, "2")),
    ("reset-midway", "200, and INTERNAL_ERROR", _playing(reset_after_head(ErrorCodes.INTERNAL_ERROR))),
    ("reset-nicely", "200, and NO_ERROR before its end", _playing(reset_after_head(ErrorCodes.NO_ERROR))),
    ("hang", "no answer", _playing(faults.hang)),
    ("close-stream", "CANCEL, as closing means on HTTP/1.1", _playing(faults.close)),
    # the connection
    ("goaway-before", "GOAWAY below this stream; not taken", _untaken(go_away(ErrorCodes.NO_ERROR))),
    ("goaway-alarm", "the same with an error and words", _untaken(go_away(ErrorCodes.ENHANCE_YOUR_CALM, ALARM))),
    ("goaway-after", "GOAWAY with this stream, then 200", _playing(http2_faults.go_away_answered)),
    ("goaway-lost", "GOAWAY with this stream, then the end", _playing(http2_faults.go_away_unanswered)),
    ("close", "the end of the connection (FIN)", _playing(http2_faults.close_connection)),
    ("break", "the end of the connection (RST)", _playing(http2_faults.reset_connection)),
    ("shut", "a window of 0: of the body no more than it had arrives", always(Turn(early=Early(shut=True)))),
    ("allow", "200, and n (100) streams at once from now on", _of_number(http2_faults.allowing, "100")),
    # slow answers
    ("hints", "n (3) times 103, then 200", _of_number(lambda n: http2_faults.informing(103, n), "3")),
    ("continue", "100, then 200", _playing(http2_faults.informing(100, 1))),
    ("drip", "a 103 every n (50) ms, for ever", _of_seconds(faults.drip)),
    ("drip-body", "a byte of the body every n (50) ms, for ever", _of_seconds(faults.drip_body)),
    ("slow-head", "a byte of the head every n (50) ms, for ever", _of_seconds(http2_faults.slow_head)),
    # answers that are too much
    ("huge", "a body of a gigabyte", _playing(faults.huge)),
    ("gzip-bomb", "256 MB packed into 256 KB", _playing(faults.gzip_bomb)),
    ("headers-flood", "100,000 headers", _playing(faults.headers_flood)),
    ("long-header", "a header of 2 MB", _playing(faults.long_header)),
    ("endless-head", "CONTINUATION for ever", _playing(http2_faults.endless_head)),
    ("ping-flood", "10,000 PINGs, then 200", _playing(http2_faults.ping_flood)),
    ("settings-flood", "10,000 SETTINGS, then 200", _playing(http2_faults.settings_flood)),
    # answers that are wrong
    ("truncated", "less of a body than was promised", _playing(faults.truncated)),
    ("garbage", "a head that is none", _playing(faults.garbage)),
    ("bad-utf8", "200 with bytes that are no UTF-8", _playing(faults.bad_utf8)),
    ("trailers", "200 with trailers", _playing(http2_faults.trailers([(b"grpc-status", b"0")], b"body"))),
    ("no-status", "a head without a status", _playing(_bad_head((b"x-a", b"b")))),
    ("bad-status", "a status of four letters", _playing(_bad_head((b":status", b"fine")))),
    ("upper-case", "a name in upper case", _playing(_bad_head((b":status", b"200"), (b"X-A", b"b")))),
    ("connection", "a field of HTTP/1.1", _playing(_bad_head((b":status", b"200"), (b"connection", b"close")))),
    ("frame", "-kind: a broken frame, see http2_faults.BROKEN", lambda kind: Turn(broken(kind))),
)
BEHAVIOURS = {name: means for name, means, _ in ROWS}
_TABLE = Table([Behaviour(name, means, make) for name, means, make in ROWS])
OK = Turn()


def _asked(target: bytes) -> tuple[Turn, int]:
    """Return what an address asks for, and how often."""
    url = urlsplit(target.decode())
    plan = _TABLE.plan(url.path.removeprefix("/h2/"))
    times = int(dict(parse_qsl(url.query)).get("times", 10**9))
    return (plan.act if plan else Turn(status=404, taken=False)), times


@dataclass(frozen=True)
class Took:
    """One request that arrived whole, and where: connections count from 1, streams are 1, 3, 5 …"""

    target: str
    method: str
    headers: dict[str, str]
    body: bytes
    size: int
    taken: bool
    session: int
    stream: int
    http2: bool


@dataclass
class Desk:
    """An ``http2.Desk``. Everything that a test may want to know was counted when the sender has its answer."""

    opening: Opening = field(default_factory=Opening)
    ledger: Ledger = field(default_factory=lambda: Ledger(None))
    requests: list[Took] = field(default_factory=list)
    heads: Counter[str] = field(default_factory=Counter)  # requests by target, of which at least the head arrived
    sessions: int = 0  # connections of HTTP/2
    most_streams: int = 0  # open at once on one connection
    _answered: Counter[str] = field(default_factory=Counter)
    _numbers: dict[int, int] = field(default_factory=dict)  # of our connections, by those of the whole process

    @property
    def taken(self) -> list[Took]:
        """Return the requests whose message the service keeps."""
        return [request for request in self.requests if request.taken]

    def greet(self, session: Session) -> Opening:
        """Count a connection."""
        self.sessions += 1
        self._numbers[session.number] = self.sessions
        return self.opening

    def early(self, target: bytes) -> Early | None:
        """Say what happens as soon as the head of a request has arrived."""
        turn, times = _asked(target)
        self.heads[target.decode()] += 1
        return turn.early if self.heads[target.decode()] <= times else None

    def answer(self, request: Request) -> Reply:
        """Take one request."""
        turn, times = _asked(request.target)
        self._answered[request.target.decode()] += 1
        if self._answered[request.target.decode()] > times or (turn.early is not None and turn.early.reset):
            turn = OK
        stream = request.stream
        if stream is not None:
            self.most_streams = max(self.most_streams, stream.session.open_streams)
        took = Took(
            request.target.decode(),
            request.method.decode(),
            {name.decode(): value.decode("latin-1") for name, value in request.headers.items()},
            request.body,
            request.size,
            turn.taken,
            self._numbers[stream.session.number] if stream else 0,
            stream.number if stream else 0,
            request.http2,
        )
        self.requests.append(took)
        self.ledger.note(Entry("h2", took.headers.get("x-id", ""), took.target, "", "", took.size, "", took.taken))
        return Reply(plain(turn.status, turn.body), turn.seconds, turn.play, turn.close)


class Http2Peer:
    """The service in a thread, on a port of 127.0.0.1 over TLS. Use as a context; ``desk`` has the log.

    ``opening`` is what its connections are opened with; set ``desk.opening`` for those after.
    """

    def __init__(self, opening: Opening = Opening(), ledger: Path | None = None) -> None:  # noqa: B008 - frozen
        self.desk = Desk(opening, Ledger(ledger))
        self.failures: list[dict[str, Any]] = []  # what the loop caught, when the service itself failed
        self._temporary = tempfile.TemporaryDirectory(prefix="h2-")
        folder = certificates.provide(Path(self._temporary.name))
        self.authority = folder.authority  # whose certificate a client is to trust
        self._context = context_of(folder.server, folder.server_key, folder.authority)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="h2", daemon=True)

    def url_of(self, behaviour: str) -> str:
        """Return the address that asks for a behaviour: "goaway-before?times=1"."""
        return f"https://{self.address}/h2/{behaviour}"

    def do(self, task: Callable[[], Any]) -> Any:
        """Return what ``task()`` returns, called where the service runs."""

        async def call() -> Any:
            return task()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout=WAIT)

    def __enter__(self) -> Self:
        self._loop.set_exception_handler(lambda loop, context: self.failures.append(context))
        self._thread.start()

        async def listen() -> asyncio.Server:
            self._door = Door(self.desk, Outbox(self.desk.ledger, self._loop))
            return await self._loop.create_server(self._door.secure, "127.0.0.1", 0, ssl=self._context)

        self._server = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(timeout=WAIT)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.do(self._hang_up)
        self.do(lambda: None)  # a turn of the loop, in which the connections learn of it
        self.do(lambda: None)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=WAIT)
        self._loop.close()
        self.desk.ledger.close()
        self._temporary.cleanup()

    def _hang_up(self) -> None:
        self._server.close()
        self._door.abort()
