"""The server's side of a websocket (RFC 6455) on a connection that began as HTTP. Framing is wsproto's."""

from __future__ import annotations

from typing import Protocol

import h11
from wsproto import ConnectionType, WSConnection, events
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from devices.emulator.exchange import Request, Wire, plain

LONGEST_REASON = 123  # bytes of a close frame's text (RFC 6455, section 5.5)


class Conversation(Protocol):
    """Whoever reads what the peer says."""

    def opened(self) -> None:
        """Learn that the handshake is done."""

    def heard(self, text: str) -> None:
        """Take one whole text message."""

    def lost(self) -> None:
        """Learn that nothing more comes and nothing can be said. Called once, and only after ``opened``."""


class Websocket:
    """One websocket; an ``exchange.Successor``. Text messages only, of at most ``longest`` characters, no extensions.

    A longer message closes it with 1009, a binary one with 1003, broken frames with 1002, bad UTF-8 with 1007
    (RFC 6455, section 7.4.1). A handshake that is none is answered with 400, or with 426 for another version.
    """

    def __init__(self, request: Request, conversation: Conversation, longest: int) -> None:
        self._request = request
        self._conversation = conversation
        self._longest = longest
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._parts: list[str] = []
        self._length = 0
        self._open = False
        self._wire: Wire

    # exchange.Successor

    def begin(self, wire: Wire) -> None:
        """Answer the handshake."""
        self._wire = wire
        try:
            self._protocol.initiate_upgrade_connection(list(self._request.headers.items()), self._request.target)
            wire.send(self._protocol.send(events.AcceptConnection()))
        except RemoteProtocolError as error:
            hint = error.event_hint if isinstance(error.event_hint, events.RejectConnection) else None
            self._refuse(hint or events.RejectConnection(status_code=400))
            return
        except (h11.LocalProtocolError, UnicodeError):  # headers that h11 would not write, or wsproto not read
            self._refuse(events.RejectConnection(status_code=400))
            return
        self._open = True
        self._conversation.opened()

    def receive(self, octets: bytes) -> None:
        """Take what arrived."""
        if self._open:
            self._protocol.receive_data(octets)
            for event in self._protocol.events():
                self._take(event)

    def lost(self) -> None:
        """Learn that the connection has ended."""
        self._end()

    # what the conversation may do

    def say(self, text: str) -> None:
        """Send one text message. Nothing happens on a websocket that is closed."""
        if self._open:
            self._wire.send(self._protocol.send(events.TextMessage(data=text)))

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code of RFC 6455, section 7.4. Safe to call again."""
        if not self._open:
            return
        told = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        self._wire.send(self._protocol.send(events.CloseConnection(code=code, reason=told)))
        self._wire.close()
        self._end()

    def _take(self, event: events.Event) -> None:
        if not self._open:  # closed by an event before this one
            return
        if isinstance(event, events.TextMessage):
            self._length += len(event.data)
            if self._length > self._longest:
                self.close(CloseReason.MESSAGE_TOO_BIG, f"more than {self._longest} characters")
                return
            if event.data:  # or frames without any would fill our memory
                self._parts.append(event.data)
            if event.message_finished:
                text = "".join(self._parts)
                self._parts, self._length = [], 0
                self._conversation.heard(text)
        elif isinstance(event, events.Ping):
            self._wire.send(self._protocol.send(event.response()))
        elif isinstance(event, events.BytesMessage):
            self.close(CloseReason.UNSUPPORTED_DATA, "text only")
        elif isinstance(event, events.CloseConnection):  # theirs, or what wsproto makes of broken frames
            self.close(CloseReason.NORMAL_CLOSURE if event.code in UNSENDABLE else event.code, event.reason or "")

    def _refuse(self, hint: events.RejectConnection) -> None:
        headers = tuple((bytes(name).decode(), bytes(value).decode()) for name, value in hint.headers)
        self._wire.send(plain(hint.status_code, b"", headers))
        self._wire.close()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._parts = []
            self._conversation.lost()


# These stand for something that was seen, and may not be in a frame (RFC 6455, section 7.4.1).
UNSENDABLE = {CloseReason.NO_STATUS_RCVD, CloseReason.ABNORMAL_CLOSURE, CloseReason.TLS_HANDSHAKE_FAILED}
