"""The campaigns app: what is said, to whom, when, and what came of it."""

from __future__ import annotations

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """Campaigns, their batches and their deliveries."""

    name = "campaigns"
