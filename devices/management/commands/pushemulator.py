"""``manage.py pushemulator``: push services on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.emulator import options, server


class Command(BaseCommand):
    """Run the emulator until it is stopped."""

    help = "Runs push services on this machine and shows the phones behind them on a page."
    requires_system_checks: list[str] = []  # needs neither database nor settings

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the flags."""
        options.add_arguments(parser)

    def handle(self, *args: Any, **parsed: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        try:
            server.run(options.read(argparse.Namespace(**parsed)))
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error
