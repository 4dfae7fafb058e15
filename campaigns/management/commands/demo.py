"""manage.py demo: the App of the first look, made once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.upkeep import demo, demo_emulator


class Command(BaseCommand):
    """Create the demo App at the emulator that PUSHADMIN_EMULATOR names."""

    help = "Create an App with emulated devices and start its first campaign. A second call changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of devices."""
        parser.add_argument("--devices", type=int, default=demo.DEVICES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or bring its addresses to the emulator's present ports."""
        if not (settings.EMULATOR and settings.EMULATOR_TLS):
            told = _("There is no emulator: set PUSHADMIN_EMULATOR to 127.0.0.1:9100, and PUSHADMIN_EMULATOR_TLS.")
            raise CommandError(told)
        try:
            if demo.make(settings.EMULATOR, settings.EMULATOR_TLS, options["devices"]):
                told = _("Made “Northwind Weather” with %(count)s emulated devices of five push services.")
                self.stdout.write(told % {"count": f"{options['devices']:,}"})
            else:
                demo.move(settings.EMULATOR, settings.EMULATOR_TLS)
        except demo_emulator.Away as away:
            raise CommandError(_("The emulator does not answer. %(error)s") % {"error": away}) from away
