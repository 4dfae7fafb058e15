"""manage.py setup: database, keys and static files, as often as you like."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from devices import keys
from pushadmin.checks import private_paths


class Command(BaseCommand):
    """Bring everything that is kept under var/ to this version. The keys are made by the settings themselves."""

    help = "Create or upgrade the database and collect the static files. Keeps what is there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether the keys here are to be the ones of this installation."""
        told = "the keys of this machine are those of the installation from now on; every other machine needs them"
        parser.add_argument("--accept-keys", action="store_true", help=told)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is not done yet."""
        for path in private_paths():
            with suppress(PermissionError):
                path.chmod(0o700 if path.is_dir() else 0o600)
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(_("The database does not answer: %(error)s") % {"error": error}) from error
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write(_("Setting up the database …"))
            call_command("migrate", verbosity=0, interactive=False)
        if (found := keys.strangers()) and not options["accept_keys"]:
            raise CommandError(" ".join(found))
        # A new SECRET_KEY is in use at once; a new encryption key when "reencrypt" has used it.
        keys.remember("SECRET_KEY", *(["ENCRYPTION_KEYS"] if options["accept_keys"] else []))
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        if options["verbosity"] > 1:
            self.stdout.write(_("Ready in %(folder)s.") % {"folder": settings.VAR})
