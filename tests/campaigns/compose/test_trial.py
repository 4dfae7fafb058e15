"""Sending to the browser in front of somebody: registered as a test device, one push, an answer that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from campaigns.models import Campaign, Delivery, Trial
from devices.models import Device
from tests.campaigns.conftest import House
from tests.devices.browsers.conftest import FIREFOX, PUBLIC, key_for


def subscription(house: House, behaviour: str = "ok") -> dict[str, Any]:
    """Return a subscription that the emulator holds, as a browser gives it to the page."""
    wishes = {"vendor": "mozilla", "behaviour": behaviour, "names": [f"{house.mark}-try"], "key": PUBLIC}
    one: dict[str, Any] = house.emulator.control("webpush/subscriptions", wishes)["subscriptions"][0]
    return one


def send(client: Client, house: House, said: Any, **more: Any) -> tuple[int, str]:
    """Post what the button posts."""
    form = {"subscription": json.dumps(said), "application_key": PUBLIC, "own_language": "de", **more}
    url = f"/campaigns/campaign/this-browser/{house.app.pk}/"
    answer = client.post(url, form, headers={"User-Agent": FIREFOX})
    return answer.status_code, answer.content.decode()


def plaintexts(house: House, endpoint: str) -> list[dict[str, Any]]:
    """Return what arrived, decrypted by the emulator."""
    messages = house.emulator.control(f"webpush/messages?endpoint={endpoint}")["messages"]
    return [json.loads(one["plaintext"]) for one in messages]


def test_a_greeting_arrives_and_its_answer_is_kept(house: House, admin_client: Client) -> None:
    key_for(house.app)
    said = subscription(house)
    told = admin_client.get(f"/campaigns/campaign/this-browser/{house.app.pk}/").json()
    assert told == {"applicationKey": PUBLIC, "worker": f"/devices/app/{house.app.pk}/worker.js", "refusal": ""}
    status, page = send(admin_client, house, said)
    assert status == 200
    assert "Accepted" in page
    device = Device.objects.get()
    assert (device.test, device.installation, device.language) == (True, "Browser of admin", "de")
    assert device.model == "Firefox 140, Linux"
    (shown,) = plaintexts(house, said["endpoint"])
    assert shown["title"] == "It works"
    assert "report" not in shown  # it is in no statistics
    done = Trial.objects.get()
    assert (done.device, done.outcome, done.http_status, done.title) == (device, "accepted", 201, "It works")
    assert not Campaign.objects.exists()
    assert not Delivery.objects.exists()
    page = admin_client.get(f"/devices/device/{device.pk}/change/").content.decode()
    assert "Tried on it" in page
    assert "It works" in page


def test_what_is_being_written_is_sent_with_its_options(house: House, admin_client: Client) -> None:
    key_for(house.app)
    said = subscription(house)
    typed = {"message": "toast", "toast-title": "As typed", "webpush-tag": "storm", "webpush-kept": "60"}
    assert send(admin_client, house, said, **typed)[0] == 200
    (shown,) = plaintexts(house, said["endpoint"])
    assert (shown["title"], shown["tag"]) == ("As typed", "storm")
    status, page = send(admin_client, house, said, message="toast")
    assert (status, "Write a title or a text" in page) == (422, True)
    status, page = send(admin_client, house, said, message="raw", **{"raw-body": "x"})
    assert (status, "cannot carry a raw" in page) == (422, True)
    assert Trial.objects.count() == 1


def test_what_a_campaign_says_is_sent(house: House, admin_client: Client) -> None:
    key_for(house.app)
    said = subscription(house)
    campaign = house.campaign(content={"title": "Of the campaign"})
    assert send(admin_client, house, said, campaign=campaign.pk)[0] == 200
    assert plaintexts(house, said["endpoint"])[0]["title"] == "Of the campaign"
    assert send(admin_client, house, said, campaign=99_999)[0] == 404


def test_a_refusal_of_the_service_stands_beside_the_button(house: House, admin_client: Client) -> None:
    key_for(house.app)
    status, page = send(admin_client, house, subscription(house, "gone"))
    assert status == 200
    assert "unsubscribed, or its permission was taken back" in page
    assert Device.objects.get().status == "retired"
    status, page = send(admin_client, house, subscription(house, "503"))
    assert "The push service cannot take it now (503)." in page
    assert Trial.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"subscription": "{"}, "subscription is missing"),
        ({"subscription": ""}, "subscription is missing"),
        ({"subscription": '{"endpoint": "https://evil.example/", "keys": {}}'}, "is not a host of this push service"),
        ({"application_key": "other"}, "with another key than this App&#x27;s"),
    ],
)
def test_bad_input_gets_a_sentence(house: House, admin_client: Client, change: dict[str, str], told: str) -> None:
    key_for(house.app)
    status, page = send(admin_client, house, subscription(house), **change)
    assert status == 422
    assert told in page
    assert not Device.objects.exists()
    assert not Trial.objects.exists()


def test_without_a_key_the_button_says_where_to_make_it(house: House, admin_client: Client) -> None:
    told = admin_client.get(f"/campaigns/campaign/this-browser/{house.app.pk}/").json()
    assert "has no key for browsers yet" in told["refusal"]
    status, page = send(admin_client, house, {})
    assert (status, "no key for browsers yet" in page) == (422, True)
    assert admin_client.get("/").content.decode().count("data-this-browser") == 0
    key_for(house.app)
    assert admin_client.get("/").content.decode().count("data-this-browser") == 1


@pytest.mark.threats(29)
def test_who_may_neither_write_campaigns_nor_add_devices_sends_nothing(house: House, client: Client) -> None:
    key_for(house.app)
    person = User.objects.create_user("eve", password="x", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(person)
    assert send(client, house, subscription(house))[0] == 403
    assert client.get(f"/campaigns/campaign/this-browser/{house.app.pk}/").status_code == 403
    assert not Device.objects.exists()
