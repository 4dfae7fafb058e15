"""How many questions every page asks the database: as many for many rows as for few, and no more than it says here."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Batch, Campaign, Delivery, Notification
from campaigns.packing import pack
from campaigns.pipeline import tasks
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Contact, Device, Segment, Tag, mark
from devices.versions import rank
from pushadmin.overview import SHOWN

RULE = {"match": "all", "conditions": [{"field": "tag", "op": "is", "value": "ski"}]}


def more(app: App, count: int) -> None:
    """Make so many more of everything that is listed, each with something to count; the first one is number 1."""
    before = App.objects.count()
    for number in range(before, before + count):
        App.objects.create(name=f"App {number}", slug=f"app-{number}")
        Segment.objects.create(app=app, name=f"Segment {number}", rule=RULE)
        versions = {"os_version": f"8.{number}", "os_rank": rank(f"8.{number}"), "language": f"d{number % 9}"}
        state = {"status": "retired", "retired_reason": f"Reason {number}"} if number % 3 == 0 else {}
        device = Device.objects.create(
            app=app, service="mpns", address=f"x{number}", address_digest=digest(f"x{number}"), seen_at=clock.now(),
            installation=f"phone-{number}", **versions, **state,
        )  # fmt: skip
        Contact.objects.create(device=device, mark=mark(device.address_digest), connection=f"word {number}")
        device.tags.add(Tag.objects.get_or_create(app=app, name="ski")[0])
        sent(app, device, Campaign.Status.FINISHED)
        sent(app, device, Campaign.Status.SENDING)


def sent(app: App, device: Device, status: Campaign.Status) -> None:
    """Make a campaign with a batch that is done, one that waits and one that is parked."""
    row = Campaign.objects.create(app=app, name="Storm", status=status, audience=3, started_at=clock.now())
    Notification.objects.create(campaign=row, message="toast", fields={"title": "Storm", "text": "Gusts"})
    values: dict[str, Any] = {"campaign": row, "service": "mpns", "ids": pack([device.pk]), "size": 1}
    done = Batch.objects.create(**values, status="done", rejected=1, due_at=clock.now())
    if status == Campaign.Status.SENDING:
        Batch.objects.create(**values, status="parked", due_at=clock.now())
        Batch.objects.create(**values, status="queued", due_at=clock.now() + timedelta(hours=1))
    Delivery.objects.create(
        campaign=row, device=device, attempt=1, batch=done, outcome="rejected", message_id=uuid.uuid4(), at=clock.now()
    )


# Each page, and what it asks beside the clock; the session and the person are asked for on every one.
PAGES: dict[str, int] = {
    "/": 35,
    "/overview/warnings/": 9,
    "/overview/campaigns/": 25,
    "/overview/reach/": 6,
    "/campaigns/campaign/": 8,
    "/campaigns/campaign/?status__exact=finished&app__id__exact={app}": 8,
    "/campaigns/campaign/{finished}/change/": 12,
    "/campaigns/campaign/{sending}/change/": 15,
    "/campaigns/campaign/{sending}/live/": 14,
    "/campaigns/campaign/{sending}/parked/": 6,
    "/campaigns/campaign/{finished}/deliveries/": 6,
    "/campaigns/campaign/{finished}/deliveries/?outcome=rejected": 6,
    "/campaigns/campaign/{finished}/deliveries/?device=phone-": 7,
    "/campaigns/campaign/{draft}/confirm/": 11,
    "/campaigns/campaign/{draft}/change/": 12,
    "/campaigns/campaign/add/": 8,
    "/campaigns/campaign/reach/?app={app}&segment={segment}": 6,
    "/devices/device/": 12,
    "/devices/device/?q=phone-": 13,
    "/devices/device/?status__exact=active&service=mpns&app__id__exact={app}&test__exact=0": 12,
    "/devices/device/?connection=word+1&os=8&language=d1&tag=ski": 12,
    "/devices/device/?o=3": 12,
    "/devices/device/{device}/change/": 7,
    "/devices/app/": 6,
    "/devices/app/{app}/change/": 8,
    "/devices/segment/": 7,
    "/devices/segment/{segment}/change/": 7,
}


@pytest.fixture
def asked(db: None, admin_client: Client) -> Callable[[str], int]:
    """Return how often a page asks, once what it may keep for a minute is kept; the clock does not count."""

    def asked(address: str) -> int:
        admin_client.get(address)
        with CaptureQueriesContext(connection) as seen:
            answer = admin_client.get(address)
        assert answer.status_code == 200, address
        return len([query for query in seen.captured_queries if "clock_timestamp" not in query["sql"]])

    return asked


def addresses(app: App, page: str) -> str:
    """Return the address of ``page`` with the newest of everything."""
    return page.format(
        app=app.pk,
        segment=Segment.objects.latest("pk").pk,
        device=Device.objects.latest("pk").pk,
        finished=Campaign.objects.filter(status="finished").latest("pk").pk,
        sending=Campaign.objects.filter(status="sending").latest("pk").pk,
        draft=Campaign.objects.filter(status="draft").latest("pk").pk,
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_as_often_for_many_as_for_few(page: str, asked: Callable[[str], int]) -> None:
    cache.clear()
    app = App.objects.create(name="Weather", slug="weather")
    draft = Campaign.objects.create(app=app, name="A draft")
    Notification.objects.create(campaign=draft, message="toast", fields={"title": "Storm", "text": "Gusts"})
    tasks.note_worker("sender")
    more(app, SHOWN + 1)
    few = asked(addresses(app, page))
    more(app, 3 * SHOWN)
    cache.clear()
    assert (few, asked(addresses(app, page))) == (PAGES[page], PAGES[page])


@pytest.mark.parametrize(
    ("page", "index"),
    [
        ("/overview/reach/", "COVERING INDEX device_reach"),
        ("/overview/reach/", "INDEX device_retired"),
        ("/campaigns/campaign/reach/?app={app}", "COVERING INDEX device_reach"),
        ("/campaigns/campaign/{draft}/confirm/", "COVERING INDEX device_reach"),
    ],
)
def test_who_can_be_reached_is_counted_from_an_index_alone(page: str, index: str, admin_client: Client) -> None:
    """Reading a million devices takes five times as long as reading an index of them."""
    app = App.objects.create(name="Weather", slug="weather")
    Campaign.objects.create(app=app, name="A draft")
    more(app, 4)
    with CaptureQueriesContext(connection) as seen:
        admin_client.get(addresses(app, page))
    counts = [query["sql"] for query in seen.captured_queries if "COUNT(*)" in query["sql"]]
    wanted = index if connection.vendor == "sqlite" else f"Index Only Scan using {index.rsplit(maxsplit=1)[-1]} "
    assert [plan for plan in map(plan_of, counts) if wanted in plan]


def plan_of(statement: str) -> str:
    """Return how the database would answer if its tables were too large to be read."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        else:
            off = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashagg")
            cursor.execute("; ".join(f"SET LOCAL {name} = off" for name in off))
            cursor.execute(f"EXPLAIN {statement}")
        return " ".join(str(row) for row in cursor.fetchall())
