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
    taken = [line for line in fleet.emulator.ledger() if line["taken"]]
    assert len(taken) == len({line["channel"] for line in taken}) == 94
