"""The campaigns app: what is said, to whom, when, and what came of it."""

from __future__ import annotations

from django.apps import AppConfig

from devices.common import lifeline


class CampaignsConfig(AppConfig):
    """Campaigns, their batches and their deliveries."""

    name = "campaigns"

    def ready(self) -> None:
        """In a process of a worker: end when the supervisor is gone."""
        lifeline.watch()
