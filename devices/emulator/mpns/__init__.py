"""Microsoft Push Notification Service, as documented for Windows Phone 7.0 to 8.1 and switched off in 2018."""

from __future__ import annotations

from devices.emulator.mpns.control import Control
from devices.emulator.mpns.options import add_arguments, settings_of
from devices.emulator.mpns.service import Mpns
from devices.emulator.mpns.settings import Settings
from devices.emulator.shared import Shared

__all__ = ["add_arguments", "settings_of", "start"]


def start(settings: Settings, shared: Shared) -> Control:
    """Return what answers pushes and commands."""
    return Control(Mpns(settings, shared))
