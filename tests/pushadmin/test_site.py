"""The way in, the frame, and the questions a supervisor asks."""

from __future__ import annotations

import io
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import Error
from django.test import Client

from campaigns.models import Batch, Breaker, Campaign
from campaigns.pipeline import tasks
from campaigns.pipeline.recording import LEASE
from devices.common.clock import now
from devices.common.secrets import digest
from devices.models import App, Credential, Device
from pushadmin import checks, health
from pushadmin.overview import SHOWN

LINK = "http://testserver"


pytestmark = pytest.mark.django_db


def link(*flags: str) -> str:
    out = io.StringIO()
    call_command("signinlink", *flags, base_url=LINK, stdout=out)
    return out.getvalue().strip().removeprefix(LINK)


@pytest.mark.threats(31)
def test_a_fresh_installation_lets_nobody_in_by_a_password(client: Client) -> None:
    link()
    owner = User.objects.get()
    assert (owner.username, owner.is_superuser, owner.has_usable_password()) == ("admin", True, False)
    for password in ("", "admin", "password", owner.password):
        assert client.post("/login/", {"username": "admin", "password": password}).status_code == 200
        assert client.get("/").status_code == 302


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(client: Client) -> None:
    path = link()
    for _ in range(3):  # a mail program, a chat program, a virus scanner
        assert b"Sign in" in client.get(path).content
    assert client.post(path).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    stranger = Client()
    assert stranger.get(path).status_code == 410
    assert stranger.post(path).status_code == 410
    assert stranger.get("/").status_code == 302


def test_a_link_is_good_for_an_hour(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = link()
    later = datetime.now() + timedelta(seconds=3601)  # noqa: DTZ005 (as Django counts)
    monkeypatch.setattr("django.contrib.auth.tokens.PasswordResetTokenGenerator._now", lambda self: later)
    assert client.get(path).status_code == 410


@pytest.mark.parametrize("path", ["MQ/x-y", "x/x-y", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5/x-y", "%00/x"])
def test_a_link_that_is_none_gets_a_page(client: Client, path: str) -> None:
    assert client.get(f"/sign-in/{path}/").status_code in {404, 410}


def test_only_staff_gets_a_link() -> None:
    User.objects.create_user("visitor")
    with pytest.raises(CommandError, match="may not sign in"):
        link("--user", "visitor")
    with pytest.raises(CommandError, match="no user"):
        link("--user", "nobody")


def test_the_first_password_is_set_without_an_old_one(client: Client) -> None:
    client.post(link())
    words = "correct horse battery"
    assert b"too short" in client.post("/set-password/", {"new_password1": "a", "new_password2": "a"}).content
    answer = client.post("/set-password/", {"new_password1": words, "new_password2": words})
    assert answer.headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert Client().post("/login/", {"username": "admin", "password": words, "next": "/"}).status_code == 302
    assert client.get("/set-password/").headers["Location"] == "/password_change/"


@pytest.mark.threats(31)
def test_five_wrong_passwords_are_enough(client: Client) -> None:
    User.objects.create_superuser("ada", password="right one")
    wrong = {"username": "ada", "password": "wrong"}
    assert [client.post("/login/", wrong).status_code for _ in range(6)] == [200] * 5 + [429]
    refused = client.post("/login/", {"username": "ADA", "password": "right one"})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert b"too many wrong passwords" in refused.content
    assert client.post("/login/", {"username": "grace", "password": "x"}).status_code == 200


def test_a_wrong_password_is_told_in_plain_words(client: Client) -> None:
    shown = client.post("/login/", {"username": "ada", "password": "wrong"}).content.decode()
    assert "This user name and this password do not let you in." in shown
    assert "staff" not in shown


@pytest.mark.threats(32)
def test_a_link_on_the_login_page_cannot_lead_elsewhere(client: Client) -> None:
    User.objects.create_superuser("ada", password="right one")
    for target in ("//evil.example", "https://evil.example", "\\\\evil.example"):
        answer = client.post("/login/", {"username": "ada", "password": "right one", "next": target})
        assert "evil" not in answer.headers["Location"]


def test_the_navigation_has_only_what_one_may_open(client: Client) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_campaign"))
    client.force_login(viewer)
    answer = client.get("/")
    labels = [str(entry.label) for entry in answer.context["navigation"]]
    assert labels == ["Overview", "Campaigns"]
    assert b"Who can be reached" not in answer.content
    for entry in answer.context["navigation"]:
        assert client.get(entry.url).status_code == 200


def test_an_admin_sees_every_place(admin_client: Client) -> None:
    labels = [str(entry.label) for entry in admin_client.get("/").context["navigation"]]
    assert labels == ["Overview", "Campaigns", "Segments", "Devices", "Apps", "Team"]


@pytest.mark.threats(28)
def test_the_pages_of_the_job_engine_are_gone(admin_client: Client) -> None:
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_q"]
    for name in ("ormq", "schedule", "success", "failure"):
        assert admin_client.get(f"/django_q/{name}/").status_code == 404


def test_the_overview_says_what_needs_somebody(admin_client: Client, settings: Any) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    assert b"No worker has run yet" in admin_client.get("/").content
    tasks.note_worker("sender")
    Campaign.objects.create(app=app, name="Storm", status="paused", paused_because="The certificate was refused.")
    Breaker.objects.create(circuit="mpns", since=now(), open_until=now(), reason="503")
    Credential.objects.create(app=app, service="mpns", expires_at=now() - timedelta(days=1))
    settings.EMULATOR = "127.0.0.1:9100"
    shown = admin_client.get("/").content.decode()
    assert "No worker" not in shown
    for sentence in (
        "The certificate was refused.",
        "is left alone since",
        "has expired on",
        "No real device hears of them",
    ):
        assert sentence in shown


@pytest.mark.parametrize(
    ("after", "told"), [(9, ""), (11, "No worker for 11 seconds"), (200, "No worker for 3 minutes")]
)
def test_a_worker_that_stands_still_is_noticed_after_ten_seconds(
    admin_client: Client, clock: Any, after: int, told: str
) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    campaign = Campaign.objects.create(app=app, name="Storm", status="sending", audience=1, started_at=now())
    tasks.note_worker("watchdog")
    clock.advance(timedelta(seconds=after))
    pages = ("/overview/warnings/", f"/campaigns/campaign/{campaign.pk}/live/")
    silent, standing = (admin_client.get(path).content.decode() for path in pages)
    assert told in silent
    assert [("No worker" in silent), ("No worker is running" in standing)] == [bool(told), bool(told)]


def test_a_sender_that_renews_its_lease_is_no_worker_that_stands_still(admin_client: Client, clock: Any) -> None:
    """The watchdog waits while a busy database lets nobody in; whoever sends says so by the lease."""
    app = App.objects.create(name="Weather", slug="weather")
    campaign = Campaign.objects.create(app=app, name="Storm", status="sending", audience=1, started_at=now())
    tasks.note_worker("watchdog")
    clock.advance(timedelta(seconds=30))
    values: dict[str, Any] = {"campaign": campaign, "service": "mpns", "due_at": now(), "ids": b"", "size": 1}
    Batch.objects.create(**values, status="sending", lease_until=now() + LEASE)
    assert "No worker" not in admin_client.get("/overview/warnings/").content.decode()
    clock.advance(timedelta(seconds=11))
    assert "No worker for 41 seconds" in admin_client.get("/overview/warnings/").content.decode()


def test_the_overview_counts_who_can_be_reached(admin_client: Client) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    held, gone = {"hold_until": now() + timedelta(hours=1)}, {"status": "retired", "retired_reason": "Expired."}
    states: list[dict[str, Any]] = [{}, {}, held, gone]
    for number, state in enumerate(states):
        Device.objects.create(
            app=app, service="mpns", address=str(number), address_digest=digest(str(number)), seen_at=now(), **state
        )
    (reach,) = admin_client.get("/").context["reach"]
    assert (reach.active, reach.on_hold, reach.retired) == (2, 1, 1)
    assert reach.reasons == [("Expired.", 1)]


@pytest.mark.parametrize(("status", "told"), [("cancelled", "Never sent"), ("paused", "Waiting")])
def test_whom_a_cancelled_campaign_left_out_does_not_wait(admin_client: Client, status: str, told: str) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    Campaign.objects.create(app=app, name="Storm", status=status, audience=7, started_at=now())
    shown = admin_client.get("/overview/campaigns/").content.decode()
    assert [word for word in ("Waiting", "Never sent") if f"<b>7</b> {word}" in shown] == [told]


def test_the_overview_asks_no_more_for_more(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    tasks.note_worker("sender")
    for number in range(3 * SHOWN):
        Campaign.objects.create(app=app, name=f"Storm {number}", status="sending", started_at=now())
        Campaign.objects.create(app=app, name=f"Rain {number}", status="finished", started_at=now())
        Device.objects.create(
            app=app, service="mpns", address=str(number), address_digest=digest(str(number)), seen_at=now()
        )
    for part, most in {"warnings": 12, "campaigns": 7 + 4 * SHOWN, "reach": 7}.items():
        with django_assert_max_num_queries(most):
            answer = admin_client.get(f"/overview/{part}/")
        assert answer.status_code == 200
        assert "<html" not in answer.content.decode()
    shown = admin_client.get("/").context
    assert (len(shown["moving"]), len(shown["recent"])) == (SHOWN, SHOWN)
    assert admin_client.get("/overview/secrets/").status_code == 404


def test_what_is_being_sent_stands_before_what_is_to_be_sent(admin_client: Client) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    Campaign.objects.create(app=app, name="sending", status="sending", started_at=now())
    Campaign.objects.create(app=app, name="later", status="scheduled", send_at=now() + timedelta(days=2))
    Campaign.objects.create(app=app, name="sooner", status="scheduled", send_at=now() + timedelta(days=1))
    Campaign.objects.create(app=app, name="ended", status="finished", started_at=now() - timedelta(days=1))
    Campaign.objects.create(app=app, name="being written")
    shown = admin_client.get("/").context
    assert [card.campaign.name for card in shown["moving"]] == ["sending", "sooner", "later"]
    assert [card.campaign.name for card in shown["recent"]] == ["being written", "ended"]


def test_the_overview_tells_each_person_only_what_they_may_see(client: Client) -> None:
    app = App.objects.create(name="Weather", slug="weather")
    Campaign.objects.create(app=app, name="Secret launch", status="paused", paused_because="Refused.")
    Credential.objects.create(app=app, service="mpns", expires_at=now() - timedelta(days=1))
    client.force_login(User.objects.create_user("viewer", is_staff=True))
    for path in ("/", "/overview/warnings/", "/overview/campaigns/", "/overview/reach/"):
        shown = client.get(path).content.decode()
        assert "Secret launch" not in shown
        assert f"/devices/app/{app.pk}/" not in shown
        assert "Who can be reached" not in shown
    assert Client().get("/overview/campaigns/").status_code == 302


def test_health_answers_without_a_database_and_readiness_only_with_everything(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"
    monkeypatch.setattr(health, "READINESS", health.Readiness())
    monkeypatch.setattr(health, "FRESH", 0.0)
    tasks.note_worker("watchdog")  # it may come from a backup
    assert client.get("/readyz").json() == {"ready": False, "database": True, "migrations": True, "worker": False}
    tasks.note_worker("watchdog")
    assert client.get("/readyz").status_code == 200

    def gone() -> bool:
        raise Error("gone")

    monkeypatch.setattr(health, "database_answers", gone)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, False)


@pytest.mark.threats(27)
def test_every_answer_carries_the_policies(client: Client) -> None:
    for path in ("/login/", "/healthz", "/nothing-here"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in headers["Permissions-Policy"]


def test_errors_have_pages(admin_client: Client, client: Client) -> None:
    assert b"There is nothing here" in admin_client.get("/nothing/").content
    viewer = User.objects.create_user("viewer", is_staff=True)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer)
    assert b"Not for you" in strict.get("/campaigns/campaign/add/").content
    assert b"This form is too old" in strict.post("/logout/").content


def test_a_refusal_is_one_line_of_the_log_with_who_and_what(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.force_login(User.objects.create_user("viewer", is_staff=True))
    assert client.get("/campaigns/campaign/add/").status_code == 403
    (line,) = [record for record in caplog.records if record.name == "django.request"]
    formatted = logging.Formatter().format(line)
    assert formatted == "Forbidden (Permission denied): /campaigns/campaign/add/ (viewer)"


def test_a_mistake_of_ours_keeps_its_traceback(
    admin_client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushadmin.views.PARTS", {"warnings": lambda user: 1 / 0})
    admin_client.raise_request_exception = False
    assert admin_client.get("/").status_code == 500
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.threats(40, 50)
def test_unsafe_installations_are_refused(settings: Any, var: Any) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["push.example.org"]
    assert [one.id for one in checks.debug_only_at_home(None)] == ["pushadmin.E001"]
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    assert checks.debug_only_at_home(None) == []
    for host, found in [("", 0), ("127.0.0.1:9100", 0), ("127.0.0.1", 1), ("10.0.0.1:80", 1), ("evil.example:80", 1)]:
        settings.EMULATOR = host
        assert len(checks.emulator_stays_here(None)) == found
    key = var / "encryption_key"
    key.write_text("x")
    key.chmod(0o644)
    assert [one.id for one in checks.keys_are_private(None)] == ["pushadmin.W001"]
    key.chmod(0o600)
    assert checks.keys_are_private(None) == []
