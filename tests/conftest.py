"""What every test may ask for: the emulator, a clock that can be moved, and a browser that notices everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices import clock as database_clock
from tests.emulator import EmulatorProcess

pytest_plugins = ["tests.browser"]


def pytest_configure(config: pytest.Config) -> None:
    """Let Django run beside Playwright's event loop, in tests only."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    """One emulator for the whole run; tests tell their phones apart by their addresses."""
    with EmulatorProcess() as process:
        yield process


class Clock:
    """Moves the time that the product reads; nothing has to wait."""

    def advance(self, by: timedelta) -> None:
        """Let ``by`` pass."""
        database_clock.shift += by


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The database's clock, to be moved."""
    before = database_clock.shift
    yield Clock()
    database_clock.shift = before


@pytest.fixture
def var(settings: Any, tmp_path: Path) -> Path:
    """A folder of this test's own for journals and whatever else the product writes."""
    settings.VAR = tmp_path
    return tmp_path
