"""manage.py prune: remove old single deliveries; every campaign keeps its totals."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.upkeep import pruning


class Command(BaseCommand):
    """Remove the single deliveries of campaigns that ended long ago."""

    help = "Remove the single deliveries of campaigns that ended more than so many days ago. Totals stay."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how long they are kept."""
        parser.add_argument("--days", type=int, default=settings.RETENTION_DAYS, help="default: RETENTION_DAYS")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove them, campaign by campaign."""
        if options["days"] < 1:
            raise CommandError(_("Say how many days are kept: --days 365, or the setting RETENTION_DAYS."))
        total = 0
        for campaign, removed in pruning.prune(options["days"]):
            total += removed
            told = _("%(number)d “%(campaign)s”: %(count)s deliveries removed.")
            self.stdout.write(told % {"number": campaign.pk, "campaign": campaign, "count": f"{removed:,}"})
        pruning.prune_trials(options["days"])
        self.stdout.write(_("%(count)s deliveries removed.") % {"count": f"{total:,}"})
