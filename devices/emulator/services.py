"""The emulated push services: one package each, found by walking this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import devices.emulator
from devices.emulator.exchange import Early, Reply, Request

if TYPE_CHECKING:
    import argparse

    from devices.emulator.shared import Shared

Wishes = dict[str, object]


class Running(Protocol):
    """A service that answers. What it has beyond this is its own."""

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """Return what is its own: first parts of paths (b"/wpush/"), paths of one part (b"/token"), what paths end with
        (b"*/oauth2/v2.0/token"), and what targets begin with when their path is "/" (b"/?token=").
        """

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups of screens it brings to the wall."""

    @property
    def commands(self) -> Mapping[str, Callable[[Wishes], object]]:
        """Return what can be POSTed to it by path: from a JSON object to JSON, or ValueError."""

    @property
    def views(self) -> Mapping[str, Callable[[Mapping[str, str]], object]]:
        """Return what can be asked of it by path: from the query to JSON, or ValueError."""

    @property
    def sockets(self) -> Mapping[str, Callable[[Request], Reply]]:
        """Return who welcomes websockets, by path. ``Reply.successor`` is what takes the connection over."""

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a request for ``target`` is read, if anything."""

    def answer(self, request: Request) -> Reply:
        """Decide about one request to what is its own."""

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator."""

    def settle(self) -> None:
        """Do what has become due: somebody looks, or the clock was moved."""

    def reset(self) -> None:
        """Forget everything but the settings."""


class Service(Protocol):
    """What a package brings. A folder ``page`` in it holds ``screens.js``, its part of the wall."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flags of this service alone."""

    def settings_of(self, parsed: argparse.Namespace) -> object:
        """Return its settings from parsed flags; raise ValueError."""

    def start(self, settings: Any, shared: Shared) -> Running:
        """Return the service, ready to answer."""


@cache
def found() -> dict[str, Service]:
    """Return every service by the name of its package."""
    packages = [module.name for module in pkgutil.iter_modules(devices.emulator.__path__) if module.ispkg]
    return {name: cast(Service, importlib.import_module(f"devices.emulator.{name}")) for name in sorted(packages)}
