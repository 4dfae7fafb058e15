"""From what we know of a device to what a push service must know of it. The one place where a Target is made.

And which addresses an operator's setting lets through beside the services' own: the emulator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from devices.push.base import Target
from devices.versions import unranked


def let_through() -> frozenset[str]:
    """Return the ``host:port`` pairs that an operator's setting lets through beside the services' own: the emulator."""
    return frozenset({settings.EMULATOR, *_secure()} - {""})


def trusted() -> dict[str, str]:
    """Return the file of the authority that vouches for a ``host:port``, where everybody's do not: the emulator's."""
    return dict.fromkeys(_secure(), str(settings.EMULATOR_AUTHORITY))


def _secure() -> tuple[str, ...]:
    """Return the pairs of the emulator's door with TLS: its address, and the name that its sandbox goes by."""
    pair = settings.EMULATOR_TLS
    return (pair, f"localhost:{pair.rpartition(':')[2]}") if pair else ()


def server_refused(credentials: object | None) -> str:
    """Return why these credentials must be shown to nobody; "" when they go where the service's own hosts are.

    Credentials that have a ``server`` of their own, an origin such as https://127.0.0.1:9143, may name the emulator.
    """
    server = getattr(credentials, "server", "")
    if not server or urlsplit(server).netloc in let_through():
        return ""
    told = _("%(server)s is not a server that credentials may be shown to: they go to the push service itself.")
    return told % {"server": server}


NO_KEYS: Mapping[str, str] = {}


def target_of(address: str, os_rank: int | None, keys: Mapping[str, str] | None = None) -> Target:
    """Return the target at ``address`` of a device with ``os_rank`` (versions.rank) and the keys it registered."""
    return Target(address, unranked(os_rank), keys or NO_KEYS)
