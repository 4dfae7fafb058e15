"""The emulated push services: one package each, found by walking this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import devices.emulator

if TYPE_CHECKING:
    import argparse

    from devices.emulator.clock import Clock
    from devices.emulator.ledger import Ledger


class Service(Protocol):
    """What a package brings."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flags of this service alone."""

    def settings_of(self, parsed: argparse.Namespace) -> object:
        """Return its settings from parsed flags; raise ValueError."""

    def desk(self, settings: Any, clock: Clock, ledger: Ledger, phones: int) -> Any:
        """Return what answers requests (``wire.Desk``) for so many phones on the wall."""


@cache
def found() -> dict[str, Service]:
    """Return every service by the name of its package."""
    names = [module.name for module in pkgutil.iter_modules(devices.emulator.__path__) if module.ispkg]
    return {name: cast(Service, importlib.import_module(f"devices.emulator.{name}")) for name in sorted(names)}
