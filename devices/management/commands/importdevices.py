"""manage.py importdevices: devices from a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices import importing
from devices.models import App


class Command(BaseCommand):
    """Register every device that a CSV file lists."""

    help = "Register the devices that a CSV file lists. The first line names the columns; docs/registration-api.md."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and the App."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--app", required=True, help="slug of the App the devices belong to")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and tell what became of every row; the exit code is 1 when one was left out."""
        app = App.objects.filter(slug=options["app"]).first()
        if app is None:
            known = ", ".join(App.objects.values_list("slug", flat=True)) or _("none yet")
            told = _("There is no App “%(slug)s”. There are: %(slugs)s.")
            raise CommandError(told % {"slug": options["app"], "slugs": known})
        try:
            with options["file"].open("rb") as file:
                report = importing.load(app, file)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except importing.FileRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        for problem in report.problems:
            told = _("Line %(line)d: %(sentence)s")
            self.stderr.write(told % {"line": problem.line, "sentence": problem.sentence})
        if more := report.refused - len(report.problems):
            self.stderr.write(_("… and %(count)s more.") % {"count": f"{more:,}"})
        told = _("%(new)s new, %(known)s brought up to date, %(refused)s left out.")
        counts = {"new": report.created, "known": report.updated, "refused": report.refused}
        self.stdout.write(told % {name: f"{count:,}" for name, count in counts.items()})
        if report.refused:
            raise CommandError(_("Some rows were left out."))
