"""What the pages of a campaign say: the same words for the same number, and a sign of success for a success alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from campaigns import control
from campaigns.models import Campaign, refusal
from devices.common.clock import now
from devices.models import Device, Segment
from tests.campaigns.conftest import House

Status = Campaign.Status


def page(campaign: Campaign, name: str = "") -> str:
    return f"/campaigns/campaign/{campaign.pk}/{name or 'change/'}"


@pytest.fixture
def browser(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("grace", password=None))
    return client


def test_how_many_can_be_reached_is_one_number_on_every_page(house: House, browser: Client) -> None:
    """A device on hold gets a campaign later: it is counted, and said, wherever an audience is."""
    house.phones("ok", "ok")
    house.phones("ok", hold_until=now() + timedelta(hours=1))
    house.phones("ok", status="retired")
    everybody = Segment.objects.create(app=house.app, name="All", rule={"match": "all", "conditions": []})
    for path in (
        "/overview/reach/",
        reverse("admin:campaigns_campaign_reach") + f"?app={house.app.pk}",
        f"/devices/segment/{everybody.pk}/change/",
        page(house.campaign(), "confirm/"),
    ):
        shown = browser.get(path).content.decode()
        assert re.search(r"<b>3</b> (of 4 )?devices( can be reached|</p>)", shown), path
        assert "1 of them is on hold: it gets a campaign when it may be sent to again." in shown, path


def test_the_wall_of_phones_is_linked_where_a_campaign_goes_there(house: House, browser: Client, settings: Any) -> None:
    wall = f'href="http://{settings.EMULATOR}/"'
    house.phones("ok")
    here, before = house.send(), house.campaign(status=Status.SCHEDULED, send_at=now())
    for path in ("/overview/warnings/", page(here), page(before)):
        assert wall in browser.get(path).content.decode(), path
    Device.objects.update(address="http://db3.notify.live.net/throttledthirdparty/01.00/x")
    for path in (page(here), page(before)):
        assert wall not in browser.get(path).content.decode(), path
    settings.EMULATOR = ""
    assert "wall of phones" not in browser.get("/overview/warnings/").content.decode()


@pytest.mark.parametrize(
    ("verb", "before", "level"),
    [("cancel", "sending", "info"), ("pause", "sending", "info"), ("resume", "paused", "success")],
)
def test_what_ends_or_holds_up_a_campaign_is_no_success(
    house: House, browser: Client, verb: str, before: str, level: str
) -> None:
    campaign = house.campaign(status=before, started_at=now())
    shown = browser.post(page(campaign, f"do/{verb}/"), follow=True).content.decode()
    assert re.findall(r'<li class="(\w+)">\s*<svg', shown) == [level]
    assert ("#done" in shown) == (level == "success")


@pytest.mark.parametrize("status", ["finished", "cancelled"])
def test_a_campaign_that_reached_nobody_shows_no_sign_of_success(house: House, browser: Client, status: str) -> None:
    campaign = house.campaign(status=status, audience=3, started_at=now(), finished_at=now())
    for path in ("/", "/campaigns/campaign/", page(campaign)):
        shown = browser.get(path).content.decode()
        assert not re.findall(r'class="status tone-good"|#done"|#check"', shown), path


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("draft", "It is being written"),
        ("preparing", "Its audience is being gathered."),
        ("paused", "Nobody is in its audience yet"),
        ("cancelled", "Nobody is in its audience yet"),
        ("finished", "Nobody was in the audience"),
    ],
)
def test_a_campaign_without_an_audience_counts_nothing(house: House, client: Client, status: str, told: str) -> None:
    campaign = house.campaign(status=status)
    viewer = house.person("view")
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    client.force_login(viewer)
    shown = client.get(page(campaign)).content.decode()
    assert told in shown
    assert "devices have a final outcome" not in shown


def test_a_pause_by_hand_is_said_once(house: House, browser: Client) -> None:
    campaign = house.campaign(status=Status.SENDING, started_at=now(), audience=1)
    control.pause(campaign)
    for path, told in ((page(campaign), ">Paused by hand.<"), ("/", "“Storm” is paused by hand.")):
        shown = browser.get(path).content.decode()
        assert told in shown
        assert "Paused: Paused" not in shown
        assert "is paused. Paused" not in shown
    Campaign.objects.update(paused_because="The certificate was refused.")
    assert "Paused: The certificate was refused." in browser.get(page(campaign)).content.decode()


def test_a_pause_by_hand_is_stored_in_one_language_and_shown_in_any(
    house: House, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = house.campaign(status=Status.SENDING, started_at=now(), audience=1)
    german = {
        "Paused by hand.": "Von Hand angehalten.",
        "“%(campaign)s” is paused by hand.": "„%(campaign)s“ ist von Hand angehalten.",
        "This campaign is %(status)s, so it cannot be paused.": "Angehalten (%(status)s).",
    }
    monkeypatch.setattr("django.utils.translation._trans.gettext", lambda words: german.get(words, words))
    control.pause(campaign)
    assert type(campaign.paused_because) is str
    assert list(Campaign.objects.values_list("paused_because", flat=True)) == [control.BY_HAND] == ["Paused by hand."]
    assert ">Von Hand angehalten.<" in browser.get(page(campaign)).content.decode()
    assert "„Storm“ ist von Hand angehalten." in browser.get("/").content.decode()
    assert refusal(Status.DRAFT, Status.PAUSED) == "Angehalten (draft)."


@pytest.mark.parametrize("wish", Status)
def test_a_refusal_is_one_sentence_for_each_wish(wish: Campaign.Status) -> None:
    told = {refusal(now, wish) for now in Status if now != wish}
    assert all(type(sentence) is str and sentence.endswith(".") and "%" not in sentence for sentence in told)
    assert all("so it cannot " in sentence or sentence.startswith("Somebody was faster") for sentence in told)


def test_what_goes_with_a_draft_or_a_person_has_a_name(house: House, browser: Client) -> None:
    draft, person = house.campaign(), house.person("view")
    group = Group.objects.create(name="Writers")
    group.permissions.set(Permission.objects.filter(codename="view_campaign"))
    person.groups.add(group)
    for path, told in (
        (page(draft, "delete/"), "Message: Notification"),
        (f"/auth/user/{person.pk}/delete/", f"{person}</a>"),
        (f"/auth/group/{group.pk}/delete/", "Writers</a>"),
    ):
        shown = browser.get(path).content.decode()
        assert told in shown, path
        assert " object (" not in shown, path
