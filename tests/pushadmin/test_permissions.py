"""Every address of the dashboard, by every method, for each of the groups: who may do what is one table."""

from __future__ import annotations

import base64
import pickle
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import get_resolver
from django_q.models import OrmQ, Task

from campaigns.models import Campaign
from devices.common.clock import now
from devices.models import ApiKey, App, Device, Segment
from pushadmin import roles
from tests.pushadmin.test_addresses import own_patterns

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITHOUT_SIGN_IN = ("login/", "sign-in/")
# What anybody who is signed in may do: look at their own pages, and go.
FOR_ALL = re.compile(
    r"$|logout/|password_change/|set-password/|second-factor/|overview/|jsi18n/|autocomplete/|r/"
    r"|\(\?P<url>|\(\?P<app_label>|pause-everything/"
)
VIEW = ("Viewers", "Marketers", "App developers")
# The rights of an address by its beginning, the first that fits: who may look, and who may change something.
RIGHTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r"auth/", (), ()),
    (r"campaigns/campaign/<int:pk>/confirm/", ("Marketers",), ("Marketers",)),
    (r"campaigns/campaign/<int:pk>/deliveries.csv", ("Marketers",), ()),
    (r"campaigns/campaign/(<int:pk>/(live|parked|deliveries)/|reach/|compose/)", VIEW, ("Marketers",)),
    (r"campaigns/campaign/add/", ("Marketers",), ("Marketers",)),
    (r"campaigns/campaign/this-browser/", ("Marketers", "App developers"), ("Marketers", "App developers")),
    (r"campaigns/", VIEW, ("Marketers",)),
    (r"devices/segment/add/", ("Marketers",), ("Marketers",)),
    (r"devices/segment/", VIEW, ("Marketers",)),
    (r"devices/device/(add|import|export)/", ("App developers",), ("App developers",)),
    (r"devices/app/add/", ("App developers",), ("App developers",)),
    (r"devices/", VIEW, ("App developers",)),
)


# Above whatever PostgreSQL's sequences, which outlive a test's rollback, have handed out to the tests before.
NUMBER = 7_000_007


@pytest.fixture
def world(db: None) -> dict[str, int]:
    """One of everything, all with the same number."""
    roles.create_groups()
    app = App.objects.create(pk=NUMBER, name="Weather", slug="weather")
    Device.objects.create(pk=NUMBER, app=app, service="mpns", address="x", address_digest="x", seen_at=now())
    Segment.objects.create(pk=NUMBER, app=app, name="All")
    Campaign.objects.create(pk=NUMBER, app=app, name="Storm")
    ApiKey.objects.create(pk=NUMBER, app=app, digest="x")
    User.objects.create_superuser("ada", id=NUMBER)
    Group.objects.create(pk=NUMBER, name="Seventh")
    return {"number": NUMBER}


def addresses() -> list[tuple[str, str]]:
    """Return (route, path) of every page of the dashboard."""
    routes = [route for route in own_patterns(get_resolver().url_patterns) if not route.startswith(("api/", "^api/"))]
    assert len(routes) > 50
    return [
        (
            route,
            re.sub(
                r"<[a-z]+:[^>]+>",
                str(NUMBER),
                "/" + re.sub("<[a-z]+:verb>", "retire" if "device/" in route else "pause", route),
            ),
        )
        for route in routes
    ]


def rows() -> list[Any]:
    """Return all that somebody could have changed."""
    tables = (App, Device, Segment, Campaign, ApiKey, LogEntry, Group)
    people = User.objects.order_by("pk").values("pk", "username", "is_superuser", "is_active", "password", "groups")
    return [[*people], *(list(table.objects.order_by("pk").values()) for table in tables)]


def may(route: str, group: str, *, look: bool) -> bool:
    """Return whether the table lets the group have this address."""
    for start, looking, changing in RIGHTS:
        if re.match(start, route):
            return group in (looking if look else changing)
    return True


def of_somebody(group: str) -> Client:
    user = User.objects.create_user(group or "nobody", password="right one", is_staff=True)
    if group:
        user.groups.set([Group.objects.get(name=group)])
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


@pytest.mark.threats(17, 29)
@pytest.mark.parametrize("group", ["", *roles.GROUPS])
def test_no_group_gets_more_than_the_table_says(world: dict[str, int], group: str) -> None:
    client = of_somebody(group)
    before, got = rows(), []
    for route, path in addresses():
        if FOR_ALL.match(route) or route.startswith(WITHOUT_SIGN_IN) or route.endswith("/<path:object_id>/"):
            continue  # the last only leads on to …/change/
        for method in METHODS:
            look = method in {"GET", "HEAD", "OPTIONS"}
            if may(route, group, look=look):
                continue
            answer = client.generic(method, path, "post=yes&name=x", "application/x-www-form-urlencoded")
            # Who may look at a page may get it by any method: what counts is that nothing has changed.
            fine = {403, 404, 405, 200} if may(route, group, look=True) and not look else {403, 404, 405}
            if answer.status_code not in fine and not led_to_a_refusal(client, answer):
                got.append((method, path, answer.status_code))
    assert got == []
    assert rows() == before


def led_to_a_refusal(client: Client, answer: Any) -> bool:
    """Return whether an address only leads to a page that this person may not see ("Nothing was done")."""
    return answer.status_code == 302 and client.get(answer.headers["Location"]).status_code == 403


@pytest.mark.threats(17, 29)
def test_without_a_sign_in_every_address_asks_for_one(world: dict[str, int], client: Client) -> None:
    before, got = rows(), []
    for route, path in addresses():
        if route.startswith(WITHOUT_SIGN_IN):
            continue
        for method in METHODS:
            answer = client.generic(method, path)
            if answer.status_code not in {403, 404, 405} and not led_to_the_door(client, answer):
                got.append((method, path, answer.status_code))
    assert got == []
    assert rows() == before


def led_to_the_door(client: Client, answer: Any) -> bool:
    """Return whether an address leads to the sign-in page, or to one that does."""
    to = answer.headers.get("Location", "")
    return to.startswith("/login/") or (bool(to) and client.get(to).headers.get("Location", "").startswith("/login/"))


@pytest.mark.threats(26)
def test_no_get_changes_anything(world: dict[str, int], admin_client: Client) -> None:
    before = rows()
    for _, path in addresses():
        for method in ("GET", "HEAD", "OPTIONS"):
            admin_client.generic(method, path, QUERY_STRING="post=yes&wish=remove&name=x&username=eve&action=delete")
            assert rows() == before, (method, path)


@pytest.mark.threats(26)
def test_a_forged_form_is_refused_at_every_address(world: dict[str, int]) -> None:
    strict = Client(enforce_csrf_checks=True, headers={"Origin": "https://evil.example"})
    strict.force_login(User.objects.get(username="ada"))
    before, taken = rows(), []
    for _, path in addresses():
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = strict.generic(method, path, "post=yes&name=x", "application/x-www-form-urlencoded")
            if answer.status_code != 403:
                taken.append((method, path, answer.status_code))
    assert taken == []
    assert rows() == before


class Bomb:
    """Says so when somebody unpickles it."""

    def __reduce__(self) -> Any:
        return Bomb.went_off, ()

    @staticmethod
    def went_off() -> None:
        Bomb.exploded = True

    exploded = False


@pytest.mark.threats(28)
def test_a_planted_pickle_is_never_loaded_by_a_page(world: dict[str, int], admin_client: Client) -> None:
    planted = base64.b64encode(pickle.dumps(Bomb())).decode()
    Task.objects.create(id="x", name="x", func="f", started=now(), stopped=now(), args=())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET args = %s, kwargs = %s, result = %s", [planted] * 3)
    OrmQ.objects.create(key="push", payload="x", lock=now())
    for _, path in addresses():
        admin_client.get(path)
    assert not Bomb.exploded
    list(Task.objects.all())
    assert Bomb.exploded  # it was live: whoever reads the row sets it off


@pytest.mark.threats(47)
def test_nobody_changes_the_record_of_what_was_done(world: dict[str, int], admin_client: Client) -> None:
    written = {model._meta.label_lower for model in admin.site._registry}
    assert written == {
        *("campaigns.campaign", "devices.app", "devices.device", "devices.segment", "auth.user", "auth.group")
    }
    for path in ("/admin/logentry/", "/campaigns/delivery/", "/campaigns/batch/", "/campaigns/notification/"):
        for method in METHODS:
            assert admin_client.generic(method, path).status_code in {404, 405}, path
