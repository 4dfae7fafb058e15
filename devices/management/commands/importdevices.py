"""manage.py importdevices: devices from a list, as CSV or JSON, or from a table of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices import importing
from devices.management.shared import app_called


class Command(BaseCommand):
    """Register every device that a file lists."""

    help = (
        "Register the devices that a CSV file lists (docs/registration-api.md), or the browsers' subscriptions in a "
        "file of CSV or JSON (docs/importing-subscriptions.md), or the tables of django-push-notifications, "
        "fcm-django, Parse, OneSignal and rpush (docs/moving-in)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and the App."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--app", required=True, help="slug of the App the devices belong to")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and tell what became of every row; the exit code is 1 when one was left out."""
        app = app_called(options["app"])
        try:
            with options["file"].open("rb") as file:
                report = importing.load(app, file)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except importing.FileRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        for problem in report.problems:
            told = _("Element %(line)d: %(sentence)s") if report.elements else _("Line %(line)d: %(sentence)s")
            self.stderr.write(told % {"line": problem.line, "sentence": problem.sentence})
        if more := report.refused - len(report.problems):
            self.stderr.write(_("… and %(count)s more.") % {"count": f"{more:,}"})
        if report.repeated:
            told = _("%(count)s addresses stand in a later row again; the last one counts.")
            self.stderr.write(told % {"count": f"{report.repeated:,}"})
        if report.ignored:
            told = _("Not taken over, since a device has no place for it: %(names)s.")
            self.stderr.write(told % {"names": ", ".join(report.ignored)})
        told = _("%(new)s new, %(known)s brought up to date, %(refused)s left out.")
        counts = {"new": report.created, "known": report.updated, "refused": report.refused}
        self.stdout.write(told % {name: f"{count:,}" for name, count in counts.items()})
        if report.refused:
            raise CommandError(_("Some rows were left out."))
