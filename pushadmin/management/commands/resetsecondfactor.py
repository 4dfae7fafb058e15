"""manage.py resetsecondfactor: for the operator of a machine whose administrator lost everything."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from pushadmin import second_factor


class Command(BaseCommand):
    """Remove a person's authenticator app, passkeys and recovery codes."""

    help = "Remove a person's second factor, so that a password or a one-time link is enough; says what it removed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whose it is."""
        parser.add_argument("--user", required=True, help="whose second factor")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove it and say what it was."""
        try:
            person = User.objects.get(username=options["user"])
        except User.DoesNotExist:
            raise CommandError(_("There is no user “%(name)s”.") % {"name": options["user"]}) from None
        removed = second_factor.reset(person, None)
        if removed:
            told = _("Removed from “%(person)s”: %(what)s.")
            self.stdout.write(told % {"person": person, "what": ", ".join(removed)})
        else:
            self.stdout.write(_("“%(person)s” had no second factor.") % {"person": person})
