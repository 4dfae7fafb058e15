"""Addresses that came into the database otherwise than through the door: our bearer tokens never follow them."""

from __future__ import annotations

import pytest

from devices.models import Device
from tests.campaigns.fleet import Fleet, outcomes_of
from tests.devices.push.wire import GOOD, Peer, answering

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.threats(1, 10, 11)
@pytest.mark.parametrize(
    ("service", "address"),
    [
        ("wns", "http://{trap}/?token=x"),
        ("wns", "https://{trap}/?token=x"),
        ("wns", "https://db5p.notify.windows.com@{trap}/?token=x"),
        ("fcm", "http://{trap}/token"),
        ("fcm", 'dKj3x:APA91b","token":"other-token-at-{trap}'),
        ("apns", "@{trap}/5a"),
        ("apns", "../../../5a"),
    ],
)
def test_our_token_follows_no_address_that_was_planted(fleet: Fleet, service: str, address: str) -> None:
    good, bad = fleet.devices(service, "ok", "ok")
    with Peer(answering(GOOD)) as trap:
        Device.objects.filter(pk=bad.pk).update(address=address.format(trap=trap.address))
        campaign = fleet.send()
        assert trap.connections == []
    assert outcomes_of(campaign) == {(service, "accepted"): 1, (service, "rejected"): 1}
    assert [line["channel"] for line in fleet.ledger_of(service)] == [
        good.address.removeprefix(fleet.emulator.url),
    ]
