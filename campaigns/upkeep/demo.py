"""A believable App for the first look: devices of five services, two segments, one campaign on its way."""

from __future__ import annotations

import random
from itertools import islice

from django.db import transaction

from campaigns.compose import release
from campaigns.models import Campaign, Notification
from campaigns.upkeep import demo_browsers, demo_devices, demo_emulator
from devices.browsers.subscribing import SERVICE
from devices.common.secrets import digest
from devices.models import App, Device, Segment, Tag

DEVICES = 10_000
SLUG = "northwind-weather"

TAGS = {"storm-warnings": 0.45, "ski": 0.12, "coast": 0.2, "premium": 0.06, "beta": 0.03}


def make(host: str, secure: str, devices: int = DEVICES) -> bool:
    """Create the demo App with ``devices`` of every service at the emulator ``host`` (host:port), which has to run.

    ``secure`` is its door with TLS. False when the App is there already. Raises demo_emulator.Away.
    """
    if App.objects.filter(slug=SLUG).exists():
        return False
    with transaction.atomic():
        app = App.objects.create(name="Northwind Weather", slug=SLUG, time_zone="Europe/Berlin")
        rows = demo_devices.devices(app, host, devices)
        while chunk := list(islice(rows, 2000)):
            Device.objects.bulk_create(chunk)
        demo_browsers.make(app, host, demo_devices.PLACES, devices - Device.objects.filter(app=app).count())
        demo_emulator.show(app, host, secure)
        _tags(app, random.Random(7))  # noqa: S311
        _segments(app)
        first_campaign(app)
    return True


def move(host: str, secure: str) -> None:
    """Give devices and credentials their new addresses when the emulator moved to another port. Raises Away."""
    app = App.objects.filter(slug=SLUG).first()
    if app is None:
        return
    demo_emulator.show(app, host, secure)
    moved = Device.objects.filter(app=app, address__startswith="http://127.0.0.1:")
    sample = moved.first()
    if sample is None or sample.address.startswith(f"http://{host}/"):
        return
    batch: list[Device] = []
    for device in moved.iterator(chunk_size=2000):
        device.address = f"http://{host}/" + device.address.split("/", 3)[3]
        device.address_digest = digest(device.address)
        batch.append(device)
    Device.objects.bulk_update(batch, ["address", "address_digest"], batch_size=500)


def first_campaign(app: App) -> Campaign:
    """Compose and start the campaign that the first page shows."""
    campaign = Campaign.objects.create(app=app, name="Storm warning for the weekend", time_zone=app.time_zone)
    fields = {
        "title": "Storm on Saturday",
        "text": "Gusts up to 110 km/h on the coast. Tap for your town.",
        "link": "/Warnings.xaml?area=coast",
    }
    options = {
        SERVICE: {"link": "/warnings?area=coast", "button_1": "My town", "urgency": "high"},
        "fcm": {"channel": "storms", "colour": "#0B6FA3"},
        "apns": {"level": "time-sensitive", "thread": "storms"},
        "wns": {"attribution": "Northwind Weather", "button_1": "My town", "sound": "Reminder"},
    }
    Notification.objects.create(campaign=campaign, message="toast", fields=fields, options=options)
    release.start(campaign, None)
    return campaign


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
