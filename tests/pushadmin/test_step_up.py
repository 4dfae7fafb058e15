"""A fresh proof of who one is before acts that could hand the house over, and nothing typed is lost by it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from campaigns.models import Campaign, Notification
from campaigns.pipeline import planning
from devices.common.secrets import digest
from devices.models import ApiKey, App, Device, Segment, Tally
from pushadmin import step_up
from tests.pushadmin.conftest import MINE, WORDS, Watch, asked, code, secret_of

threat = pytest.mark.threats(31)


@pytest.fixture
def app(watch: Watch) -> App:
    return App.objects.create(name="Weather", slug="weather", ask_again_above=2)


def guarded(app: App, ada: User) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return an address and a POST for each page that asks when something is changed."""
    group = Group.objects.create(name="Viewers")
    key = ApiKey.objects.create(app=app, name="phones", digest=digest("x"), hint="x")
    grace = User.objects.create_user("grace", is_staff=True)
    campaign = Campaign.objects.create(app=app, name="Storm")
    segment = Segment.objects.create(app=app, name="Testers", rule={})
    scheduled = Campaign.objects.create(app=app, name="Rain", status="scheduled", segment=segment)
    for number in range(3):
        Device.objects.create(
            app=app, service="mpns", address=str(number), address_digest=digest(str(number)), seen_at=timezone.now()
        )
    return {
        "devices_app_site": (f"/devices/app/{app.pk}/site/", {"origins": "https://www.example.org"}),
        "devices_app_credential": (f"/devices/app/{app.pk}/credentials/mpns/", {"wish": "remove"}),
        "devices_app_new_key": (f"/devices/app/{app.pk}/keys/", {"name": "mine"}),
        "devices_app_revoke_key": (f"/devices/app/{app.pk}/keys/{key.pk}/revoke/", {}),
        "devices_app_change": (f"/devices/app/{app.pk}/change/", {"name": "x", "ask_again_above": "999999"}),
        "devices_app_delete": (f"/devices/app/{app.pk}/delete/", {"post": "yes"}),
        "campaigns_campaign_confirm": (f"/campaigns/campaign/{campaign.pk}/confirm/", {"seen": "x"}),
        "campaigns_campaign_do": (f"/campaigns/campaign/{campaign.pk}/do/start/", {}),
        "devices_segment_change": (f"/devices/segment/{scheduled.segment_id}/change/", {"name": "x", "app": app.pk}),
        "auth_user_add": ("/auth/user/add/", {"username": "eve"}),
        "auth_user_change": (f"/auth/user/{grace.pk}/change/", {"username": "eve"}),
        "auth_user_delete": (f"/auth/user/{grace.pk}/delete/", {"post": "yes"}),
        "auth_user_link": (f"/auth/user/{grace.pk}/link/", {}),
        "auth_user_second_factor": (f"/auth/user/{grace.pk}/second-factor/", {}),
        "auth_group_add": ("/auth/group/add/", {"name": "eve"}),
        "auth_group_change": (f"/auth/group/{group.pk}/change/", {"name": "eve"}),
        "auth_group_delete": (f"/auth/group/{group.pk}/delete/", {"post": "yes"}),
    }


@threat
def test_every_guarded_act_asks_and_does_nothing_without_a_proof(
    app: App, ada: User, boss: Client, watch: Watch
) -> None:
    acts = guarded(app, ada)
    before = counted()
    watch.on(minutes=10)
    for name, (path, sent) in acts.items():
        assert asked(boss.post(path, sent)), name
        assert asked(boss.post(path, {**sent, "proof_password": "wrong", "proof_carries": "yes"})), name
        Tally.objects.all().delete()
        assert asked(boss.post(path, {**sent, "proof_code": "123456"})), name
        Tally.objects.all().delete()
        if name not in {"campaigns_campaign_do", "devices_app_credential", "devices_app_new_key"}:
            assert not asked(boss.get(path)), name  # looking stays free
    assert counted() == before
    for path in (MINE, f"{MINE}app/", f"{MINE}app/qr.svg", f"{MINE}passkey/"):
        assert asked(boss.get(path)), path
    assert {*acts, "second_factor", "second_factor_app", "second_factor_qr", "second_factor_new_passkey"} == set(
        step_up.GUARDED
    )
    known = {key for key in get_resolver().namespace_dict["admin"][1].reverse_dict if isinstance(key, str)}
    assert set(step_up.GUARDED) - known == set()


def counted() -> list[Any]:
    return [
        *User.objects.order_by("pk").values_list("username", flat=True),
        *Group.objects.order_by("pk").values_list("name", flat=True),
        *Segment.objects.values_list("name"),
        *App.objects.values_list("name", "ask_again_above"),
        *ApiKey.objects.values_list("name", "revoked_at"),
        *Campaign.objects.values_list("name", "status"),
        LogEntry.objects.count(),
    ]


def test_what_was_sent_goes_on_after_the_proof(app: App, boss: Client, watch: Watch) -> None:
    watch.on(minutes=11)
    path = f"/devices/app/{app.pk}/keys/"
    page = boss.post(path, {"name": "the\nphones & <tablets>", "extra": ["1", "2"]})
    assert page.context["carried"] == [("name", "the\nphones & <tablets>"), ("extra", "1"), ("extra", "2")]
    assert b"the\nphones &amp; &lt;tablets&gt;" in page.content
    carried = {"name": "phones", "proof_carries": "yes"}
    wrong = boss.post(path, {**carried, "proof_password": "wrong"})
    assert wrong.context["carried"] == [("name", "phones")]
    assert WORDS not in wrong.content.decode()
    made = boss.post(path, {**carried, "proof_password": WORDS})
    assert b"pk_" in made.content
    assert ApiKey.objects.get().name == "phones"
    assert b"pk_" in boss.post(path, {"name": "tablets"}).content  # and for ten minutes nobody asks
    watch.on(minutes=10)
    assert asked(boss.post(path, {"name": "more"}))


def test_a_page_that_asked_before_it_was_shown_is_shown_and_nothing_is_done(boss: Client, watch: Watch) -> None:
    watch.on(minutes=11)
    answer = boss.post(MINE, {"proof_password": WORDS, "proof_carries": "no"})
    assert answer.headers["Location"] == MINE
    assert boss.get(MINE).status_code == 200
    twice = boss.post(MINE, {"proof_password": WORDS, "proof_carries": "no", "wish": "codes"})
    assert twice.headers["Location"] == MINE
    grace = User.objects.create_user("grace", is_staff=True)
    boss.post(f"/auth/user/{grace.pk}/delete/", {"proof_password": WORDS, "proof_carries": "no"})
    assert User.objects.filter(pk=grace.pk).exists()


def test_a_file_is_chosen_again(app: App, boss: Client, watch: Watch) -> None:
    watch.on(minutes=11)
    path, back = f"/devices/app/{app.pk}/credentials/mpns/", f"http://testserver/devices/app/{app.pk}/change/"
    sent = {"mpns-file": SimpleUploadedFile("a.pem", b"secret"), "mpns-password": "hush"}
    page = boss.post(path, sent, headers={"Referer": back})
    assert asked(page)
    assert b"hush" not in page.content
    proof = {"proof_password": WORDS, "proof_carries": "no", "proof_back": back}
    assert boss.post(path, proof).headers["Location"] == back
    assert b"Choose the file once more" in boss.get(back).content
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert boss.post(path, {**proof, "proof_back": elsewhere}).headers["Location"] == "/"


@threat
def test_a_password_is_no_proof_for_who_has_a_second_factor(
    app: App, ada: User, boss: Client, recovery: list[str], watch: Watch
) -> None:
    watch.on(minutes=11)
    path = f"/devices/app/{app.pk}/keys/"
    assert asked(boss.post(path, {"name": "mine", "proof_password": WORDS, "proof_carries": "yes"}))
    assert not ApiKey.objects.exists()
    made = boss.post(path, {"name": "mine", "proof_code": code(secret_of(ada)), "proof_carries": "yes"})
    assert b"pk_" in made.content


def test_who_has_neither_is_told_what_to_do(app: App, watch: Watch) -> None:
    out = io.StringIO()
    call_command("signinlink", base_url="http://testserver", stdout=out)
    client = Client()
    client.post(out.getvalue().strip())
    path = f"/devices/app/{app.pk}/keys/"
    assert b"pk_" in client.post(path, {"name": "one"}).content  # the link itself is a proof for ten minutes
    watch.on(minutes=10)
    page = client.post(path, {"name": "two"}).content.decode()
    assert "make a new link" in page
    assert "manage.py signinlink --user admin" in page
    assert not re.search(r"proof_(password|code)", page)
    assert asked(client.post(path, {"name": "two", "proof_password": ""}))
    assert client.get("/set-password/").status_code == 200
    client.post("/set-password/", {"new_password1": WORDS, "new_password2": WORDS})
    assert b"pk_" in client.post(path, {"name": "two", "proof_password": WORDS, "proof_carries": "yes"}).content


@pytest.mark.threats(42)
@threat
def test_only_sends_above_the_threshold_ask(app: App, ada: User, boss: Client, watch: Watch) -> None:
    path, _sent = guarded(app, ada)["campaigns_campaign_confirm"]
    campaign = Campaign.objects.get(name="Storm")
    Notification.objects.create(campaign=campaign, message="toast", fields={"title": "Storm", "text": "Now"})
    watch.on(minutes=11)
    seen = re.search(r'name="seen" value="([^"]+)"', boss.get(path).content.decode())
    assert seen
    assert asked(boss.post(path, {"seen": seen[1]}))
    campaign.refresh_from_db()
    assert campaign.status == "draft"
    App.objects.update(ask_again_above=3)
    assert boss.post(path, {"seen": seen[1]}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.status != "draft"
    App.objects.update(ask_again_above=0)
    assert not asked(boss.post(f"/campaigns/campaign/{campaign.pk}/do/cancel/"))


def test_a_segment_that_nothing_waits_for_asks_nobody(app: App, boss: Client, watch: Watch) -> None:
    segment = Segment.objects.create(app=app, name="Testers", rule={})
    watch.on(minutes=11)
    path = f"/devices/segment/{segment.pk}/change/"
    assert boss.post(path, {"name": "Beta", "app": app.pk, "match": "all"}).status_code == 302
    assert Segment.objects.get().name == "Beta"
    Campaign.objects.create(app=app, name="Storm", status="finished", segment=segment)
    assert not asked(boss.post(path, {"name": "Beta", "app": app.pk, "match": "all"}))
    assert not asked(boss.post("/devices/segment/x/change/", {"name": "Beta"}))


def test_sending_again_counts_those_who_get_it_again(
    app: App, boss: Client, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = Campaign.objects.create(app=app, name="Storm", status="finished")
    watch.on(minutes=11)
    for count, wanted in [(2, False), (3, True)]:
        monkeypatch.setattr(planning, "repeatable", lambda row, which, n=count: Rows(n))
        assert (step_up.reached(campaign, "again-failed") > app.ask_again_above) is wanted
    assert asked(boss.post(f"/campaigns/campaign/{campaign.pk}/do/again-failed/"))
    assert not asked(boss.post(f"/campaigns/campaign/{campaign.pk}/do/again-nonsense/"))


class Rows:
    def __init__(self, length: int) -> None:
        self.length = length

    def count(self) -> int:
        return self.length


@threat
def test_an_open_browser_gives_itself_no_password_an_hour_after_the_link(app: App, watch: Watch) -> None:
    out = io.StringIO()
    call_command("signinlink", base_url="http://testserver", stdout=out)
    client = Client()
    client.post(out.getvalue().strip())
    watch.on(minutes=61)
    words = {"new_password1": WORDS, "new_password2": WORDS}
    assert client.get("/password_change/").headers["Location"] == "/set-password/"
    answer = client.post("/set-password/", words, follow=True)
    assert "more than an hour old" in answer.content.decode()
    assert not User.objects.get().has_usable_password()
