"""The pages of a campaign as a browser without JavaScript sees them: what they refuse, what they keep, who may."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns.compose import fingerprint, release
from campaigns.models import Campaign, Notification
from campaigns.monitor.views import VERBS
from campaigns.pipeline import tasks
from devices.common.clock import now
from devices.models import App, Segment
from tests.campaigns.conftest import House
from tests.waiting import ended

Status = Campaign.Status
ADD = "/campaigns/campaign/add/"


def page(campaign: Campaign, name: str = "") -> str:
    return f"/campaigns/campaign/{campaign.pk}/{name or 'change/'}"


@pytest.fixture
def marketer(db: None) -> User:
    return User.objects.create_superuser("grace", password=None)


@pytest.fixture
def browser(client: Client, marketer: User) -> Client:
    client.force_login(marketer)
    return client


def confirm(client: Client, draft: Campaign, *, follow: bool = False) -> Any:
    """Look at the confirm page, then press its button."""
    seen = client.get(page(draft, "confirm/")).context["seen"]
    return client.post(page(draft, "confirm/"), {"seen": seen}, follow=follow)


def filled(house: House, **more: str) -> dict[str, str]:
    form = {
        "name": "Storm",
        "app": str(house.app.pk),
        "segment": "",
        "time_zone": "Europe/Berlin",
        "when": "now",
        "wall": "",
        "hours": "24",
        "per_minute": "",
        "message": "toast",
        "toast-title": "Storm on Saturday",
        "toast-text": "Stay in.",
        "toast-link": "/Warnings.xaml",
        "wish": "save",
    }
    return form | {name.replace("__", "-"): value for name, value in more.items()}


def test_a_draft_keeps_everything_that_was_typed(house: House, browser: Client) -> None:
    answer = browser.post(ADD, filled(house, mpns__delay="450", never_twice="on", per_minute="600", hours="48"))
    draft = Campaign.objects.get()
    assert answer.headers["Location"] == page(draft)
    assert (draft.status, draft.never_twice, draft.per_minute) == (Status.DRAFT, True, 600)
    assert draft.expires_after == timedelta(hours=48)
    assert str(draft.created_by) == "grace"
    notification = Notification.objects.get()
    assert notification.fields == {"title": "Storm on Saturday", "text": "Stay in.", "link": "/Warnings.xaml"}
    assert notification.options == {"mpns": {"delay": 450}}
    shown = browser.get(page(draft)).content.decode()
    for typed in ("Storm on Saturday", "Stay in.", "/Warnings.xaml", 'value="600"', 'value="48"'):
        assert typed in shown


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"toast__link": "Warnings.xaml"}, "begins with / or ?"),
        ({"toast__title": "", "toast__text": ""}, "an empty notification shows nothing"),
        ({"toast__text": "x" * 4000}, "takes at most 3072"),
        ({"message": "standard_tile", "standard_tile__count": "100"}, "from 0 (hidden) to 99"),
        ({"message": "iconic_tile", "iconic_tile__background_color": "#12"}, "is not a colour"),
        ({"message": "flip_tile"}, "changes nothing"),
        ({"message": "raw", "raw__body": ""}, "this message is empty"),
        ({"name": ""}, "This field is required"),
        ({"time_zone": "Europe/Wien"}, "Select a valid choice"),
        ({"per_minute": "0"}, "nothing would ever be sent"),
        ({"hours": "0"}, "At least one hour"),
        ({"when": "later"}, "Choose a date and a time"),
        ({"when": "later", "wall": "yesterday"}, "Write the time as"),
        ({"when": "later", "wall": "2020-01-01T10:00"}, "This time is over"),
        ({"when": "later", "wall": "2027-03-28T02:30"}, "clocks skip 02:30"),
        ({"when": "later", "wall": "2027-10-31T02:30"}, "show 02:30 twice"),
    ],
)
def test_bad_input_gets_a_sentence_and_nothing_typed_is_lost(
    house: House, browser: Client, typed: dict[str, str], sentence: str
) -> None:
    answer = browser.post(ADD, filled(house, **({"raw__body": "kept elsewhere"} | typed)))
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in shown
    assert "Nothing you typed is lost" in shown
    for value in ({"raw__body": "kept elsewhere"} | typed).values():
        assert value in shown
    assert not Campaign.objects.exists()


def test_changing_the_kind_without_javascript_keeps_what_was_typed(house: House, browser: Client) -> None:
    answer = browser.post(ADD, filled(house, message="raw", wish="kind"))
    shown = answer.content.decode()
    assert "Storm on Saturday" in shown
    assert "Nothing you typed is lost" not in shown
    assert '<fieldset class="part" data-kind="raw">' in shown
    assert '<fieldset class="part" data-kind="toast" hidden>' in shown


def test_changing_the_kind_of_a_draft_keeps_what_was_typed_and_not_what_was_stored(
    house: House, browser: Client
) -> None:
    browser.post(ADD, filled(house, hours="48", never_twice="on", per_minute="600"))
    draft = Campaign.objects.get()
    typed = {"hours": "12", "when": "later", "wall": "2031-07-01T14:30", "per_minute": "", "name": "Half"}
    answer = browser.post(page(draft), filled(house, message="raw", wish="kind", **typed))
    shown = answer.content.decode()
    for value in ('value="12"', 'value="2031-07-01T14:30"', 'value="Half"'):
        assert value in shown
    assert 'value="600"' not in shown
    assert not answer.context["form"]["never_twice"].value()
    draft.refresh_from_db()
    assert (draft.name, draft.never_twice) == ("Storm", True)


def test_of_two_who_write_at_one_draft_nobody_replaces_what_they_have_not_seen(house: House, browser: Client) -> None:
    draft = house.campaign()
    seen = browser.get(page(draft)).context["seen"]
    browser.post(page(draft), filled(house, toast__title="hers", seen=seen))
    answer = browser.post(page(draft), filled(house, toast__title="his", seen=seen))
    assert "Somebody else changed this draft meanwhile" in answer.content.decode()
    assert 'value="his"' in answer.content.decode()
    assert Notification.objects.get().fields["title"] == "hers"
    browser.post(page(draft), filled(house, toast__title="his", seen=answer.context["seen"]))
    assert Notification.objects.get().fields["title"] == "his"


@pytest.mark.threats(42)
@pytest.mark.parametrize("changed", ["content", "segment", "rule", "time"])
def test_only_what_was_looked_at_is_sent(house: House, browser: Client, changed: str) -> None:
    house.phones("ok", "ok", language="de")
    rule = {"match": "all", "conditions": [{"field": "language", "op": "is", "value": "de"}]}
    segment = Segment.objects.create(app=house.app, name="German", rule=rule)
    draft = house.campaign(segment=segment)
    seen = browser.get(page(draft, "confirm/")).context["seen"]
    if changed == "content":
        Notification.objects.update(fields={"title": "Something else"})
    elif changed == "segment":
        Campaign.objects.update(segment=None)
    elif changed == "rule":
        Segment.objects.update(rule={})
    else:
        Campaign.objects.update(send_at=datetime(2031, 1, 1, tzinfo=UTC))
    answer = browser.post(page(draft, "confirm/"), {"seen": seen}, follow=True)
    assert "changed since you looked" in answer.content.decode()
    assert Campaign.objects.get().status == Status.DRAFT
    assert confirm(browser, draft).headers["Location"] == page(draft)
    assert Campaign.objects.get().status != Status.DRAFT


@pytest.mark.threats(17, 42)
def test_a_segment_of_another_app_is_refused(house: House, browser: Client) -> None:
    other = Segment.objects.create(app=App.objects.create(name="Other", slug="other"), name="All", rule={})
    answer = browser.post(ADD, filled(house, segment=str(other.pk)))
    assert "belongs to another App" in answer.content.decode()


@pytest.mark.threats(22)
def test_what_is_typed_is_weighed_and_shown(house: House, browser: Client) -> None:
    answer = browser.post(reverse("admin:campaigns_campaign_compose_live"), filled(house, toast__title="<b>bold</b>"))
    shown = answer.content.decode()
    assert "of 3,072 bytes" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "knows no page in a toast" in shown
    assert not Campaign.objects.exists()


def test_the_reach_of_an_audience_is_exact_while_it_is_chosen(house: House, browser: Client) -> None:
    house.phones("ok", "ok", language="de")
    house.phones("ok", language="fr")

    def speaking(language: str) -> Segment:
        rule = {"match": "all", "conditions": [{"field": "language", "op": "is", "value": language}]}
        return Segment.objects.create(app=house.app, name=language, rule=rule)

    segment, nobody = speaking("de"), speaking("it")
    other = App.objects.create(name="Other", slug="other")
    reach = reverse("admin:campaigns_campaign_reach")
    asked: list[tuple[int | str, int | str, str]] = [
        (house.app.pk, "", "<b>3</b> devices can be reached"),
        (house.app.pk, segment.pk, "<b>2</b> devices can be reached"),
        (house.app.pk, nobody.pk, "Nobody can be reached"),
        (other.pk, segment.pk, "belongs to another App"),
        ("x", "-1", "belongs to another App"),
    ]
    for app, chosen, told in asked:
        assert told in browser.get(reach, {"app": app, "segment": chosen}).content.decode()
    shown = browser.post(ADD, filled(house, segment=str(segment.pk), name="")).content.decode()
    assert "<b>2</b> devices can be reached" in shown
    assert "language is “de”" in shown


def test_the_confirm_page_tells_exactly_and_a_get_changes_nothing(house: House, browser: Client) -> None:
    house.phones(*["ok"] * 3, language="de")
    house.phones("ok", language="fr", os_version="7.0.7008")
    draft = house.campaign()
    shown = browser.get(page(draft, "confirm/")).content.decode()
    assert "Send to 4 devices" in shown
    assert "3 devices" in shown
    assert Campaign.objects.get().status == Status.DRAFT
    assert confirm(browser, draft).headers["Location"] == page(draft)
    house.run()
    assert len(house.ledger()) == 4
    assert Campaign.objects.get().started_by == User.objects.get()


def test_nobody_to_send_to_is_said_and_nothing_is_sent(house: House, browser: Client) -> None:
    draft = house.campaign()
    assert "has no device that can be reached" in browser.get(page(draft, "confirm/")).content.decode()
    answer = confirm(browser, draft, follow=True)
    assert "has no device that can be reached" in answer.content.decode()
    assert Campaign.objects.get().status == Status.DRAFT


@pytest.mark.faults(51)
def test_many_presses_of_send_make_one_run_and_polite_answers(
    transactional_db: None, house: House, marketer: User
) -> None:
    house.phones(*["ok"] * 5)
    draft = house.campaign()
    seen = fingerprint.of_send(draft)
    said: list[str] = []

    def press() -> None:
        try:
            client = Client()
            client.force_login(marketer)
            said.append(client.post(page(draft, "confirm/"), {"seen": seen}, follow=True).content.decode())
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    ended(*threads)
    house.run()
    assert sum("On its way." in one for one in said) == 1
    assert len(said) == 8
    assert len(house.ledger()) == 5


def test_a_time_is_kept_as_its_moment(house: House, browser: Client) -> None:
    house.phones("ok")
    browser.post(ADD, filled(house, when="later", wall="2031-07-01T14:30", wish="next"))
    draft = Campaign.objects.get()
    assert draft.send_at == datetime(2031, 7, 1, 12, 30, tzinfo=UTC)
    confirm(browser, draft)
    draft.refresh_from_db()
    assert draft.status == Status.SCHEDULED
    assert "2031-07-01" in browser.get(page(draft)).content.decode()
    browser.post(page(draft, "do/unschedule/"))
    assert Campaign.objects.get().status == Status.DRAFT
    assert 'value="2031-07-01T14:30"' in browser.get(page(draft)).content.decode()


def test_only_the_buttons_that_are_legal_now_are_offered(house: House, browser: Client) -> None:
    offered = {
        Status.SCHEDULED: {"unschedule", "cancel"},
        Status.PREPARING: {"pause", "cancel"},
        Status.SENDING: {"pause", "cancel"},
        Status.PAUSED: {"resume", "cancel"},
        Status.FINISHED: set(),
        Status.CANCELLED: set(),
    }
    campaign = house.campaign(send_at=datetime(2031, 1, 1, tzinfo=UTC), started_by=house.person("send"))
    for status, verbs in offered.items():
        Campaign.objects.update(status=status)
        for path in ("", "live/"):
            shown = browser.get(page(campaign, path)).content.decode()
            assert {verb for verb in VERBS if f"/do/{verb}/" in shown} == verbs
        assert ("data-live=" in browser.get(page(campaign)).content.decode()) is bool(verbs)


def test_why_nothing_moves_is_said(house: House, browser: Client) -> None:
    house.phones("ok")
    draft = house.campaign(send_at=now() + timedelta(hours=1))
    assert "No worker is running" in browser.get(page(draft, "confirm/")).content.decode()
    confirm(browser, draft)
    assert "No worker is running" in browser.get(page(draft)).content.decode()
    tasks.note_worker("sender", doing="sending")
    assert "No worker is running" not in browser.get(page(draft)).content.decode()


def test_a_time_that_passed_while_somebody_thought_is_not_taken_for_now(
    house: House, browser: Client, clock: Any
) -> None:
    house.phones("ok")
    draft = house.campaign(send_at=now() + timedelta(hours=1))
    clock.advance(timedelta(hours=2))
    assert "This time is over" in browser.get(page(draft, "confirm/")).content.decode()
    assert "This time is over" in confirm(browser, draft, follow=True).content.decode()
    assert Campaign.objects.get().status == Status.DRAFT


@pytest.mark.threats(29)
def test_who_may_look_may_not_write_and_who_may_write_may_not_send(house: House, client: Client) -> None:
    house.phones("ok")
    draft, sent = house.campaign(), house.send()
    viewer = User.objects.create_user("viewer", is_staff=True)
    allowed = Permission.objects.filter(content_type__app_label="campaigns")
    viewer.user_permissions.set(allowed.filter(codename="view_campaign"))
    client.force_login(viewer)
    for path in (page(sent), page(sent, "deliveries/"), page(sent, "live/"), page(draft), "/campaigns/campaign/"):
        assert client.get(path).status_code == 200
    assert "Send again" not in client.get(page(sent)).content.decode()
    assert client.get(ADD).status_code == 403
    for path in ("confirm/", "do/pause/", "do/cancel/", "duplicate/"):
        assert client.post(page(draft, path)).status_code == 403
    writer = User.objects.create_user("writer", is_staff=True)
    writer.user_permissions.set(allowed.exclude(codename="send_campaign"))
    client.force_login(writer)
    assert client.get(ADD).status_code == 200
    assert client.post(page(draft, "confirm/")).status_code == 403
    nobody = User.objects.create_user("nobody", is_staff=True)
    client.force_login(nobody)
    for path in (page(sent), page(sent, "deliveries/"), page(sent, "deliveries.csv"), page(sent, "live/")):
        assert client.get(path).status_code == 403


@pytest.mark.parametrize("pk", ["999999", "99999999999999999999999", "x"])
def test_a_campaign_that_is_none_is_not_found(browser: Client, house: House, pk: str) -> None:
    assert browser.get(f"/campaigns/campaign/{pk}/change/").status_code == 404


def test_a_draft_can_be_deleted_and_what_was_sent_cannot(house: House, browser: Client) -> None:
    house.phones("ok")
    draft, sent = house.campaign(), house.send()
    assert browser.post(f"/campaigns/campaign/{draft.pk}/delete/", {"post": "yes"}).status_code == 302
    assert browser.post(f"/campaigns/campaign/{sent.pk}/delete/", {"post": "yes"}).status_code == 403
    assert list(Campaign.objects.all()) == [sent]


def test_a_duplicate_says_the_same_and_is_a_draft(house: House, browser: Client) -> None:
    house.phones("ok")
    sent = house.send(never_twice=True)
    browser.post(page(sent, "duplicate/"))
    copy = Campaign.objects.exclude(pk=sent.pk).get()
    assert (copy.status, copy.never_twice, copy.audience) == (Status.DRAFT, True, 0)
    assert copy.notifications.get().fields == sent.notifications.get().fields


@pytest.mark.faults(54)
def test_somebody_sends_while_somebody_else_still_writes(house: House, browser: Client) -> None:
    house.phones("ok")
    draft = house.campaign()
    release.start(draft, None)
    answer = browser.post(page(draft), filled(house, toast__title="too late")).content.decode()
    assert "was sent meanwhile" in answer
    assert "too late" in answer
    assert Notification.objects.get(campaign=draft).fields["title"] == "Storm on Saturday"


def test_of_several_apps_none_is_chosen_silently(house: House, browser: Any) -> None:
    page = browser.get("/campaigns/campaign/add/").content.decode()
    assert f'<option value="{house.app.pk}" selected' in page
    assert "autofocus" in page.partition('name="name"')[2].partition(">")[0] + page.partition('name="name"')[0][-200:]
    App.objects.create(name="Second", slug="second")
    page = browser.get("/campaigns/campaign/add/").content.decode()
    assert f'<option value="{house.app.pk}" selected' not in page
    assert '<option value="" selected' in page
