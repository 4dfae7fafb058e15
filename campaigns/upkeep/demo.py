"""A believable App for the first look: emulated phones and browsers, two segments, one campaign on its way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from django.db import transaction

from campaigns.compose import release
from campaigns.models import Campaign, Notification
from campaigns.upkeep import demo_browsers
from devices.browsers.subscribing import SERVICE
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Device, Segment, Tag
from devices.push.services import all_services
from devices.versions import rank

DEVICES = 10_000
SLUG = "northwind-weather"

BEHAVIOURS = [
    # share in per mille, how the emulated phone behaves (the emulator reads it from the address)
    (925, "ok"),
    (20, "temp-disconnected"),
    (20, "expired"),
    (12, "queue-full-2"),
    (10, "suppressed"),
    (8, "inactive"),
    (5, "slow-400"),
]
PHONES = [
    # share, OS version, models
    (4, "7.0.7008", ["HTC HD7", "Samsung Omnia 7", "LG Optimus 7"]),
    (14, "7.10.7720", ["Nokia Lumia 800", "Nokia Lumia 710", "HTC Titan"]),
    (12, "7.10.8858", ["Nokia Lumia 900", "Nokia Lumia 610", "Samsung Omnia W"]),
    (25, "8.0.9903", ["HTC 8X", "Samsung Ativ S", "Nokia Lumia 820"]),
    (45, "8.0.10517", ["Nokia Lumia 520", "Nokia Lumia 920", "Nokia Lumia 1020", "Nokia Lumia 1520"]),
]
PLACES = [
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
TAGS = {"storm-warnings": 0.45, "ski": 0.12, "coast": 0.2, "premium": 0.06, "beta": 0.03}


def make(host: str, devices: int = DEVICES, browsers: int = demo_browsers.BROWSERS) -> bool:
    """Create the demo App with phones and browsers at the emulator ``host`` (host:port), which has to run.

    False when it is there already. Raises demo_browsers.Away.
    """
    if App.objects.filter(slug=SLUG).exists():
        return False
    with transaction.atomic():
        app = App.objects.create(name="Northwind Weather", slug=SLUG, time_zone="Europe/Berlin")
        _devices(app, host, devices)
        demo_browsers.make(app, host, PLACES, browsers)
        _tags(app, random.Random(7))  # noqa: S311
        _segments(app)
        first_campaign(app)
    return True


def move(host: str) -> None:
    """Give the emulated phones and browsers their new addresses when the emulator moved to another port."""
    phones = Device.objects.filter(app__slug=SLUG, address__startswith="http://127.0.0.1:")
    sample = phones.first()
    if sample is None or sample.address.startswith(f"http://{host}/"):
        return
    batch: list[Device] = []
    for phone in phones.iterator(chunk_size=2000):
        phone.address = f"http://{host}/" + phone.address.split("/", 3)[3]
        phone.address_digest = digest(phone.address)
        batch.append(phone)
    Device.objects.bulk_update(batch, ["address", "address_digest"], batch_size=500)


def first_campaign(app: App) -> Campaign:
    """Compose and start the campaign that the first page shows."""
    campaign = Campaign.objects.create(app=app, name="Storm warning for the weekend", time_zone=app.time_zone)
    fields = {
        "title": "Storm on Saturday",
        "text": "Gusts up to 110 km/h on the coast. Tap for your town.",
        "link": "/Warnings.xaml?area=coast",
    }
    options = {SERVICE: {"link": "/warnings?area=coast", "button_1": "My town", "urgency": "high"}}
    Notification.objects.create(campaign=campaign, message="toast", fields=fields, options=options)
    release.start(campaign, None)
    return campaign


def _devices(app: App, host: str, count: int) -> None:
    choice = random.Random(7)  # noqa: S311 (the same phones on every machine)
    rows = _phones(app, host, count, choice)
    while chunk := list(islice(rows, 2000)):
        Device.objects.bulk_create(chunk)


def _phones(app: App, host: str, count: int, choice: random.Random) -> Iterator[Device]:
    now = clock.now()
    service = next(one for one in all_services() if one.retired)
    behaviours = choice.choices(BEHAVIOURS, [behaviour[0] for behaviour in BEHAVIOURS], k=count)
    phones = choice.choices(PHONES, [phone[0] for phone in PHONES], k=count)
    places = choice.choices(PLACES, [place[0] for place in PLACES], k=count)
    for number, (behaviour, phone, place) in enumerate(zip(behaviours, phones, places, strict=True), start=1):
        address = service.emulated_address(f"{behaviour[1]}.dev-{number}", host)
        app_version = choice.choice(["2.0", "2.4.1", "3.0", "3.1"])
        yield Device(
            app=app,
            service=service.slug,
            address=address,
            address_digest=digest(address),
            secret_digest=digest(f"{choice.getrandbits(160):x}"),
            installation=f"demo-{number:05}",
            language=place[1],
            time_zone=place[2],
            os_version=phone[1],
            os_rank=rank(phone[1]),
            app_version=app_version,
            app_rank=rank(app_version),
            model=choice.choice(phone[2]),
            attributes={"town": place[3]} if place[3] else {},
            test=number <= 3,
            seen_at=now - timedelta(hours=choice.expovariate(1 / 100)),
        )


def _tags(app: App, choice: random.Random) -> None:
    ids = list(Device.objects.filter(app=app).order_by("pk").values_list("pk", flat=True))
    through = Device.tags.through
    for name, share in TAGS.items():
        tag = Tag.objects.create(app=app, name=name)
        chosen = (through(device_id=pk, tag_id=tag.pk) for pk in ids if choice.random() < share)
        through.objects.bulk_create(chosen, batch_size=2000)


def _segments(app: App) -> None:
    def saved(name: str, *conditions: dict[str, object]) -> None:
        Segment.objects.create(app=app, name=name, rule={"match": "all", "conditions": list(conditions)})

    saved("Storm warnings, Germany", _is("tag", "storm-warnings"), _is("language", "de-DE"))
    saved("Premium", _is("tag", "premium"))


def _is(name: str, value: str) -> dict[str, object]:
    return {"field": name, "op": "is", "value": value}
