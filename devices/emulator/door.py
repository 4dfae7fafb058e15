"""Whoever comes in is given the protocol they speak: HTTP/1.1, or over TLS the one that ALPN settled (RFC 7301)."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from devices.emulator import http2, wire

PROTOCOLS = ("h2", "http/1.1")


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
        """Make a connection that becomes what ALPN settles; HTTP/1.1 when the peer names nothing."""
        return _Settling(self)

    def second(self) -> http2.Connection:
        """Make a connection of HTTP/2."""
        return http2.Connection(self._desk, self._outbox, self._twos)

    def abort(self) -> None:
        """End every connection at once."""
        for transport in [one.transport for one in self._ones] + [two.transport for two in self._twos]:
            transport.abort()


class _Settling(asyncio.Protocol):
    """A TLS connection until its handshake is done."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        session: ssl.SSLObject = transport.get_extra_info("ssl_object")
        speaks_second = session.selected_alpn_protocol() == "h2"
        protocol: asyncio.Protocol = self._door.second() if speaks_second else self._door.plain()
        cast("asyncio.Transport", transport).set_protocol(protocol)
        protocol.connection_made(transport)
