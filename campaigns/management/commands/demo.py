"""manage.py demo: the App of the first look, made once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.upkeep import demo


class Command(BaseCommand):
    """Create the demo App at the emulator that PUSHADMIN_EMULATOR names."""

    help = "Create an App with 10,000 emulated phones and start its first campaign. A second call changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of phones."""
        parser.add_argument("--devices", type=int, default=demo.DEVICES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or bring its addresses to the emulator's present port."""
        if not settings.EMULATOR:
            raise CommandError(_("There is no emulator: set PUSHADMIN_EMULATOR, for example to 127.0.0.1:9100."))
        if demo.make(settings.EMULATOR, options["devices"]):
            told = _("Made “Northwind Weather” with %(count)s emulated phones.")
            self.stdout.write(told % {"count": f"{options['devices']:,}"})
        else:
            demo.move(settings.EMULATOR)
