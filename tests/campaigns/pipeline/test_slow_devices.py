"""A few devices that hang cost the others next to nothing."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.models import Delivery
from devices.models import Device
from tests.campaigns.conftest import House


@pytest.mark.faults(17)
def test_all_others_have_their_answers_before_the_first_slow_one(house: House, settings: Any) -> None:
    settings.PUSH_CONCURRENCY = 16
    house.phones(*["ok" if number % 20 else "slow-6000" for number in range(800)])  # 40 for 16 places
    campaign = house.send()
    slow = Device.objects.filter(app=house.app, address__contains="slow-").values("pk")
    rows = Delivery.objects.filter(campaign=campaign, outcome="accepted")
    last_quick = rows.exclude(device__in=slow).order_by("at").last()
    first_slow = rows.filter(device__in=slow).order_by("at").first()
    assert last_quick is not None
    assert first_slow is not None
    assert last_quick.at < first_slow.at
    assert rows.count() == 800
