"""manage.py exportvapid: the VAPID key pair (RFC 8292) of an App, for whoever moves away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices.browsers.subscribing import SERVICE
from devices.management.shared import app_called, private
from devices.models import Credential
from devices.push import vapid


class Command(BaseCommand):
    """Print the key pair that an App's browsers are bound to, and the contact."""

    help = (
        "Print the VAPID key pair of an App: contact, public key, and the private key in base64url and as PEM "
        "(docs/importing-subscriptions.md). Who has the private key can sign for the App."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the App and where to write."""
        parser.add_argument("--app", required=True, help="slug of the App the key belongs to")
        parser.add_argument("--output", type=Path, help="a new file, readable by its owner alone; without: stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print; CommandError when there is no key, or it cannot be read."""
        app = app_called(options["app"])
        row = Credential.objects.filter(app=app, service=SERVICE).first()
        if row is None:
            raise CommandError(_("This App has no key for browsers yet; it is made on the App's page."))
        if row.secret is None:
            raise CommandError(_("The key cannot be read with this installation's keys."))
        key = row.secret["private"]
        with private(options["output"], self.stdout) as write:
            write(_("Contact: %(contact)s") % {"contact": row.secret["contact"]} + "\n")
            write(_("Public key: %(key)s") % {"key": vapid.public_key(key)} + "\n")
            write(_("Private key: %(key)s") % {"key": key} + "\n")
            write(vapid.pem(key))
