"""manage.py reencrypt: every stored secret with the newest encryption key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from devices import keys
from pushadmin import second_factor


class Command(BaseCommand):
    """Encrypt what is stored with the first of ENCRYPTION_KEYS, so that the others can go."""

    help = "Encrypt every stored secret with the first of ENCRYPTION_KEYS. The others can be taken away afterwards."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and tell how many; the exit code is 1 when one cannot be read."""
        if found := keys.strangers():
            raise CommandError(" ".join(found))
        done, lost = map(sum, zip(second_factor.encrypt_anew(), keys.encrypt_anew(), strict=True))
        self.stdout.write(_("%(count)s secrets are encrypted with the newest key.") % {"count": f"{done:,}"})
        if lost:
            told = _("%(count)s can be read with none of ENCRYPTION_KEYS; they stay as they are.")
            raise CommandError(told % {"count": f"{lost:,}"})
