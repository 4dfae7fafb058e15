"""Every page in a real browser: policy, phone width, keyboard, and what a checker of accessibility finds."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from campaigns.models import Batch, Campaign, Delivery
from campaigns.packing import pack
from devices.common.clock import now
from devices.models import ApiKey, Device, Segment
from tests.browser import barriers
from tests.campaigns.conftest import House, outcomes

pytestmark = pytest.mark.browser

SEND = re.compile(r"Send to \d")  # and not to this browser


@pytest.fixture
def site(signed_in: Page, live_server: Any, house: House) -> str:
    """The address of a dashboard with something on every page."""
    house.phones("ok", "ok", "suppressed", "expired", "queue-full", language="de-DE")
    Segment.objects.create(
        app=house.app,
        name="German",
        rule={"match": "all", "conditions": [{"field": "language", "op": "is", "value": "de"}]},
    )
    house.send()
    house.campaign()
    needing_somebody(house)
    return str(live_server.url)


def needing_somebody(house: House) -> None:
    """Make one campaign whose end passed in a pause, a few phones refusing our certificate, and one parked device."""
    paused = house.campaign(
        name="Over",
        status=Campaign.Status.PAUSED,
        paused_because="Paused by hand.",
        audience=3,
        started_at=now() - timedelta(days=2),
        frozen_at=now() - timedelta(days=2),
        expires_at=now() - timedelta(days=1),
    )
    phone = Device.objects.filter(app=house.app).order_by("pk").first()
    assert phone is not None
    ids = pack([phone.pk])
    batch = {"campaign": paused, "service": "mpns", "due_at": now(), "ids": ids, "size": 1}
    Batch.objects.create(**batch, status=Batch.Status.PARKED, claimed_at=now(), claims=4)
    denied = Batch.objects.create(**{**batch, "ids": b""}, status=Batch.Status.DONE, denied=1)
    Batch.objects.create(**batch, attempt=2)
    Delivery.objects.create(
        campaign=paused,
        device=phone,
        attempt=1,
        batch=denied,
        outcome="denied",
        message_id=uuid.uuid4(),
        http_status=403,
        reason="The service does not accept our certificate (403).",
        at=now(),
    )


def every_path(house: House) -> list[str]:
    sent, draft, over = Campaign.objects.order_by("pk")
    phone = Device.objects.filter(app=house.app).first()
    segment = Segment.objects.get()
    assert phone is not None
    return [
        "/",
        "/campaigns/campaign/",
        "/campaigns/campaign/add/",
        f"/campaigns/campaign/{draft.pk}/change/",
        f"/campaigns/campaign/{draft.pk}/confirm/",
        f"/campaigns/campaign/{draft.pk}/delete/",
        f"/campaigns/campaign/{sent.pk}/change/",
        f"/campaigns/campaign/{sent.pk}/deliveries/",
        f"/campaigns/campaign/{over.pk}/change/",
        f"/campaigns/campaign/{over.pk}/parked/",
        f"/campaigns/campaign/{sent.pk}/parked/",
        "/devices/device/",
        "/devices/device/add/",
        "/devices/device/import/",
        f"/devices/device/{phone.pk}/change/",
        "/devices/segment/",
        "/devices/segment/add/",
        f"/devices/segment/{segment.pk}/change/",
        "/devices/app/",
        "/devices/app/add/",
        f"/devices/app/{house.app.pk}/change/",
        "/auth/user/",
        "/auth/user/add/",
        "/auth/group/",
        "/set-password/",
        "/api/v1/docs",
    ]


def test_every_page_keeps_the_policy_and_fits_a_phone(site: str, signed_in: Page, house: House) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    wide = []
    for path in every_path(house):
        answer = signed_in.goto(site + path)
        assert answer is not None
        assert answer.status == 200, path
        if signed_in.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(path)
    assert wide == []


def test_no_page_has_serious_barriers(site: str, signed_in: Page, browser: Browser, house: House) -> None:
    # The checker puts styles of its own into the page, which the policy rightly refuses: here it is not asked.
    context = browser.new_context(bypass_csp=True, color_scheme="light", reduced_motion="reduce")
    context.add_cookies(signed_in.context.cookies())  # type: ignore[arg-type]  # what comes out goes in
    page = context.new_page()
    serious: list[str] = []
    for path in every_path(house):
        page.goto(site + path)
        if path == "/api/v1/docs":  # what a script builds, with everything open
            operations = page.locator(".opblock-summary-control")
            expect(operations).to_have_count(7, timeout=20_000)
            for operation in operations.all():
                operation.click()
            expect(page.locator(".responses-table")).to_have_count(7, timeout=20_000)
        serious += barriers(page, path)
    context.close()
    assert serious == []


def test_a_toast_from_the_first_letter_to_the_accepted_push(site: str, signed_in: Page, house: House) -> None:
    page = signed_in
    page.goto(site)
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("From the browser")
    page.get_by_label("Title", exact=True).first.fill("Storm ]]> <b>")
    page.get_by_label("Text", exact=True).first.fill("שלום 👩‍🚀")
    expect(page.locator(".phone-toast")).to_have_text("Storm ]]> <b> שלום 👩‍🚀")
    expect(page.locator("#compose-side")).to_contain_text("of 3,072 bytes")
    page.get_by_label("Audience").select_option(label=f"{house.app}: German")
    page.get_by_role("button", name="Check and send").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Send “From the browser”?")
    page.get_by_role("button", name=SEND).click()
    expect(page.get_by_text("On its way.")).to_be_visible()
    house.run()
    expect(page.get_by_role("img", name="2 accepted")).to_be_visible()
    campaign = Campaign.objects.get(name="From the browser")
    assert outcomes(campaign)["accepted"] == 2
    page.get_by_role("link", name="Single deliveries").click()
    expect(page.get_by_text("X-NotificationStatus: Received").first).to_be_visible()


KINDS = {
    "Standard tile": {"standard_tile-title": "Weather", "standard_tile-count": "7"},
    "Flip tile": {"flip_tile-title": "Weather", "flip_tile-back_content": "Storm"},
    "Iconic tile": {"iconic_tile-count": "3", "iconic_tile-background_color": "#FF2D7D9A"},
    "Cycle tile": {"cycle_tile-title": "Weather", "cycle_tile-cycle_image_1": "/Assets/one.jpg"},
    "Raw": {"raw-body": '{"storm": true}'},
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_is_composed_and_sent(site: str, signed_in: Page, house: House, kind: str) -> None:
    page = signed_in
    page.goto(f"{site}/campaigns/campaign/add/")
    page.get_by_label("Name").fill(kind)
    page.get_by_role("radio", name=kind).check()
    for name, value in KINDS[kind].items():
        page.locator(f'[name="{name}"]').fill(value)
    expect(page.locator("#compose-side")).to_contain_text("of 3,072 bytes")
    page.get_by_role("button", name="Check and send").click()
    page.get_by_role("button", name=SEND).click()
    expect(page.get_by_text("On its way.")).to_be_visible()
    house.run()
    assert outcomes(Campaign.objects.get(name=kind))["accepted"] >= 2


def test_what_is_wrong_stands_beside_its_field_and_is_mended_by_keyboard(site: str, signed_in: Page) -> None:
    page = signed_in
    page.goto(f"{site}/campaigns/campaign/add/")
    page.get_by_label("Name").fill("By hand")
    page.get_by_label("Title", exact=True).first.fill("Storm")
    page.locator("[data-options=mpns] summary").click()
    page.get_by_label("Page to open").fill("Warnings.xaml")
    page.get_by_label("Page to open").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing you typed is lost")
    expect(page.locator('[name="mpns-page"][aria-invalid="true"]')).to_have_value("Warnings.xaml")
    page.get_by_label("Page to open").fill("/Warnings.xaml")
    page.get_by_label("Page to open").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send “By hand”?")


def test_progress_moves_without_a_reload(site: str, signed_in: Page, house: House) -> None:
    page = signed_in
    draft = Campaign.objects.get(status=Campaign.Status.DRAFT)
    page.goto(f"{site}/campaigns/campaign/{draft.pk}/confirm/")
    page.get_by_role("button", name=SEND).click()
    expect(page.get_by_text("On its way.")).to_be_visible()
    house.run()
    expect(page.locator("[data-live]")).to_contain_text("devices have a final outcome")
    expect(page.locator(".legend").first).to_contain_text("2 Accepted")


def test_the_focus_goes_to_the_button_that_took_the_place_of_the_pressed_one(
    site: str, signed_in: Page, house: House
) -> None:
    page = signed_in
    campaign = house.campaign(name="Long", status=Campaign.Status.SENDING, audience=5, started_at=now())
    Batch.objects.create(campaign=campaign, service="mpns", due_at=now() + timedelta(hours=1), ids=pack([1]), size=1)
    page.goto(f"{site}/campaigns/campaign/{campaign.pk}/change/")
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.SENDING)  # somebody else
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.PAUSED, paused_because="Refused.")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.FINISHED)  # there is nothing in its place
    expect(page.locator("[data-live]")).to_be_focused()


def test_a_key_is_made_shown_once_and_revoked(site: str, signed_in: Page, house: House) -> None:
    page = signed_in
    page.goto(f"{site}/devices/app/{house.app.pk}/change/")
    page.get_by_role("region", name="Keys").get_by_label("Name").fill("phones")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("#new-key").inner_text()
    assert key.startswith("pk_")
    assert ApiKey.objects.get().hint == key[:8]
    page.goto(f"{site}/devices/app/{house.app.pk}/change/")
    assert key not in page.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("opens nothing any more")).to_be_visible()
    assert ApiKey.objects.get().revoked_at is not None


def test_a_segment_counts_while_it_is_written(site: str, signed_in: Page, house: House) -> None:
    page = signed_in
    page.goto(f"{site}/devices/segment/add/")
    page.get_by_label("Name").fill("French")
    page.locator('[name="c0-choice"]').select_option("language:is")
    page.locator('[name="c0-value"]').fill("de")
    expect(page.locator("#segment-count")).to_contain_text("Language is “de”")
    page.locator('[name="c0-choice"]').select_option("os_version:at_least")
    expect(page.locator("#segment-count")).to_contain_text("is not a version")
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_text("is not a version").first).to_be_visible()
    page.locator('[name="c0-value"]').fill("8.0")
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_text("The segment is saved.")).to_be_visible()
    assert Segment.objects.get(name="French").rule["conditions"][0]["value"] == "8.0"


def test_dark_and_light_can_be_chosen(site: str, signed_in: Page) -> None:
    page = signed_in
    page.goto(site)
    toggle = page.locator(".sidebar .theme-toggle")
    seen = set()
    for _ in range(3):
        toggle.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"auto", "light", "dark"}
