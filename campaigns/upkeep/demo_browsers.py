"""The demo's browsers: subscriptions of four vendors, made by the emulator, which holds their keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from campaigns.upkeep.demo_emulator import ask
from devices.browsers.subscribing import SERVICE
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Credential, Device, Site, SiteOrigin
from devices.push import vapid
from devices.push.services import find

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


def make(app: App, host: str, places: list[tuple[int, str, str, str]], count: int) -> int:
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
        wishes = {"vendor": vendor, "behaviour": behaviour, "key": public}
        for one in ask(host, "webpush/subscriptions", **wishes, names=names)["subscriptions"]:
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
