"""From what we know of a device to what a push service must know of it. The one place where a Target is made."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from devices.push.base import Target
from devices.versions import unranked


def let_through() -> frozenset[str]:
    """Return the ``host:port`` pairs that an operator's setting lets through beside the services' own: the emulator."""
    return frozenset({settings.EMULATOR} - {""})


NO_KEYS: Mapping[str, str] = {}


def target_of(address: str, os_rank: int | None, keys: Mapping[str, str] | None = None) -> Target:
    """Return the target at ``address`` of a device with ``os_rank`` (versions.rank) and the keys it registered."""
    return Target(address, unranked(os_rank), keys or NO_KEYS)
