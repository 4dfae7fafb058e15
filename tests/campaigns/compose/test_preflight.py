"""What the confirm page says of an audience is counted once, by classes, and nothing of it is about."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.compose import preflight, release
from campaigns.models import Notification
from devices.common import clock
from devices.models import Credential, Device, Segment
from tests.campaigns.conftest import House, outcomes

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


def test_who_is_left_out_is_counted_as_the_sender_decides(house: House) -> None:
    """A language includes its regions and a region nothing; a class of phones that can show none of it is left out."""
    for language in ("de", "de-AT", "de-AT-1996", "zh-Hant", "zh-Hant-TW", "fr", ""):
        house.phones("ok", language=language)
    campaign = house.campaign()
    Notification.objects.filter(campaign=campaign).update(language="de-AT")
    for language in ("de", "zh-Hant"):
        Notification.objects.create(campaign=campaign, language=language, message="toast", fields={"title": "x"})
    flight = preflight.assess(campaign)
    assert [one.devices for one in flight.left_out] == [3]
    release.start(campaign, None)
    house.run()
    assert outcomes(campaign) == {"accepted": flight.devices, "skipped": 3}


def test_phones_that_can_show_nothing_of_it_are_left_out_and_said_so(house: House) -> None:
    house.phones("ok", "ok", os_version="7.0.7008")
    only_old = house.campaign("standard_tile", {"title": "x", "tile_id": "/Two.xaml"})
    assert "Nobody would get this." in preflight.assess(only_old).refusal
    house.phones("ok", os_version="8.0.10517")
    flight = preflight.assess(only_old)
    assert ([one.devices for one in flight.left_out], flight.devices, flight.refusal) == ([2], 1, "")
    assert "no secondary tiles" in flight.left_out[0].reason
    assert [len(one.notes) for one in flight.wires if not one.size] == [1]  # said once
    release.start(only_old, None)
    house.run()
    assert outcomes(only_old) == {"accepted": 1, "skipped": 2}


def test_credentials_that_cannot_be_shown_are_told_before_anything_is_sent(house: House) -> None:
    """Else the campaign to all services pauses with its first push to this one."""
    house.phones("ok")
    Device.objects.create(
        app=house.app, service="fcm", address="a" * 140, address_digest="1", secret_digest="1", seen_at=clock.now()
    )
    row = Credential.objects.create(app=house.app, service="fcm", secret={"account": "{}"})  # type: ignore[misc]
    (told,) = [one.sentence for one in preflight.assess(house.campaign()).warnings if "credentials" in one.sentence]
    assert "cannot be used: This is no service account" in told
    with connection.cursor() as cursor:  # as after a key of ENCRYPTION_KEYS is taken away
        cursor.execute("UPDATE devices_credential SET secret = 'unreadable' WHERE id = %s", [row.pk])
    (told,) = [one.sentence for one in preflight.assess(house.campaign()).warnings if "credential " in one.sentence]
    assert "cannot be read with this installation's encryption key" in told
