"""A trial by a service that wants a bearer token, and a device that registered after its address was dead."""

from __future__ import annotations

import pytest

from campaigns.compose import trial
from devices.models import Device
from tests.campaigns.fleet import Fleet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("service", ["fcm", "apns", "wns"])
def test_a_trial_reaches_a_device_of_every_service(fleet: Fleet, service: str) -> None:
    (device,) = fleet.devices(service, "ok")
    assert trial.send(device, trial.hello(), None, None).outcome == "accepted"
    assert [line["taken"] for line in fleet.ledger_of(service)] == [True]


@pytest.mark.parametrize("service", ["fcm", "wns"])
def test_a_token_that_was_revoked_is_renewed_and_the_trial_goes_through(fleet: Fleet, service: str) -> None:
    (device,) = fleet.devices(service, "ok")
    fleet.run_once_for_token(service)
    fleet.emulator.control(f"{service}/revoke", {})
    assert trial.send(device, trial.hello(), None, None).outcome == "accepted"


@pytest.mark.parametrize(("behaviour", "status"), [("unregistered", "retired"), ("unregistered-86400", "active")])
def test_a_device_that_registered_since_is_kept(fleet: Fleet, behaviour: str, status: str) -> None:
    (device,) = fleet.devices("apns", behaviour)
    assert trial.send(device, trial.hello(), None, None).outcome == "gone"
    assert Device.objects.get().status == status
