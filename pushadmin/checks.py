"""What manage.py check says about an installation that would be open or unreadable to the wrong people."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004


@register(Tags.security)
def debug_only_at_home(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse DEBUG where others can reach the dashboard: its error pages tell everything."""
    local = {"localhost", "127.0.0.1", "[::1]", "testserver"}
    if settings.DEBUG and set(settings.ALLOWED_HOSTS) - local:
        told = "DEBUG is on and ALLOWED_HOSTS names hosts beyond this machine."
        return [Error(told, hint="Unset DEBUG.", id="pushadmin.E001")]
    return []


@register(Tags.security)
def emulator_stays_here(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an emulator elsewhere: PUSHADMIN_EMULATOR takes its host out of every rule about addresses."""
    if not settings.EMULATOR:
        return []
    host, colon, port = settings.EMULATOR.rpartition(":")
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if loopback and colon and port.isdecimal():
        return []
    told = f"PUSHADMIN_EMULATOR is {settings.EMULATOR!r}; it must be a loopback address with a port."
    return [Error(told, hint="For example 127.0.0.1:9100.", id="pushadmin.E002")]


@register(Tags.security)
def keys_are_private(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn when others on this machine can read the keys."""
    found: list[CheckMessage] = []
    for name in ("secret_key", "encryption_key"):
        path = Path(settings.VAR) / name
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.append(Warning(f"{path.name} can be read by others.", hint="chmod 600", id="pushadmin.W001"))
    return found
