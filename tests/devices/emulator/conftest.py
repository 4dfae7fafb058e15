"""One emulator for all tests of this folder, forgetful between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator import EmulatorProcess


@pytest.fixture(scope="session")
def running() -> Iterator[EmulatorProcess]:
    with EmulatorProcess("--phones", "200") as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorProcess) -> EmulatorProcess:
    running.control("reset", {})
    return running
