"""What every page knows: navigation state and the notice that the emulator is let through."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Return the variables every template may use."""
    return {"emulator": settings.EMULATOR}
