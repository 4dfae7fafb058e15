"""What can be set about the emulated WNS while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """The switches.

    ``token_seconds`` is how long an access token is good; the token endpoints answer after ``token_delay_ms``
    milliseconds, and with ``token_status`` when that is not 0. ``refuse_broken_xml`` (0 or 1) answers 400 to what the
    real service takes and its clients ignore.
    """

    token_seconds: int = 86_400
    token_delay_ms: int = 0
    token_status: int = 0
    refuse_broken_xml: int = 0
