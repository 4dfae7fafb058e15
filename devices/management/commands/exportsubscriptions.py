"""manage.py exportsubscriptions: the browsers of an App with their keys, as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices.browsers import exporting
from devices.management.shared import app_called, private


class Command(BaseCommand):
    """Write every browser's subscription of an App, keys included."""

    help = (
        "Write the browsers of an App with their keys, one a line, as importdevices takes them "
        "(docs/importing-subscriptions.md). Who has the file and the App's private key can send to them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the App and where to write."""
        parser.add_argument("--app", required=True, help="slug of the App the browsers belong to")
        parser.add_argument("--output", type=Path, help="a new file, readable by its owner alone; without: stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export; the exit code is 1 when the keys of a browser could not be read."""
        app = app_called(options["app"])
        written = lost = 0
        with private(options["output"], self.stdout) as write:
            for line in exporting.lines(app):
                if line is None:
                    lost += 1
                else:
                    write(line)
                    written += 1
        self.stderr.write(_("%(count)s browsers are written.") % {"count": f"{written:,}"})
        if lost:
            told = _("%(count)s browsers were left out: their keys cannot be read with this installation's keys.")
            raise CommandError(told % {"count": f"{lost:,}"})
