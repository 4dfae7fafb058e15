"""What the confirm page says of an audience is counted once, by classes, and nothing of it is about."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.compose import preflight
from devices.common import clock
from devices.models import Device, Segment
from tests.campaigns.conftest import House

GERMAN = {"match": "all", "conditions": [{"field": "language", "op": "is", "value": "de"}]}


def test_classes_of_an_audience_add_up_to_its_reach_and_its_kinds_of_bytes(house: House) -> None:
    later = clock.now() + timedelta(hours=1)
    house.phones("ok", "ok", language="de", os_version="8.0.10517")
    house.phones("ok", language="de", os_version="8.0.10521", hold_until=later)
    house.phones("ok", language="de", os_version="7.0.7008", hold_until=later - timedelta(hours=2))  # over
    house.phones("ok", language="de", os_version="7.0.7008", status="retired")
    house.phones("ok", language="fr", os_version="7.10.8858")
    german = Segment.objects.create(app=house.app, name="German", rule=GERMAN)
    with CaptureQueriesContext(connection) as seen:
        flight = preflight.assess(house.campaign(segment=german))
    assert [(one.service.slug, one.devices, one.on_hold) for one in flight.reach] == [("mpns", 4, 1)]
    assert sorted(one.devices for one in flight.wires) == [1, 3]
    assert flight.refusal == ""
    theirs = Device.objects.filter(language="de", status="active").values_list("address", flat=True)
    assert {one.head.split()[1] for one in flight.wires} <= set(theirs)
    assert Counter("COUNT" in query["sql"] for query in seen.captured_queries)[True] == 1


def test_an_audience_of_nobody_is_refused(house: House) -> None:
    house.phones("ok", language="fr")
    nobody = Segment.objects.create(app=house.app, name="German", rule=GERMAN)
    flight = preflight.assess(house.campaign(segment=nobody))
    assert (flight.reach, flight.wires, flight.devices) == ([], [], 0)
    assert "has no device that can be reached" in flight.refusal
