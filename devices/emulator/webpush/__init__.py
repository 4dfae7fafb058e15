"""Web Push (RFC 8030, 8291, 8292) as four vendors have it, with the browsers behind it."""

from __future__ import annotations

import argparse

from devices.emulator.shared import Shared
from devices.emulator.webpush.control import Control
from devices.emulator.webpush.service import WebPush

__all__ = ["add_arguments", "settings_of", "start"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no flags: everything is said by addresses and commands."""


def settings_of(parsed: argparse.Namespace) -> None:
    """Return nothing: there is nothing to set."""


def start(settings: None, shared: Shared) -> Control:
    """Return what answers pushes and commands."""
    return Control(WebPush(shared))
