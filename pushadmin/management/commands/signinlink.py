"""manage.py signinlink: the way in without a password."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices import keys
from pushadmin import links, roles


class Command(BaseCommand):
    """Print a link that signs its owner in once, within an hour."""

    help = "Print a one-time sign-in link; on a fresh installation, make the first administrator, without a password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whose link it is and where the dashboard is reached."""
        parser.add_argument("--user", default="", help="whose link (default: the first administrator)")
        parser.add_argument("--base-url", default="http://127.0.0.1:8000", help="where the dashboard is reached")

    def handle(self, *args: Any, **options: Any) -> None:
        """Find or make the owner and print the link alone on a line."""
        if found := keys.strangers():
            raise CommandError(" ".join(found))  # the link would be void
        user = self._owner(options["user"])
        if not (user.is_active and user.is_staff):
            told = _("“%(person)s” may not sign in here: the account is inactive or not of the staff.")
            raise CommandError(told % {"person": user})
        self.stdout.write(options["base_url"].rstrip("/") + links.path_for(user))

    def _owner(self, name: str) -> User:
        if name:
            try:
                return User.objects.get(username=name)
            except User.DoesNotExist:
                raise CommandError(_("There is no user “%(name)s”.") % {"name": name}) from None
        first = User.objects.filter(is_superuser=True, is_active=True, is_staff=True).order_by("pk").first()
        return first or self._first()

    def _first(self) -> User:
        roles.create_groups()
        return User.objects.create_superuser("admin", password=None)
