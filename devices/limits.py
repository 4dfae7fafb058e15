"""How often somebody may call: a count per window of time in the shared cache."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from devices.secrets import digest

WINDOW = 60  # seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` in a window for each caller. ``name`` keeps limits apart."""

    name: str
    calls: int

    def exceeded(self, who: str) -> int:
        """Count a call; return 0, or after how many seconds to come again when it was one too many."""
        window, spent = divmod(time.time(), WINDOW)
        key = f"limit:{self.name}:{digest(who)[:32]}:{int(window)}"
        if cache.add(key, 1, WINDOW * 2):
            return 0
        try:
            count = cache.incr(key)
        except ValueError:  # it fell out of the cache meanwhile
            return 0
        return int(WINDOW - spent) + 1 if count > self.calls else 0


def client_address(request: HttpRequest) -> str:
    """Return who is calling. The last forwarded address counts, and only behind a proxy that the settings name."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.NINJA_NUM_PROXIES and forwarded:
        return forwarded.split(",")[-1].strip()
    return str(request.META.get("REMOTE_ADDR", ""))
