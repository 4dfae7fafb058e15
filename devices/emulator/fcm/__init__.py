"""Firebase Cloud Messaging, HTTP v1, with Google's token endpoint and the Android phones behind it."""

from __future__ import annotations

import argparse

from devices.emulator.fcm.control import Control
from devices.emulator.fcm.service import Fcm
from devices.emulator.fcm.settings import Settings
from devices.emulator.shared import Shared

__all__ = ["add_arguments", "settings_of", "start"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no flags: everything is said by tokens and commands."""


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Return the settings that it begins with."""
    return Settings()


def start(settings: Settings | None, shared: Shared) -> Control:
    """Return what answers token requests, pushes and commands."""
    return Control(Fcm(settings or Settings(), shared))
