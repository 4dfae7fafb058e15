"""Microsoft Push Notification Service, as documented for Windows Phone 7.0 to 8.1 and switched off in 2018."""

from __future__ import annotations

from devices.emulator.clock import Clock
from devices.emulator.ledger import Ledger
from devices.emulator.mpns.control import FrontDesk
from devices.emulator.mpns.options import add_arguments, settings_of
from devices.emulator.mpns.service import Mpns
from devices.emulator.mpns.settings import Settings

__all__ = ["add_arguments", "desk", "settings_of"]


def desk(settings: Settings, clock: Clock, ledger: Ledger, phones: int) -> FrontDesk:
    """Return what answers requests: pushes, the control API and the page."""
    return FrontDesk(Mpns(settings, clock, ledger, phones))
