"""An emulator with a TLS door, forgetful between tests, and a sender whose key it knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.emulator.apns.sender import Key, Sender
from tests.emulator import EmulatorProcess


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    folder: Path = tmp_path_factory.mktemp("apns") / "tls"
    with EmulatorProcess("--phones", "200", "--tls-port", "0", "--tls-folder", str(folder)) as emulator:
        yield emulator


@pytest.fixture
def emulator(secure: EmulatorProcess) -> EmulatorProcess:
    secure.control("reset", {})
    secure.control("apns/settings", {"first_streams": None, "streams": 1000})
    return secure


@pytest.fixture
def key(emulator: EmulatorProcess) -> Key:
    return Key.of_team(emulator)


@pytest.fixture
def sender(emulator: EmulatorProcess, key: Key) -> Iterator[Sender]:
    with Sender(emulator, key) as sender:
        yield sender
