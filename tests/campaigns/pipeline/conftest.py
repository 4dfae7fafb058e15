"""Fixtures of the way of a push."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.models import App
from tests.campaigns.fleet import Fleet, fleet_of
from tests.emulator import EmulatorProcess


@pytest.fixture(scope="session")
def secure_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator with a door for TLS and HTTP/2, and an authority of its own."""
    folder = tmp_path_factory.mktemp("tls")
    with EmulatorProcess("--tls-port", "0", "--tls-folder", str(folder)) as emulator:
        yield emulator


@pytest.fixture
def fleet(db: None, var: Path, secure_emulator: EmulatorProcess, settings: Any) -> Fleet:
    """An App with credentials for FCM, APNs and WNS, without devices yet."""
    secure_emulator.control("reset", {})
    return fleet_of(App.objects.create(name="Fleet", slug=f"fleet-{uuid.uuid4().hex[:8]}"), secure_emulator, settings)
