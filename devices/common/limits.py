"""How often somebody may try or call: counters in the database (devices.models.Tally), one atomic statement each.

A cache will not do: what it forgets when it is full, somebody can fill it with.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from devices.common.secrets import digest

# Both databases take this text. A counter whose window is over begins anew; a refused call does not lengthen it.
COUNT = """
    INSERT INTO devices_tally (key, count, ends_at) VALUES (%s, 1, %s)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN devices_tally.ends_at <= %s THEN 1 ELSE devices_tally.count + 1 END,
        ends_at = CASE WHEN devices_tally.ends_at <= %s THEN excluded.ends_at ELSE devices_tally.ends_at END
    RETURNING count, ends_at
"""
FORGET = "DELETE FROM devices_tally WHERE key = %s"
FORGET_ENDED = "DELETE FROM devices_tally WHERE key IN (SELECT key FROM devices_tally WHERE ends_at <= %s LIMIT %s)"
GIVE_BACK = "UPDATE devices_tally SET count = count - 1 WHERE key = %s AND count > 0"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` in ``seconds`` for each caller, from the first call on. ``name`` keeps limits apart."""

    name: str
    calls: int
    seconds: int = 60

    def exceeded(self, who: str) -> int:
        """Count a call; return 0, or after how many seconds to come again when it was one too many."""
        now = time.time()
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [self._key(who), now + self.seconds, now, now])
            count, ends_at = cursor.fetchone()
        return int(ends_at - now) + 1 if count > self.calls else 0

    def give_back(self, who: str) -> None:
        """Take one counted call back: it was none of those that are limited."""
        with connection.cursor() as cursor:
            cursor.execute(GIVE_BACK, [self._key(who)])

    def forget(self, who: str) -> None:
        """Begin anew for this caller."""
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [self._key(who)])

    def _key(self, who: str) -> str:
        """Return what the counter is kept under: nothing that could be read back into a name or an address."""
        return digest(f"{self.name}\n{who}")


def forget_ended(most: int = 5000) -> int:
    """Remove up to ``most`` counters whose window is over; return how many those were."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_ENDED, [time.time(), most])
        return int(cursor.rowcount)


def client_address(request: HttpRequest) -> str:
    """Return who is calling. The last forwarded address counts, and only behind a proxy that the settings name."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.NINJA_NUM_PROXIES and forwarded:
        return forwarded.split(",")[-1].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest) -> str:
    """Return what is counted as one caller: an IPv4 address, or the /64 that one subscriber of IPv6 has."""
    address = client_address(request)
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:60]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
