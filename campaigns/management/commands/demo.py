"""manage.py demo: the App of the first look, made once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.upkeep import demo, demo_browsers


class Command(BaseCommand):
    """Create the demo App at the emulator that PUSHADMIN_EMULATOR names."""

    help = (
        "Create an App with emulated phones and browsers and start its first campaign. A second call changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the numbers of phones and browsers."""
        parser.add_argument("--devices", type=int, default=demo.DEVICES)
        parser.add_argument("--browsers", type=int, default=demo_browsers.BROWSERS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or bring its addresses to the emulator's present port."""
        if not settings.EMULATOR:
            raise CommandError(_("There is no emulator: set PUSHADMIN_EMULATOR, for example to 127.0.0.1:9100."))
        try:
            made = demo.make(settings.EMULATOR, options["devices"], options["browsers"])
        except demo_browsers.Away as away:
            raise CommandError(_("The emulator does not answer. %(error)s") % {"error": away}) from away
        if made:
            told = _("Made “Northwind Weather” with %(phones)s emulated phones and %(browsers)s browsers.")
            counts = {"phones": f"{options['devices']:,}", "browsers": f"{options['browsers']:,}"}
            self.stdout.write(told % counts)
        else:
            demo.move(settings.EMULATOR)
