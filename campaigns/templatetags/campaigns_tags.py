"""What other rooms show of campaigns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.monitor import history
from devices.models import Device

register = template.Library()
MOST = 100
MOST_TRIALS = 20


@register.inclusion_tag("campaigns/monitor/device_history.html", takes_context=True)
def device_history(context: dict[str, Any], device: Device) -> dict[str, Any]:
    """Show the newest pushes to a device, to those who may see campaigns."""
    user = context["request"].user
    may = user.has_perm("campaigns.view_campaign")
    rows = history.of_device(device, MOST) if may else []
    trials = device.trials.select_related("by").order_by("-at")[:MOST_TRIALS] if may else []
    return {"rows": rows, "most": MOST, "trials": trials}


@register.filter
def on_the_wall(value: datetime, zone: str) -> SafeString:
    """Return a moment as clocks in ``zone`` show it, with the zone and its UTC time: what a person chose."""
    wall, utc = value.astimezone(ZoneInfo(zone)), value.astimezone(UTC)
    shown = f"{wall:%-d %b %Y, %H:%M}"
    place = f" {zone}" if zone == "UTC" else f" {zone} ({utc:%H:%M} UTC)"
    return format_html('<time datetime="{}">{}</time>{}', utc.isoformat(), shown, place)
