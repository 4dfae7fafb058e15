"""Windows Push Notification Services, with both of Microsoft's token endpoints and the PCs behind the channels."""

from __future__ import annotations

import argparse

from devices.emulator.shared import Shared
from devices.emulator.wns.control import Control
from devices.emulator.wns.service import Wns
from devices.emulator.wns.settings import Settings

__all__ = ["add_arguments", "settings_of", "start"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no flags: everything is said by channels and commands."""


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return the settings that it begins with."""
    return Settings()


def start(settings: Settings | None, shared: Shared) -> Control:
    """Return what answers token requests, pushes and commands."""
    return Control(Wns(settings or Settings(), shared))
