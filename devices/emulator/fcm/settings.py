"""What can be set about the emulated FCM while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """The switches.

    ``token_seconds`` is how long an access token is good; the token endpoint answers after ``token_delay_ms``
    milliseconds, and with ``token_status`` when that is not 0. ``quota_per_minute`` is what a project may send in a
    minute, ``device_per_minute`` what one device may get.
    """

    token_seconds: int = 3599
    token_delay_ms: int = 0
    token_status: int = 0
    quota_per_minute: int = 600_000
    device_per_minute: int = 240
