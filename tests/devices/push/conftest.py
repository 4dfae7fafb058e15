"""A push service over HTTP/2 for whoever asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.push.h2wire import Http2Peer


@pytest.fixture
def http2_peer() -> Iterator[Http2Peer]:
    with Http2Peer() as peer:
        yield peer
    assert peer.failures == []
