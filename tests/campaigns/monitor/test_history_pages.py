"""Single deliveries as pages and as a file: found, followed and counted without gaps."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns.models import Campaign, Delivery
from devices.common.clock import now
from devices.models import Device
from tests.campaigns.conftest import House

Status = Campaign.Status


def page(campaign: Campaign, name: str = "") -> str:
    return f"/campaigns/campaign/{campaign.pk}/{name or 'change/'}"


@pytest.fixture
def browser(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("grace", password=None))
    return client


def history(house: House) -> Campaign:
    house.phones(*["ok"] * 3, "suppressed", "expired", "row-2")
    return house.send()


def test_deliveries_are_found_down_to_one_device_and_the_services_own_words(house: House, browser: Client) -> None:
    campaign = history(house)
    everything = browser.get(page(campaign, "deliveries/")).content.decode()
    assert everything.count('<th scope="row"') == 6
    gone = browser.get(page(campaign, "deliveries/?outcome=gone")).content.decode()
    assert gone.count('<th scope="row"') == 1
    assert "X-SubscriptionStatus: Expired" in gone
    phone = Device.objects.get(app=house.app, installation__startswith="suppressed")
    for words in (phone.installation[:14], phone.address, str(phone.public_id)):
        shown = browser.get(page(campaign, "deliveries/"), {"device": words}).content.decode()
        assert shown.count('<th scope="row"') == 1
        assert phone.installation in shown
    of_device = browser.get(f"/devices/device/{phone.pk}/change/").content.decode()
    assert "Suppressed" in of_device
    assert campaign.name in of_device


@pytest.mark.parametrize("query", ["outcome=nonsense", "attempt=x", "after=1-2-3", "device=%00", "after=-"])
def test_a_strange_query_is_no_error(house: House, browser: Client, query: str) -> None:
    campaign = history(house)
    assert browser.get(page(campaign, f"deliveries/?{query}"), follow=True).status_code == 200


def test_pages_of_deliveries_follow_each_other_without_gaps(
    house: House, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.monitor.history.PAGE", 4)
    campaign = history(house)
    first = browser.get(page(campaign, "deliveries/")).context["shown"]
    second = browser.get(page(campaign, f"deliveries/?{first.next}")).context["shown"]
    assert second.next == ""
    devices = [row.device_id for row in [*first.rows, *second.rows]]
    assert devices == sorted(Delivery.objects.values_list("device_id", flat=True))


def test_devices_that_may_have_got_it_twice_can_be_listed(house: House, browser: Client) -> None:
    campaign = history(house)
    twice = Delivery.objects.filter(campaign=campaign, outcome="accepted").order_by("device_id").first()
    assert twice is not None
    Delivery.objects.filter(campaign=campaign, device=twice.device_id).update(copies=2)
    shown = browser.get(page(campaign, "deliveries/?doubled=1")).content.decode()
    assert shown.count('<th scope="row"') == 1
    assert f"/devices/device/{twice.device_id}/change/" in shown
    assert "a second copy is possible" in shown


def test_the_export_of_a_later_page_still_begins_at_the_first(
    house: House, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.monitor.history.PAGE", 4)
    campaign = history(house)
    first = browser.get(page(campaign, "deliveries/?every=1")).context["shown"]
    second = browser.get(page(campaign, f"deliveries/?{first.next}"))
    assert f'{page(campaign, "deliveries.csv")}?every=1"' in second.content.decode()


@pytest.mark.threats(37)
def test_the_export_has_every_delivery_and_no_formula(house: House, browser: Client) -> None:
    campaign = history(house)
    Device.objects.filter(app=house.app).update(installation="")
    phone = Device.objects.filter(app=house.app).first()
    assert phone is not None
    Device.objects.filter(pk=phone.pk).update(installation='=HYPERLINK("http://evil.example")')
    answer = browser.get(page(campaign, "deliveries.csv?every=1"))
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == Delivery.objects.filter(campaign=campaign).count()
    cells = {row["device"]: row["installation"] for row in rows}
    assert cells[str(phone.pk)] == '\'=HYPERLINK("http://evil.example")'
    assert b"None" not in content.encode()
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_the_number_of_queries_does_not_grow_with_the_deliveries(
    house: House, browser: Client, django_assert_max_num_queries: Any
) -> None:
    house.phones(*["ok"] * 120)
    campaign = house.send()
    for url, most in [
        (page(campaign), 16),
        (page(campaign, "live/"), 12),
        (page(campaign, "deliveries/"), 8),
        ("/campaigns/campaign/", 12),
        ("/", 20),
    ]:
        with django_assert_max_num_queries(most):
            assert browser.get(url).status_code == 200


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("pause", Status.SENDING, Status.PAUSED),
        ("resume", Status.PAUSED, Status.PREPARING),
        ("cancel", Status.SENDING, Status.CANCELLED),
        ("pause", Status.FINISHED, Status.FINISHED),
        ("resume", Status.CANCELLED, Status.CANCELLED),
        ("cancel", Status.DRAFT, Status.DRAFT),
    ],
)
def test_buttons_do_what_is_allowed_and_say_why_not(
    house: House, browser: Client, verb: str, before: Status, after: Status
) -> None:
    campaign = house.campaign(status=before)
    led = browser.get(page(campaign, f"do/{verb}/"), follow=True)
    assert led.redirect_chain == [(page(campaign), 302)]
    assert "Nothing was done" in led.content.decode()
    assert Campaign.objects.get().status == before
    answer = browser.post(page(campaign, f"do/{verb}/"), follow=True)
    campaign.refresh_from_db()
    assert campaign.status == after
    if before == after:
        assert "campaign is" in answer.content.decode()


def test_a_campaign_that_only_waits_is_nearly_done_and_not_on_its_way(
    house: House, browser: Client, clock: Any
) -> None:
    house.phones(*["ok"] * 5, "queue-full-1", "queue-full-1")
    house.phones("ok", hold_until=now() + timedelta(hours=3))
    campaign = house.send()
    told = "Nearly done: 3 devices wait, on hold or to be tried again, the first of them until"
    assert told in browser.get(f"/campaigns/campaign/{campaign.pk}/change/").content.decode()
    overview = browser.get("/").content.decode()
    assert told in overview
    moving, _, nearly = overview.partition('id="nearly-head"')
    assert "Nothing is being sent now" in moving
    assert f'id="campaign-{campaign.pk}"' in nearly
    clock.advance(timedelta(minutes=10))  # the two are due
    overview = browser.get("/").content.decode()
    assert 'id="nearly-head"' not in overview
    house.run()
    assert "Nearly done: 1 device waits until" in browser.get("/").content.decode()
    clock.advance(timedelta(hours=4))
    house.run()
    assert "Nearly done" not in browser.get("/").content.decode()
