"""manage.py reconcile: does everything add up?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from campaigns.upkeep import reconciling

SHOWN = 20  # violations that are printed for each campaign


class Command(BaseCommand):
    """Compare deliveries, counters, audience and perhaps a ledger; exit 1 when something does not add up."""

    help = "Check that deliveries, counters and audience of campaigns agree, and with --ledger what really left."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which campaigns, and where the other side kept its ledger."""
        parser.add_argument("campaign", nargs="*", type=int, help="campaigns by number (default: all that were sent)")
        parser.add_argument("--ledger", type=Path, help="JSON lines that the emulator wrote (pushemulator --ledger)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check each campaign and print a line."""
        campaigns = Campaign.objects.exclude(started_at=None).order_by("pk")
        if options["campaign"]:
            campaigns = campaigns.filter(pk__in=options["campaign"])
        ledger = reconciling.Ledger(options["ledger"]) if options["ledger"] else None
        bad = under_way = 0
        for campaign in campaigns:
            report = reconciling.reconcile(campaign, ledger)
            bad += bool(report.violations)
            under_way += report.under_way
            self.stdout.write(line_of(campaign, report))
            for sentence in report.violations[:SHOWN]:
                self.stdout.write(f"  {sentence}")
        if bad:
            raise CommandError(_("%(count)d campaigns do not add up.") % {"count": bad})
        if under_way:
            told = _("%(count)d still under way: of these only what holds at any moment was judged.")
            self.stdout.write(told % {"count": under_way})
        self.stdout.write(_("Everything adds up."))


def line_of(campaign: Campaign, report: reconciling.Report) -> str:
    """Return what a report says in one line."""
    state = _("%(status)s, still under way") if report.under_way else "%(status)s"
    told = _(
        "%(number)d “%(campaign)s” %(state)s: audience %(audience)s, final %(final)s, deliveries %(rows)s, unknown "
        "%(unknown)s, possible seconds %(marked)s, arrived %(taken)s, arrived twice %(twice)s, parked %(parked)s"
    )
    names = ("audience", "final", "rows", "unknown", "marked", "taken", "twice", "parked")
    counts = {name: f"{getattr(report, name):,}" for name in names}
    return told % {"number": campaign.pk, "campaign": campaign, "state": state % {"status": campaign.status}, **counts}
