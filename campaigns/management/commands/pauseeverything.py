"""manage.py pauseeverything: nothing goes out, and nothing starts by itself, until a person says so."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from campaigns import control


class Command(BaseCommand):
    """Pause what is being sent and take back what is scheduled, for example before a worker sees a restored backup."""

    help = "Pause every campaign that is being sent, and make drafts of the scheduled ones."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and tell how many."""
        held = control.pause_everything(_("Everything was paused by an operator."))
        told = _("%(paused)d paused, %(drafts)d scheduled ones are drafts again. Nothing goes out.")
        self.stdout.write(told % {"paused": held.paused, "drafts": held.drafts})
