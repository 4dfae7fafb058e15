"""The team: people come by links, groups say what they may do, and only superusers change either."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from pushadmin import roles

PERSON = {"username": "grace", "first_name": "Grace", "last_name": "Hopper", "email": "", "is_active": "on"}


@pytest.fixture(autouse=True)
def _groups(db: None) -> None:
    roles.create_groups()


@pytest.fixture
def boss(client: Client) -> Client:
    """Somebody who may do everything."""
    client.force_login(User.objects.create_superuser("ada", password=None))
    return client


def staff(name: str, *codenames: str) -> Client:
    user = User.objects.create_user(name, password="right one", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def link_for(boss: Client, user: User) -> str:
    found = re.search(r"http://testserver(/sign-in/[^<\s]+)", boss.post(f"/auth/user/{user.pk}/link/").content.decode())
    assert found
    return found[1]


def test_a_new_person_comes_in_by_a_link_and_chooses_a_password(boss: Client) -> None:
    marketers = Group.objects.get(name="Marketers")
    answer = boss.post("/auth/user/add/", {**PERSON, "groups": marketers.pk})
    grace = User.objects.get(username="grace")
    assert answer.headers["Location"] == f"/auth/user/{grace.pk}/link/"
    assert (grace.has_usable_password(), grace.is_staff, grace.is_superuser) == (False, True, False)
    assert "/sign-in/" not in boss.get(f"/auth/user/{grace.pk}/link/").content.decode()
    visitor = Client()
    assert visitor.post(link_for(boss, grace)).status_code == 302
    labels = [str(entry.label) for entry in visitor.get("/").context["navigation"]]
    assert labels == ["Overview", "Campaigns", "Segments", "Devices", "Apps"]
    assert visitor.get("/campaigns/campaign/add/").status_code in {200, 302}
    assert visitor.get("/devices/app/add/").status_code == 403
    assert LogEntry.objects.filter(object_id=str(grace.pk)).latest("pk").get_change_message()


@pytest.mark.threats(30)
def test_a_forgotten_password_is_replaced_after_a_link_and_only_then(boss: Client) -> None:
    grace = User.objects.create_user("grace", password="the old one", is_staff=True)
    words = {"new_password1": "correct horse battery", "new_password2": "correct horse battery"}
    by_password = Client()
    by_password.post("/login/", {"username": "grace", "password": "the old one", "next": "/"})
    assert by_password.post("/set-password/", words).headers["Location"] == "/password_change/"
    by_link = Client()
    by_link.post(link_for(boss, grace))
    assert by_link.get("/password_change/").headers["Location"] == "/set-password/"
    assert by_link.post("/set-password/", words).headers["Location"] == "/"
    assert by_link.get("/").status_code == 200
    assert by_link.get("/set-password/").headers["Location"] == "/password_change/"
    assert by_password.get("/").status_code == 302  # every other session ends with the old password
    grace.refresh_from_db()
    assert grace.check_password("correct horse battery")


@pytest.mark.threats(29)
@pytest.mark.parametrize("codenames", [(), ("view_user", "view_group"), ("change_user", "change_group", "delete_user")])
def test_nobody_but_a_superuser_changes_the_team(codenames: tuple[str, ...]) -> None:
    climber = staff("climber", "add_user", *codenames)
    me, boss = User.objects.get(username="climber"), User.objects.create_superuser("ada", password=None)
    group = Group.objects.get(name="Viewers")
    mine = {**PERSON, "username": "climber", "is_superuser": "on"}
    for path, sent in [
        ("/auth/user/add/", PERSON),
        (f"/auth/user/{me.pk}/change/", mine),
        (f"/auth/user/{boss.pk}/delete/", {"post": "yes"}),
        (f"/auth/user/{boss.pk}/link/", {}),
        (f"/auth/group/{group.pk}/change/", {"name": "Viewers", "permissions": []}),
        ("/auth/group/add/", {"name": "Mine"}),
    ]:
        assert climber.post(path, sent).status_code == 403, path
    me.refresh_from_db()
    assert not me.is_superuser
    assert User.objects.count() == 2
    assert climber.post(f"/auth/user/{boss.pk}/password/", {}).status_code in {302, 404}
    boss.refresh_from_db()
    assert not boss.has_usable_password()


def test_one_who_may_look_cannot_guess_passwords_letter_by_letter() -> None:
    viewer = staff("viewer", "view_user")
    assert viewer.get("/auth/user/").status_code == 200
    assert viewer.get("/auth/user/?password__startswith=md5").status_code in {302, 400}
    shown = viewer.get(f"/auth/user/{User.objects.get().pk}/change/").content
    assert User.objects.get().password.split("$")[-1].encode() not in shown


def test_superusers_cannot_lock_themselves_out(boss: Client) -> None:
    ada = User.objects.get()
    boss.post(f"/auth/user/{ada.pk}/change/", {**PERSON, "username": "ada", "is_active": "", "is_superuser": ""})
    ada.refresh_from_db()
    assert (ada.last_name, ada.is_active, ada.is_superuser) == ("Hopper", True, True)
    assert boss.post(f"/auth/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.threats(30)
def test_switching_somebody_off_ends_their_session_and_their_links(boss: Client) -> None:
    visitor = staff("grace", "view_campaign")
    grace = User.objects.get(username="grace")
    link = link_for(boss, grace)
    assert visitor.get("/").status_code == 200
    boss.post(f"/auth/user/{grace.pk}/change/", {**PERSON, "is_active": ""})
    assert visitor.get("/").status_code == 302
    assert visitor.post(link).status_code == 410
    assert "/sign-in/" not in boss.post(f"/auth/user/{grace.pk}/link/").content.decode()


def test_two_names_that_differ_in_case_are_one(boss: Client) -> None:
    assert b"Somebody has this name already" in boss.post("/auth/user/add/", {**PERSON, "username": "ADA"}).content


def test_groups_offer_what_some_page_asks_for(boss: Client) -> None:
    shown = boss.get("/auth/group/add/").content.decode()
    for words in ("Campaigns: send, pause and cancel", "Segments: edit", "Users: see"):
        assert words in shown
    for noise in ("session", "log entry", "content type", "Users: edit", "delivery", "queued"):
        assert noise.lower() not in shown.lower().replace("sessionid", "")


def test_the_list_of_people_is_read_in_a_few_queries(boss: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        User.objects.create_user(f"person{number}", is_staff=True).groups.set(Group.objects.all())
    with django_assert_max_num_queries(12):
        shown = boss.get("/auth/user/").content.decode()
    assert "App developers, Marketers, Viewers" in shown
    assert 'href="/auth/group/"' in shown


def test_the_first_groups_are_made_once() -> None:
    User.objects.all().delete()
    Group.objects.all().delete()
    call_command("signinlink", stdout=io.StringIO())
    assert set(Group.objects.values_list("name", flat=True)) == set(roles.GROUPS)
    Group.objects.filter(name="Viewers").delete()
    call_command("signinlink", stdout=io.StringIO())
    assert not Group.objects.filter(name="Viewers").exists()
