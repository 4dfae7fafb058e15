"""manage.py setup: database, keys and static files, as often as you like."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class Command(BaseCommand):
    """Bring everything that is kept under var/ to this version. The keys are made by the settings themselves."""

    help = "Create or upgrade the database and collect the static files. Keeps what is there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is not done yet."""
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Setting up the database …")
            call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        if options["verbosity"] > 1:
            self.stdout.write(f"Ready in {settings.VAR}.")
