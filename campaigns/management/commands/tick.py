"""manage.py tick: one look after everything, for cron or by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from campaigns.upkeep import housekeeping


class Command(BaseCommand):
    """Start what is due, settle what crashed senders left, ring when there is work."""

    help = "Start due campaigns, settle what crashed senders left behind and wake the workers. Harmless at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it once."""
        housekeeping.tick()
