"""The time zones that there are: what a device may say, and what a form offers."""

from __future__ import annotations

from zoneinfo import available_timezones

KNOWN = frozenset(available_timezones())
# What a form offers: places, without the names that only machines use.
OFFERED = ("UTC", *sorted(zone for zone in KNOWN if "/" in zone and not zone.startswith(("Etc/", "SystemV/"))))
CHOICES = [(zone, zone) for zone in OFFERED]
