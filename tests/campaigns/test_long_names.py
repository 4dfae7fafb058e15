"""Names as long as they may be, and the width of a phone: every column stays in view, and a search can be read."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from campaigns.models import Campaign
from devices.models import App, Device, Segment
from tests.campaigns.conftest import House

pytestmark = pytest.mark.browser
# How far the table of a list reaches beyond what is seen of it, and every other box with something to the right of it.
BEYOND = """() => [...document.querySelectorAll('.results, .table-scroll, .card, html')]
    .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.className || box.tagName)"""


@pytest.fixture
def paths(signed_in: Page, house: House) -> list[str]:
    """Every page with a list, of things whose names have no place to break at."""
    house.phones("ok", "suppressed", "expired", language="de-DE", model="RM-1085_" + "m" * 92)
    for place, made in enumerate(Device.objects.order_by("pk")):
        Device.objects.filter(pk=made.pk).update(installation=f"phone-{place}-".ljust(120, "p"))
    Segment.objects.create(app=house.app, name="s" * 100, rule={"match": "all", "conditions": []})
    sent = house.send(name="c" * 120)
    house.campaign(name="Copy of " + "c" * 112)
    App.objects.filter(pk=house.app.pk).update(name="a" * 100)
    phone = Device.objects.filter(app=house.app).first()
    assert phone is not None
    lists = ["/", *(f"/{room}/" for room in ("campaigns/campaign", "devices/device", "devices/app", "devices/segment"))]
    lists += [f"/campaigns/campaign/{Campaign.objects.order_by('pk')[0].pk}/deliveries/", "/auth/user/", "/auth/group/"]
    return [*lists, f"/devices/device/{phone.pk}/change/", f"/campaigns/campaign/{sent.pk}/change/"]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_name_pushes_no_column_out_of_view(
    signed_in: Page, live_server: Any, paths: list[str], width: int
) -> None:
    signed_in.set_viewport_size({"width": width, "height": 844})
    wide = []
    for path in paths:
        signed_in.goto(live_server.url + path)
        if beyond := signed_in.evaluate(BEYOND):
            wide.append((path, beyond))
    assert wide == []


def test_the_search_of_a_list_can_be_read_on_a_phone(signed_in: Page, live_server: Any, paths: list[str]) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    for path in ("/devices/device/", "/devices/device/?q=phone", "/campaigns/campaign/?q=c", "/auth/user/"):
        signed_in.goto(live_server.url + path)
        box = signed_in.locator("#searchbar").bounding_box()
        assert box is not None
        assert box["width"] > 200, path
