"""What somebody waits for in an installation that has grown: every list and page, counts, and preparing a campaign."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from campaigns.compose import release
from campaigns.models import Campaign, Delivery, Notification
from campaigns.pipeline import planning
from devices import segments
from devices.filters import LISTED
from devices.models import App, Device, Segment
from tests.bench.row import Row

PAGE, REACH, COUNT, PREPARE = 0.2, 0.5, 1.0, 5.0  # seconds: the goals
OUTCOMES = ("accepted", "rejected", "denied")  # most of them, few, none
Status = Campaign.Status


def timed(label: str, goal: float, act: Callable[[], int], runs: int) -> Row:
    """Measure ``act``, which tells what it counted: once with an empty cache, then the median of ``runs``."""
    cache.clear()
    took: list[float] = []
    rows = 0
    for _ in range(1 + runs):
        began = time.perf_counter()
        rows = act()
        took.append(time.perf_counter() - began)
    return Row(label, goal, median(took[1:] or took), took[0], rows)


def measure(runs: int) -> Iterator[Row]:
    """Measure everything, one row after the other."""
    app = App.objects.get(slug="weather")
    for row in Segment.objects.order_by("pk"):
        act = segments.devices(app, row.rule).count
        yield timed(f"count of “{row.name}”", COUNT, act, runs)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("bench"))
    client.get("/")  # templates and addresses are read once
    for label, (address, goal) in addresses(app).items():
        yield timed(label, goal, partial(get, client, address), runs)
    segment = Segment.objects.latest("pk")
    typed: dict[str, object] = {"app": app.pk, "match": "all"}
    for number, condition in enumerate(segment.rule["conditions"]):
        typed[f"c{number}-choice"] = f"{condition['field']}:{condition['op']}"
        typed[f"c{number}-value"] = condition["value"]
    yield timed("segment count while typing", COUNT, partial(post, client, "/devices/segment/count/", typed), runs)
    yield timed("prepare a campaign to everybody", PREPARE, partial(prepare, app), min(runs, 3))


def addresses(app: App) -> dict[str, tuple[str, float]]:
    """Return every page with its goal."""
    phone = Device.objects.filter(status=Device.Status.ACTIVE).order_by("pk")[Device.objects.count() // 3]
    draft, done = (
        Campaign.objects.get(status=Status.DRAFT),
        Campaign.objects.filter(status=Status.FINISHED).latest("pk"),
    )
    going, segment = Campaign.objects.get(status=Status.SENDING), Segment.objects.latest("pk")
    theirs = f"/campaigns/campaign/{done.pk}"
    listed = Delivery.objects.filter(campaign=done).order_by("-device_id").values_list("device_id", flat=True)
    last = list(listed[:50])[-1]
    fast = {
        "overview": "/",
        "overview: warnings": "/overview/warnings/",
        "overview: campaigns": "/overview/campaigns/",
        "campaigns": "/campaigns/campaign/",
        "campaigns: finished": "/campaigns/campaign/?status__exact=finished",
        "campaign, finished": f"{theirs}/change/",
        "campaign, on its way": f"/campaigns/campaign/{going.pk}/change/",
        "campaign, live part": f"/campaigns/campaign/{going.pk}/live/",
        "deliveries": f"{theirs}/deliveries/",
        "deliveries: the last page": f"{theirs}/deliveries/?after={last}-1",
        **{
            f"deliveries: {word}": f"{theirs}/deliveries/?outcome={word}" for word in ("accepted", "rejected", "denied")
        },
        "deliveries: second attempts": f"{theirs}/deliveries/?attempt=2",
        "deliveries: perhaps twice": f"{theirs}/deliveries/?doubled=1",
        "deliveries: of a device": f"{theirs}/deliveries/?device={phone.installation}",
        "deliveries: of nobody": f"{theirs}/deliveries/?device=nobody-of-this-name",
        "parked devices": f"/campaigns/campaign/{going.pk}/parked/",
        "confirm, to everybody": f"/campaigns/campaign/{draft.pk}/confirm/",
        "composer": "/campaigns/campaign/add/",
        "composer, a draft": f"/campaigns/campaign/{draft.pk}/change/",
        **devices_by(phone),
        "device": f"/devices/device/{phone.pk}/change/",
        "app": f"/devices/app/{app.pk}/change/",
        "apps": "/devices/app/",
        "segments": "/devices/segment/",
    }
    slow = {
        "overview: reach": ("/overview/reach/", REACH),
        "composer: reach of everybody": (f"/campaigns/campaign/reach/?app={app.pk}&segment=", REACH),
        "composer: reach of a segment": (f"/campaigns/campaign/reach/?app={app.pk}&segment={segment.pk}", REACH),
        "segment with its count": (f"/devices/segment/{segment.pk}/change/", COUNT),
    }
    return {label: (address, PAGE) for label, address in fast.items()} | slow


def devices_by(phone: Device) -> dict[str, str]:
    """Return the list of devices, with every search and filter."""
    asked = {
        "": "",
        ": the last page": f"p={min(LISTED, Device.objects.count()) // 50}",
        ": by installation": f"q={phone.installation}",
        ": by its beginning": f"q={phone.installation[:9]}",
        ": by everybody's beginning": "q=phone-",
        ": by address": f"q={phone.address}",
        ": by public id": f"q={phone.public_id}",
        ": by number": f"q={phone.pk}",
        ": of no such name": "q=nobody-of-this-name",
        ": active": "status__exact=active",
        ": retired": "status__exact=retired",
        ": service": "service=mpns",
        ": app": f"app__id__exact={phone.app_id}",
        ": test devices": "test__exact=1",
        ": connected": "connection=connected",
        ": inactive": "connection=inactive",
        ": never said": "connection=never+heard",
        ": OS 7": "os=7",
        ": OS 9, which none has": "os=9",
        ": German": "language=de",
        ": Czech": "language=cs",
        ": premium": "tag=premium",
        ": no such tag": "tag=nobody",
        ": retired, German, OS 8": "status__exact=retired&language=de&os=8",
        ": in the order of names": "o=0",
        ": in the order of states": "o=1",
        ": in the order of OS versions": "o=2",
        ": in the order of languages": "o=3",
        ": seen last first": "o=-4",
    }
    return {f"devices{label}": f"/devices/device/?{query}" for label, query in asked.items()}


def get(client: Client, address: str) -> int:
    """Fetch a page; it is about no number of rows."""
    answer = client.get(address)
    assert answer.status_code == 200, f"{address} answered {answer.status_code}"
    return 0


def post(client: Client, address: str, fields: dict[str, object]) -> int:
    """Fetch a fragment for what is being typed."""
    answer = client.post(address, fields)
    assert answer.status_code == 200, f"{address} answered {answer.status_code}"
    return 0


def prepare(app: App) -> int:
    """Freeze an audience of everybody into batches; return how many devices that were."""
    campaign = Campaign.objects.create(app=app, name="To prepare")
    fields = {"title": "Storm", "text": "Gusts."}
    Notification.objects.create(campaign=campaign, message="toast", fields=fields)
    release.start(campaign, None)
    while planning.freeze_some(campaign.pk):
        pass
    campaign.refresh_from_db()
    frozen = campaign.audience
    campaign.delete()
    return frozen
