"""Apple's push service for apps, its HTTP/2 provider API, with the phones behind it."""

from __future__ import annotations

import argparse

from devices.emulator.apns.control import Control
from devices.emulator.apns.service import Apns
from devices.emulator.apns.settings import Settings
from devices.emulator.shared import Shared

__all__ = ["add_arguments", "settings_of", "start"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no flags: everything is said by tokens and commands."""


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return whose authority signs client certificates."""
    return Settings(parsed.tls_folder)


def start(settings: Settings | None, shared: Shared) -> Control:
    """Return what answers pushes and commands."""
    return Control(Apns(shared, settings or Settings()))
