"""A few devices that hang cost the others next to nothing."""

from __future__ import annotations

from campaigns.models import Delivery
from devices.models import Device
from tests.campaigns.conftest import House


def seconds_of_the_quick(house: House, hanging: int) -> float:
    """Send to 2,000 phones, ``hanging`` of which answer after four seconds; return how long the others took."""
    Device.objects.filter(app=house.app).delete()
    every = 2000 // hanging
    house.phones(*["ok" if number % every else "slow-4000" for number in range(2000)])
    campaign = house.send()
    quick = Delivery.objects.filter(campaign=campaign, milliseconds__lt=3000)
    moments = sorted(quick.values_list("at", flat=True))
    assert len(moments) == 2000 - hanging
    return (moments[-1] - moments[0]).total_seconds()


def test_five_percent_hanging_devices_do_not_hold_up_the_others(house: House) -> None:
    quick = seconds_of_the_quick(house, 1)
    slowed = seconds_of_the_quick(house, 100)
    # Waiting for all of them in 64 places would take eight seconds more; they leave their places after one.
    assert slowed < quick + 3
