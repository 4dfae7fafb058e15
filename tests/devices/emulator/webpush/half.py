"""The browsers' half of the emulated push service by itself, and a browser that says whatever a test wants."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from wsproto import ConnectionType, WSConnection, events

from devices.emulator.exchange import Early, Reply, Request, plain
from devices.emulator.ledger import Ledger
from devices.emulator.webpush.autopush import Autopush
from devices.emulator.webpush.subscriptions import Push, Subscription, Subscriptions
from devices.emulator.wire import Connection, Outbox

WAIT = 5.0  # seconds for anything that a browser waits for


class Half:
    """A ``wire.Desk`` whose endpoints take everything, and the loop in a thread that it runs in. Use as a context.

    ``now`` is its clock, in unix seconds; set it. What touches ``autopush`` goes through ``do``.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.subscriptions = Subscriptions(lambda: self.now)
        self.autopush = Autopush(self._subscribe, lambda: self.now)
        self.failures: list[dict[str, Any]] = []
        self.connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="half", daemon=True)
        self._count = 0

    def early(self, target: bytes) -> Early | None:
        return None

    def answer(self, request: Request) -> Reply:
        if b"upgrade" in request.headers:
            return self.autopush.welcome(request)
        return Reply(plain(200, b"http"), 0.2 if request.target == b"/slow" else 0.0)

    def _subscribe(self, key: str) -> Subscription:
        return self.subscriptions.open("mozilla", key)

    def do(self, task: Any) -> Any:
        """Return what ``task()`` returns, called where the emulator runs."""

        async def call() -> Any:
            return task()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout=WAIT)

    def push(self, endpoint: str, body: bytes = b"secret", ttl: int = 60, topic: str = "") -> bool:
        """Hand a message to the endpoint. False when it would be answered with 404 or 410."""
        self._count += 1
        subscription = self.subscriptions.find(endpoint.removeprefix(self.url).encode())
        if subscription is None or subscription.closed:
            return False
        push = Push(body, ttl, topic, id=str(self._count), arrived=self.now)
        self.do(lambda: subscription.deliver(push))
        return True

    def __enter__(self) -> Self:
        self._loop.set_exception_handler(lambda loop, context: self.failures.append(context))
        self._thread.start()

        async def listen() -> asyncio.Server:
            outbox = Outbox(Ledger(None), self._loop)
            return await self._loop.create_server(lambda: Connection(self, outbox, self.connections), "127.0.0.1", 0)

        self._server = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(timeout=WAIT)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.do(self._hang_up)
        self.do(lambda: None)  # a turn of the loop, in which the connections learn of it
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=WAIT)
        self._loop.close()

    def _hang_up(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()


class Talker:
    """The browser's side of one websocket."""

    def __init__(self, port: int, **headers: str) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.refused = 0  # the status, when the handshake was refused
        self.closed: tuple[int, str] | None = None  # code and reason
        self.pongs: list[bytes] = []
        self._heard: list[str] = []
        self._part = ""
        extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self._ready = False
        self.line.sendall(self.protocol.send(events.Request(host=f"127.0.0.1:{port}", target="/", extra_headers=extra)))
        while not (self._ready or self.refused):
            self._read()

    def say(self, message: Any) -> None:
        """Send a message; text goes as it is."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.line.sendall(self.protocol.send(events.TextMessage(data=text)))

    def hear(self) -> Any:
        """Return the next message. Raises ConnectionError when the websocket was closed, TimeoutError."""
        while not self._heard:
            if self.closed:
                raise ConnectionError(self.closed)
            self._read()
        return json.loads(self._heard.pop(0))

    def ask(self, message: Any) -> Any:
        """Send a message and return the next that comes."""
        self.say(message)
        return self.hear()

    def hello(self, uaid: str = "") -> str:
        """Say hello and return the id that was given."""
        answer = self.ask({"messageType": "hello", "uaid": uaid, "use_webpush": True, "broadcasts": {"a/b": "v1"}})
        return str(answer["uaid"])

    def register(self, channel_id: str, **more: Any) -> Any:
        """Ask for a subscription and return the answer."""
        return self.ask({"messageType": "register", "channelID": channel_id, **more})

    def acknowledge(self, *messages: Any, code: Any = 100) -> None:
        """Say that notifications arrived."""
        updates = [{"channelID": one["channelID"], "version": one["version"], "code": code} for one in messages]
        self.say({"messageType": "ack", "updates": updates})

    def is_quiet(self) -> bool:
        """Tell whether nothing was on its way: the answer to a ping is the next that comes."""
        return bool(self.ask({}) == {})

    def ending(self) -> tuple[int, str]:
        """Wait until the websocket is closed; return code and reason."""
        while self.closed is None:
            self._read()
        return self.closed

    def close(self) -> None:
        """Hang up without a word."""
        self.line.close()

    def _read(self) -> None:
        octets = self.line.recv(65536)
        if not octets and self.closed is None:
            self.closed = (1006, "")
            return
        self.protocol.receive_data(octets)
        for event in self.protocol.events():
            if isinstance(event, events.AcceptConnection):
                self._ready = True
            elif isinstance(event, events.RejectConnection):
                self.refused = event.status_code
            elif isinstance(event, events.TextMessage):
                self._part += event.data
                if event.message_finished:
                    self._heard.append(self._part)
                    self._part = ""
            elif isinstance(event, events.Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, events.CloseConnection):
                self.closed = (event.code, event.reason or "")


@contextmanager
def talking(half: Half, **headers: str) -> Iterator[Talker]:
    """Open a websocket to ``half`` and hang up after the block."""
    talker = Talker(half.port, **headers)
    try:
        yield talker
    finally:
        talker.close()
