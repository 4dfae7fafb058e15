"""What other rooms show of campaigns."""

from __future__ import annotations

from typing import Any

from django import template

from campaigns import history
from devices.models import Device

register = template.Library()
MOST = 100


@register.inclusion_tag("campaigns/device_history.html", takes_context=True)
def device_history(context: dict[str, Any], device: Device) -> dict[str, Any]:
    """Show the newest pushes to a device, to those who may see campaigns."""
    user = context["request"].user
    rows = history.of_device(device, MOST) if user.has_perm("campaigns.view_campaign") else []
    return {"rows": rows, "most": MOST}
