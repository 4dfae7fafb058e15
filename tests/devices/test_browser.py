"""The segment form in a browser: with scripts it counts while one types, and it works without them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from devices.common.clock import now
from devices.common.secrets import digest
from devices.models import App, Device, Segment

pytestmark = pytest.mark.browser


@pytest.fixture
def app(transactional_db: None) -> App:
    """An App with three devices."""
    app = App.objects.create(name="Weather", slug="weather")
    for number, language in enumerate(("de", "de-AT", "fr")):
        address = f"http://x/{number}"
        values = {"service": "mpns", "address": address, "address_digest": digest(address)}
        Device.objects.create(app=app, language=language, seen_at=now(), **values)
    return app


def test_the_exact_number_appears_while_a_rule_is_typed(app: App, signed_in: Page, live_server: Any) -> None:
    signed_in.goto(f"{live_server.url}/devices/segment/add/")
    rows = signed_in.locator(".condition:visible")
    expect(rows).to_have_count(1)
    signed_in.get_by_label("Name").fill("German")
    rows.nth(0).get_by_label("Condition").select_option("language:is")
    expect(rows.nth(0).get_by_label("Value")).to_have_attribute("placeholder", "de, or de-AT for one region")
    rows.nth(0).get_by_label("Value").fill("de")
    expect(signed_in.locator("#segment-count b")).to_have_text("2")
    signed_in.get_by_role("button", name="Another condition").click()
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_label("Condition").select_option("language:is_not")
    rows.nth(1).get_by_label("Value").fill("de-AT")
    expect(signed_in.locator("#segment-count b")).to_have_text("1")
    signed_in.get_by_role("button", name="Save segment").click()
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("German")
    assert len(Segment.objects.get().rule["conditions"]) == 2


def test_more_rows_than_the_page_came_with_can_be_added(app: App, signed_in: Page, live_server: Any) -> None:
    signed_in.goto(f"{live_server.url}/devices/segment/add/")
    signed_in.get_by_label("Name").fill("Many")
    signed_in.get_by_label("Devices for which").select_option("none")
    rows = signed_in.locator(".condition:visible")
    for number in range(9):
        if number:
            signed_in.get_by_role("button", name="Another condition").click()
        rows.nth(number).get_by_label("Condition").select_option("tag:is")
        rows.nth(number).get_by_label("Value").fill(f"tag {number}")
    expect(signed_in.locator("#segment-count b")).to_have_text("3")
    signed_in.get_by_role("button", name="Save segment").click()
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Many")
    assert [row["value"] for row in Segment.objects.get().rule["conditions"]] == [f"tag {n}" for n in range(9)]
