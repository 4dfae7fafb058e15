"""A second factor at sign-in: nothing opens without it, a code works once, and whoever lost it is not lost."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from pushadmin import second_factor
from tests.pushadmin.conftest import ASK, MINE, WORDS, Watch, asked, by_password, code, enrol, secret_of

threat = pytest.mark.threats(31)


@threat
def test_a_password_alone_opens_nothing_when_there_is_a_second_factor(ada: User, recovery: list[str]) -> None:
    thief = by_password(ada)
    assert thief.answer.headers["Location"] == ASK  # type: ignore[attr-defined]
    assert "_auth_user_id" not in thief.session
    for path in ("/", "/devices/app/", "/auth/user/", MINE, f"{MINE}app/", "/set-password/", "/overview/warnings/"):
        assert thief.get(path).headers["Location"].startswith("/login/"), path
    assert thief.post(f"{MINE}question/", {"wish": "add"}).status_code == 403
    assert thief.post(f"{MINE}question/", {"wish": "prove"}).status_code == 403
    assert "none of yours" not in thief.get(ASK).content.decode()
    assert thief.post(ASK, {"proof_code": "000000"}).status_code == 200
    assert thief.post(ASK, {"proof_password": WORDS}).status_code == 200
    assert thief.post(ASK, {}).status_code == 200
    assert thief.get("/").status_code == 302


def test_password_and_code_sign_in_and_lead_where_one_wanted(ada: User, recovery: list[str]) -> None:
    client = by_password(ada)
    assert client.post(ASK, {"proof_code": code(secret_of(ada))}).headers["Location"] == "/devices/app/"
    assert client.get("/devices/app/").status_code == 200
    assert client.get(ASK).headers["Location"] == "/login/"


@threat
def test_a_link_proves_less_than_a_second_factor(ada: User, recovery: list[str]) -> None:
    out = io.StringIO()
    call_command("signinlink", user="ada", base_url="http://testserver", stdout=out)
    client = Client()
    assert client.post(out.getvalue().strip()).headers["Location"] == ASK
    assert client.get("/").status_code == 302
    assert client.get("/set-password/").status_code == 302
    assert client.post(ASK, {"proof_code": recovery[0]}).headers["Location"] == "/"
    assert client.get("/set-password/").status_code == 200  # a forgotten password is replaced after a link, as before


@threat
def test_a_code_works_once_and_outlives_an_emptied_cache(ada: User, recovery: list[str], watch: Watch) -> None:
    shoulder = code(secret_of(ada))
    assert by_password(ada).post(ASK, {"proof_code": shoulder}).status_code == 302
    cache.clear()
    assert by_password(ada).post(ASK, {"proof_code": shoulder}).status_code == 200
    assert by_password(ada).post(ASK, {"proof_code": code(secret_of(ada), -1)}).status_code == 200  # nor an older one
    watch.on(minutes=1)
    assert by_password(ada).post(ASK, {"proof_code": code(secret_of(ada))}).status_code == 302


@threat
def test_a_recovery_code_works_once(ada: User, recovery: list[str]) -> None:
    assert len(set(recovery)) == 10
    assert by_password(ada).post(ASK, {"proof_code": recovery[3]}).status_code == 302
    again = by_password(ada)
    assert again.post(ASK, {"proof_code": recovery[3]}).status_code == 200
    assert again.post(ASK, {"proof_code": f"{recovery[4][:4]}-{recovery[4][4:]}"}).status_code == 302
    assert second_factor.codes_left(ada) == 8


@threat
def test_guesses_are_counted_for_the_person_whatever_the_address(ada: User, recovery: list[str]) -> None:
    for number in range(5):
        thief = by_password(ada, Client(REMOTE_ADDR=f"10.0.0.{number}"))
        assert thief.post(ASK, {"proof_code": "000000"}).status_code == 200
    refused = by_password(ada, Client(REMOTE_ADDR="10.0.0.9")).post(ASK, {"proof_code": code(secret_of(ada))})
    assert refused.status_code == 429
    assert b"Five wrong ones" in refused.content


@threat
def test_waiting_ends_after_ten_minutes_with_another_password_and_when_switched_off(
    ada: User, recovery: list[str], watch: Watch
) -> None:
    client = by_password(ada)
    watch.on(minutes=10)
    assert client.post(ASK, {"proof_code": code(secret_of(ada))}).headers["Location"] == "/login/"
    client = by_password(ada)
    ada.set_password("another one")
    ada.save()
    assert client.post(ASK, {"proof_code": code(secret_of(ada))}).headers["Location"] == "/login/"
    ada.set_password(WORDS)
    ada.save()
    client = by_password(ada)
    User.objects.update(is_active=False)
    assert client.post(ASK, {"proof_code": code(secret_of(ada))}).headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


@threat
def test_a_dump_of_the_database_opens_nothing(ada: User, recovery: list[str], boss: Client) -> None:
    secret = secret_of(ada)
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert not any(one in stored for one in recovery)
    boss.get(f"{MINE}app/")
    fresh = boss.get(f"{MINE}app/").context["secret"].replace(" ", "")
    assert fresh not in json.dumps(dict(boss.session))
    assert fresh != secret


@threat
def test_other_sessions_have_to_show_a_new_second_factor(ada: User, boss: Client, watch: Watch) -> None:
    elsewhere = by_password(ada)
    assert elsewhere.get("/devices/app/").status_code == 200
    secret, _codes = enrol(boss)
    assert asked(elsewhere.get("/devices/app/"))
    assert elsewhere.post(f"{MINE}question/", {"wish": "add"}).status_code == 403
    assert elsewhere.get("/overview/warnings/", headers={"X-Requested-With": "fetch"}).status_code == 403
    watch.on(minutes=1)
    back = elsewhere.post("/devices/app/", {"proof_code": code(secret), "proof_carries": "no"})
    assert back.headers["Location"] == "/devices/app/"
    assert elsewhere.get("/devices/app/").status_code == 200
    assert boss.get("/devices/app/").status_code == 200


def test_the_pages_of_ones_own_second_factor(ada: User, boss: Client, watch: Watch) -> None:
    assert b"Nothing yet" in boss.get(MINE).content
    page = boss.get(f"{MINE}app/")
    picture = boss.get(f"{MINE}app/qr.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert "no-store" in picture.headers["Cache-Control"]
    assert b"<svg" in picture.content
    assert b"style=" not in picture.content
    assert b"not what the app should show" in boss.post(f"{MINE}app/", {"code": "000000"}).content
    secret = page.context["secret"].replace(" ", "")
    shown = boss.post(f"{MINE}app/", {"code": code(secret)})
    assert "no-store" in shown.headers["Cache-Control"]
    codes = shown.context["codes"]
    assert codes[0] not in boss.get(MINE).content.decode()  # shown once
    assert boss.get(f"{MINE}app/qr.svg").status_code == 404
    fresh = boss.post(MINE, {"wish": "codes"}).context["codes"]
    assert not set(fresh) & set(codes)
    row = Authenticator.objects.get(type="totp")
    boss.post(MINE, {"wish": "remove", "factor": row.pk})
    assert not Authenticator.objects.exists()  # no recovery codes without something they stand in for
    said = [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=str(ada.pk))]
    assert len(said) == 4
    assert Client().get(MINE).status_code == 302


@threat
def test_nobody_touches_the_second_factor_of_somebody_else(ada: User, recovery: list[str], watch: Watch) -> None:
    eve = User.objects.create_user("eve", password=WORDS, is_staff=True)
    client = by_password(eve)
    row = Authenticator.objects.get(type="totp")
    client.post(MINE, {"wish": "remove", "factor": row.pk})
    client.post(MINE, {"wish": "rename", "factor": row.pk, "name": "mine"})
    client.post(MINE, {"wish": "remove", "factor": "x" * 40})
    assert client.post(f"/auth/user/{ada.pk}/second-factor/").status_code == 403
    assert client.get(f"/auth/user/{ada.pk}/second-factor/").status_code == 403
    assert Authenticator.objects.filter(pk=row.pk).exists()
    assert not second_factor.has(eve)


def test_a_superuser_resets_somebody_and_it_stands_in_the_history(boss: Client, watch: Watch) -> None:
    grace = User.objects.create_user("grace", password=WORDS, is_staff=True)
    enrol(by_password(grace))
    path = f"/auth/user/{grace.pk}/second-factor/"
    assert b"authenticator app" in boss.get(path).content
    assert "second factor" in boss.get("/auth/user/").content.decode()
    watch.on(minutes=11)
    assert asked(boss.post(path, {"wish": "reset"}))
    assert second_factor.has(grace)
    boss.post(path, {"wish": "reset", "proof_password": WORDS, "proof_carries": "yes"})
    assert not Authenticator.objects.filter(user=grace).exists()
    told = LogEntry.objects.filter(object_id=str(grace.pk)).latest("pk")
    assert (told.user_id, "reset" in told.get_change_message()) == (User.objects.get(username="ada").pk, True)
    assert by_password(grace).get("/").status_code == 200
    own = User.objects.get(username="ada")
    assert boss.get(f"/auth/user/{own.pk}/second-factor/").headers["Location"] == MINE


def test_the_operator_resets_who_lost_everything(ada: User, recovery: list[str]) -> None:
    out = io.StringIO()
    call_command("resetsecondfactor", user="ada", stdout=out)
    assert "authenticator app, recovery codes" in out.getvalue()
    assert not second_factor.has(ada)
    call_command("resetsecondfactor", user="ada", stdout=out)
    assert "had no second factor" in out.getvalue()
    with pytest.raises(CommandError, match="no user"):
        call_command("resetsecondfactor", user="nobody")


@pytest.mark.parametrize(
    ("who", "led"), [("superusers", True), ("everybody", True), ("Marketers", True), ("Viewers", False), ("", False)]
)
def test_who_must_have_one_reaches_nothing_until_it_is_set_up(
    who: str, led: bool, ada: User, settings: Any, watch: Watch
) -> None:
    settings.SECOND_FACTOR_REQUIRED = [who] if who else []
    ada.groups.add(Group.objects.create(name="Marketers"))
    client = by_password(ada)
    for path in ("/", "/devices/app/", "/set-password/", "/auth/user/add/"):
        answer = client.get(path)
        assert (answer.headers.get("Location") == MINE) is led, path
    assert client.get(MINE).status_code == 200
    assert (b"Your account needs a second factor" in client.get(MINE).content) is led
    if led:
        enrol(client)
        assert client.get("/devices/app/").status_code == 200
        assert client.post("/logout/").status_code in {200, 302}


def test_who_must_have_one_and_came_by_an_old_link_is_in_no_dead_end(settings: Any, watch: Watch) -> None:
    settings.SECOND_FACTOR_REQUIRED = ["superusers"]
    out = io.StringIO()
    call_command("signinlink", base_url="http://testserver", stdout=out)
    client = Client()
    client.post(out.getvalue().strip())
    watch.on(minutes=10)
    assert client.get("/").headers["Location"] == MINE
    assert asked(client.get(MINE))
    assert client.post("/set-password/", {"new_password1": WORDS, "new_password2": WORDS}).status_code == 302
    client.post(MINE, {"proof_password": WORDS, "proof_carries": "no"})
    assert enrol(client)[1]
    assert client.get("/").status_code == 200


def test_a_group_that_was_renamed_is_told_to_superusers(ada: User, boss: Client, settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = ["everybody", "superusers", "Marketers", "Writers"]
    Group.objects.create(name="Marketers")
    enrol(boss)
    told = boss.get("/overview/warnings/").content.decode()
    assert "SECOND_FACTOR_REQUIRED names Writers, and" in told
    settings.SECOND_FACTOR_REQUIRED = ["superusers", "Writers"]
    client = by_password(User.objects.create_user("eve", password=WORDS, is_staff=True))
    assert "SECOND_FACTOR_REQUIRED" not in client.get("/overview/warnings/").content.decode()


def test_an_unreadable_secret_is_no_traceback(ada: User, recovery: list[str], settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["zJ8uYd2nRzQ4yV7mXl0pT5sKc1aBe3fGh6iJ9kLmNoQ="]
    client = by_password(ada)
    assert client.post(ASK, {"proof_code": recovery[0]}).status_code == 200
    assert client.get("/").status_code == 302


@threat
def test_nothing_else_of_the_library_can_be_reached(boss: Client) -> None:
    assert not [model for model in admin.site._registry if model._meta.app_label in {"account", "mfa"}]
    for path in ("/accounts/signup/", "/signup/", "/accounts/login/", "/accounts/2fa/", "/mfa/authenticator/"):
        assert boss.get(path).status_code == 404
    for name in ("account_signup", "account_login", "account_reset_password", "mfa_index"):
        with pytest.raises(Exception, match="not found"):
            reverse(name)


@threat
def test_a_nonsense_passkey_is_a_sentence(ada: User, boss: Client, recovery: list[str]) -> None:
    client = by_password(ada)
    assert "publicKey" in client.post(f"{MINE}question/", {"wish": "enter"}).json()
    client.post(ASK, {"proof_passkey": "{}"})
    assert "mfa.webauthn.state" not in client.session  # a question is good for one answer, a wrong one too
    for nonsense in ("{}", "[]", "x", "[" * 10_000, '{"id": 1, "rawId": null, "response": []}', "1" * 30_000, '"a"'):
        assert client.post(ASK, {"proof_passkey": nonsense}).status_code == 200
        assert boss.post(f"{MINE}passkey/", {"passkey": nonsense}).headers["Location"] == MINE
    assert client.get("/").status_code == 302
    assert Authenticator.objects.filter(type="webauthn").count() == 0


def test_the_browser_may_use_passkeys_and_nobody_else_may(client: Client) -> None:
    policy = client.get("/login/").headers["Permissions-Policy"]
    for feature in ("publickey-credentials-get=(self)", "publickey-credentials-create=(self)", "camera=()"):
        assert feature in policy
