"""Campaigns to Android, iPhones and Windows, and to all of them at once, against the emulated push services."""

from __future__ import annotations

import pytest

from campaigns.models import Campaign
from tests.campaigns.fleet import Fleet, outcomes_of

pytestmark = pytest.mark.django_db(transaction=True)
Status = Campaign.Status


def test_one_notification_reaches_phones_and_computers_of_every_service(fleet: Fleet) -> None:
    fleet.devices("fcm", *["ok"] * 30)
    fleet.devices("apns", *["ok"] * 30)
    fleet.devices("apns", "ok", "ok", sandbox=True)
    fleet.devices("wns", *["ok"] * 30)
    fleet.phones("ok", "ok")
    campaign = fleet.send()
    assert campaign.status == Status.FINISHED, campaign.paused_because
    counted = {("fcm", "accepted"): 30, ("apns", "accepted"): 32, ("wns", "accepted"): 30, ("mpns", "accepted"): 2}
    assert outcomes_of(campaign) == counted
    for service, count in (("fcm", 30), ("apns", 32), ("wns", 30)):
        taken = [line["channel"] for line in fleet.ledger_of(service) if line["taken"]]
        assert len(taken) == len(set(taken)) == count


def test_a_server_that_takes_one_stream_at_first_gets_one_and_then_all(fleet: Fleet) -> None:
    fleet.emulator.control("apns/settings", {"first_streams": 1})
    try:
        fleet.devices("apns", *["ok"] * 300)
        campaign = fleet.send()
    finally:
        fleet.emulator.control("apns/settings", {"first_streams": None})
    assert outcomes_of(campaign) == {("apns", "accepted"): 300}
    assert len([line for line in fleet.ledger_of("apns") if line["taken"]]) == 300
