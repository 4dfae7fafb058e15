"""The demo's browsers: two thousand subscriptions of four vendors, made by the emulator, which holds their keys."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import requests

from devices.browsers.subscribing import SERVICE
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Credential, Device, Site, SiteOrigin
from devices.push import vapid
from devices.push.services import find

BROWSERS = 2_000
WAIT = 15.0  # seconds for the emulator to answer: it was started a moment ago
CONTACT = "mailto:ops@example.org"
ORIGINS = ("http://127.0.0.1:8090", "http://localhost:8090")  # where docs/browsers.md serves the example site
VENDORS = [
    # share, vendor as the emulator calls it, browsers
    (58, "google", ["Chrome 142, Android", "Chrome 142, Windows", "Chrome 141, macOS", "Samsung Internet 28, Android"]),
    (17, "mozilla", ["Firefox 144, Windows", "Firefox 140, Linux", "Firefox 144, Android"]),
    (15, "apple", ["Safari 18, macOS", "Safari 18, iPhone"]),
    (10, "microsoft", ["Edge 142, Windows"]),
]
BEHAVIOURS = [
    # share in per mille, how the emulated subscription behaves (the emulator reads it from the endpoint)
    (935, "ok"),
    (25, "offline"),
    (20, "gone"),
    (8, "unknown"),
    (6, "throttled-1"),
    (6, "slow-400"),
]


class Away(Exception):
    """The emulator does not answer. ``str(error)`` is a sentence."""


def make(app: App, host: str, places: list[tuple[int, str, str, str]], count: int = BROWSERS) -> int:
    """Give ``app`` a key and ``count`` browsers at the emulator ``host``; return how many. Raises Away.

    ``places`` are (share, language, time zone, town).
    """
    private = vapid.new_key()
    public = vapid.public_key(private)
    secret: Any = {"contact": CONTACT, "private": private}
    Credential.objects.create(app=app, service=SERVICE, secret=secret, subject=CONTACT, fingerprint=public)
    site = Site.objects.create(app=app, key="site_demo-northwind-weather")
    SiteOrigin.objects.bulk_create([SiteOrigin(site=site, origin=origin) for origin in ORIGINS])
    rows = list(_browsers(app, host, public, places, count))
    Device.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def _browsers(
    app: App, host: str, public: str, places: list[tuple[int, str, str, str]], count: int
) -> Iterator[Device]:
    choice = random.Random(11)  # noqa: S311 (the same browsers on every machine)
    kinds = choice.choices([*_kinds()], [share for share, *_ in _kinds()], k=count)
    models = {vendor: names for _share, vendor, names in VENDORS}
    extra_hosts = frozenset({host})
    service, now, number = find(SERVICE), clock.now(), 0
    for (_share, vendor, behaviour), several in sorted(Counter(kinds).items()):
        names = [f"browser-{number + place}" for place in range(1, several + 1)]
        number += several
        for one in _subscriptions(host, vendor=vendor, behaviour=behaviour, key=public, names=names):
            address = service.clean_address(one["endpoint"], extra_hosts=extra_hosts)
            keys: Any = service.clean_keys(one["keys"])
            place = choice.choices(places, [share for share, *_ in places])[0]
            yield Device(
                app=app,
                service=SERVICE,
                address=address,
                address_digest=digest(address),
                keys=keys,
                secret_digest=digest(f"{choice.getrandbits(160):x}"),
                language=place[1],
                time_zone=place[2],
                model=choice.choice(models[vendor]),
                attributes={"town": place[3]} if place[3] else {},
                seen_at=now - timedelta(hours=choice.expovariate(1 / 100)),
            )


def _kinds() -> list[tuple[int, str, str]]:
    return [(a * b, vendor, behaviour) for a, vendor, _ in VENDORS for b, behaviour in BEHAVIOURS]


def _subscriptions(host: str, **wishes: Any) -> list[dict[str, Any]]:
    """Have the emulator make subscriptions; raise Away. As it was started just now, it may take a moment to listen."""
    until = time.monotonic() + WAIT
    session = requests.Session()
    session.trust_env = False
    while True:
        try:
            answer = session.post(f"http://{host}/emulator/webpush/subscriptions", json=wishes, timeout=WAIT)
            answer.raise_for_status()
        except requests.RequestException as error:
            if time.monotonic() > until:
                raise Away(str(error)) from error
            time.sleep(0.1)
        else:
            made: list[dict[str, Any]] = answer.json()["subscriptions"]
            return made
