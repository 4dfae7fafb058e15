"""manage.py importdevices: devices from a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

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
            known = ", ".join(App.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no App “{options['app']}”. There are: {known}.")
        try:
            with options["file"].open("rb") as file:
                report = importing.load(app, file)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except importing.FileRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        for problem in report.problems:
            self.stderr.write(f"Line {problem.line}: {problem.sentence}")
        if report.refused > len(report.problems):
            self.stderr.write(f"… and {report.refused - len(report.problems):,} more.")
        self.stdout.write(
            f"{report.created:,} new, {report.updated:,} brought up to date, {report.refused:,} left out."
        )
        if report.refused:
            raise CommandError("Some rows were left out.")
