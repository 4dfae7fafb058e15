"""A sender with a key of its own."""

from __future__ import annotations

import pytest

from tests.devices.emulator.webpush.sender import Vapid


@pytest.fixture
def vapid() -> Vapid:
    return Vapid()
