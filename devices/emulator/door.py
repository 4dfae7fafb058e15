"""Whoever comes in is given the protocol they speak: HTTP/1.1, or over TLS the one that ALPN settled (RFC 7301)."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from devices.emulator import http2, wire

PROTOCOLS = ("h2", "http/1.1")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # how a client of HTTP/2 begins (RFC 9113, 3.4)


class Door:
    """Makes the connections of all listeners of one desk."""

    def __init__(self, desk: http2.Desk, outbox: wire.Outbox) -> None:
        self._desk = desk
        self._outbox = outbox
        self._ones: set[wire.Connection] = set()
        self._twos: set[http2.Connection] = set()

    def plain(self) -> wire.Connection:
        """Make a connection of HTTP/1.1."""
        return wire.Connection(self._desk, self._outbox, self._ones)

    def secure(self) -> asyncio.Protocol:
        """Make a connection that becomes what ALPN settles; when the peer names nothing, what it begins with."""
        return _Settling(self)

    def second(self) -> http2.Connection:
        """Make a connection of HTTP/2."""
        return http2.Connection(self._desk, self._outbox, self._twos)

    def abort(self) -> None:
        """End every connection at once."""
        for transport in [one.transport for one in self._ones] + [two.transport for two in self._twos]:
            transport.abort()


class _Settling(asyncio.Protocol):
    """A TLS connection until its handshake is done; without ALPN until its first bytes are there.

    Apple's servers speak HTTP/2 with whoever begins so, and some clients of theirs name no protocol.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        session: ssl.SSLObject = transport.get_extra_info("ssl_object")
        settled = session.selected_alpn_protocol()
        if settled is not None:
            self._become(settled == "h2")

    def data_received(self, data: bytes) -> None:
        self._begun += data
        if not PREFACE.startswith(self._begun[: len(PREFACE)]):
            self._become(second=False)
        elif len(self._begun) >= len(PREFACE):
            self._become(second=True)

    def _become(self, second: bool) -> None:
        assert self._transport is not None  # noqa: S101  # for the types
        protocol: asyncio.Protocol = self._door.second() if second else self._door.plain()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._begun:
            protocol.data_received(self._begun)
