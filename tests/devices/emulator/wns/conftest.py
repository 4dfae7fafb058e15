"""An app with an access token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.emulator.wns.sender import token_of
from tests.emulator import EmulatorProcess

USUAL = {"token_seconds": 86_400, "token_delay_ms": 0, "token_status": 0, "refuse_broken_xml": 0}


@pytest.fixture
def bearer(emulator: EmulatorProcess) -> str:
    return token_of(emulator)


@pytest.fixture(autouse=True)
def usual(emulator: EmulatorProcess) -> Iterator[None]:
    """Settings outlive a reset: put them back."""
    yield
    emulator.control("wns/settings", USUAL)
