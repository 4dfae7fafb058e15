"""Who the demo's devices are: how many of which service, what they run, how they behave at the emulator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Device
from devices.push.base import PushService
from devices.push.services import all_services, find
from devices.versions import rank

Place = tuple[int, str, str, str]
PLACES: list[Place] = [
    # share, language, time zone, town
    (22, "en-US", "America/New_York", "Boston"),
    (10, "en-US", "America/Los_Angeles", "Oakland"),
    (10, "en-GB", "Europe/London", "Leeds"),
    (14, "de-DE", "Europe/Berlin", "Köln"),
    (10, "fr-FR", "Europe/Paris", "Lyon"),
    (9, "it-IT", "Europe/Rome", "Torino"),
    (9, "pt-BR", "America/Sao_Paulo", "Curitiba"),
    (7, "hi-IN", "Asia/Kolkata", "पुणे"),
    (4, "ar-EG", "Africa/Cairo", "القاهرة"),
    (3, "ja-JP", "Asia/Tokyo", "仙台"),
    (2, "", "", ""),
]


@dataclass(frozen=True)
class Kind:
    """The devices of one service. ``per_mille`` is their part of all, browsers' part being the rest.

    ``behaviours`` are (share in per mille, how the emulated device behaves: its address says so to the emulator),
    ``systems`` are (share, OS version, models).
    """

    service: PushService
    per_mille: int
    behaviours: tuple[tuple[int, str], ...]
    systems: tuple[tuple[int, str, tuple[str, ...]], ...]


ANDROID = (
    (18, "16", ("Pixel 10", "Pixel 9a", "Galaxy S25")),
    (31, "15", ("Galaxy S24", "Pixel 8", "Galaxy A55", "Xiaomi 14")),
    (26, "14", ("Galaxy A54", "Redmi Note 13", "Moto G84")),
    (25, "13", ("Galaxy A33", "Redmi Note 11", "Nokia G60")),
)
IPHONE = (
    (38, "26.1", ("iPhone 17", "iPhone 16", "iPhone 15 Pro")),
    (44, "18.7", ("iPhone 15", "iPhone 14", "iPhone 13", "iPad Air")),
    (18, "16.7", ("iPhone X", "iPhone 8")),
)
WINDOWS = (
    (70, "10.0.26100", ("Windows 11 PC", "Surface Pro")),
    (30, "10.0.19045", ("Windows 10 PC", "Surface Go")),
)
PHONES = (
    (4, "7.0.7008", ("HTC HD7", "Samsung Omnia 7", "LG Optimus 7")),
    (14, "7.10.7720", ("Nokia Lumia 800", "Nokia Lumia 710", "HTC Titan")),
    (12, "7.10.8858", ("Nokia Lumia 900", "Nokia Lumia 610", "Samsung Omnia W")),
    (25, "8.0.9903", ("HTC 8X", "Samsung Ativ S", "Nokia Lumia 820")),
    (45, "8.0.10517", ("Nokia Lumia 520", "Nokia Lumia 920", "Nokia Lumia 1020", "Nokia Lumia 1520")),
)
ANDROID_WAYS = ((955, "ok"), (28, "unregistered"), (8, "slow-400"), (6, "flap-1"), (3, "sender-id-mismatch"))
IPHONE_WAYS = ((950, "ok"), (25, "unregistered"), (8, "slow-400"), (7, "too-many-requests-1"), (6, "expired-token"))
WINDOWS_WAYS = ((930, "ok"), (30, "gone"), (20, "dropped"), (12, "throttled-1"), (8, "slow-400"))
PHONE_WAYS = (
    (925, "ok"),
    (20, "temp-disconnected"),
    (20, "expired"),
    (12, "queue-full-2"),
    (10, "suppressed"),
    (8, "inactive"),
    (5, "slow-400"),
)


def kinds() -> tuple[Kind, ...]:
    """Return what there is beside browsers."""
    switched_off = next(one for one in all_services() if one.retired)
    return (
        Kind(find("fcm"), 460, ANDROID_WAYS, ANDROID),
        Kind(find("apns"), 260, IPHONE_WAYS, IPHONE),
        Kind(find("wns"), 90, WINDOWS_WAYS, WINDOWS),
        Kind(switched_off, 50, PHONE_WAYS, PHONES),
    )


def devices(app: App, host: str, count: int) -> Iterator[Device]:
    """Yield the devices of every service but the browsers', out of ``count`` with them; the same on every machine."""
    number = 0
    for kind in kinds():
        several = count * kind.per_mille // 1000
        yield from _of(app, host, kind, several, number)
        number += several


def _of(app: App, host: str, kind: Kind, count: int, before: int) -> Iterator[Device]:
    choice = random.Random(f"7 {kind.service.slug}")  # noqa: S311
    now = clock.now()
    behaviours = choice.choices([name for _, name in kind.behaviours], [share for share, _ in kind.behaviours], k=count)
    systems = choice.choices(kind.systems, [share for share, *_ in kind.systems], k=count)
    places = choice.choices(PLACES, [share for share, *_ in PLACES], k=count)
    rows = enumerate(zip(behaviours, systems, places, strict=True), start=1)
    for number, (behaviour, (_, os_version, models), place) in rows:
        address = kind.service.emulated_address(f"{behaviour}.dev-{before + number}", host)
        app_version = choice.choice(["2.0", "2.4.1", "3.0", "3.1"])
        yield Device(
            app=app,
            service=kind.service.slug,
            address=address,
            address_digest=digest(address),
            secret_digest=digest(f"{choice.getrandbits(160):x}"),
            installation=f"demo-{before + number:05}",
            language=place[1],
            time_zone=place[2],
            os_version=os_version,
            os_rank=rank(os_version),
            app_version=app_version,
            app_rank=rank(app_version),
            model=choice.choice(models),
            attributes={"town": place[3]} if place[3] else {},
            test=number <= 2,
            seen_at=now - timedelta(hours=choice.expovariate(1 / 100)),
        )
