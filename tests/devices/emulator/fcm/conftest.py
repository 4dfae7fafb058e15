"""A project with an access token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.emulator.fcm.sender import token_of
from tests.emulator import EmulatorProcess

USUAL = {
    "token_seconds": 3599, "token_delay_ms": 0, "token_status": 0, "quota_per_minute": 600_000,
    "device_per_minute": 240,
}  # fmt: skip


@pytest.fixture
def bearer(emulator: EmulatorProcess) -> str:
    return token_of(emulator)


@pytest.fixture(autouse=True)
def usual(emulator: EmulatorProcess) -> Iterator[None]:
    """Settings outlive a reset: put them back."""
    yield
    emulator.control("fcm/settings", USUAL)
