"""Addresses that nobody's browser makes: a sentence or the plain list, never an error of the server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from devices.common.clock import now
from devices.models import App, Device

LISTS = (
    *("/campaigns/campaign/", "/devices/segment/", "/devices/app/", "/devices/device/"),
    *("/auth/user/", "/auth/group/"),
)
QUERIES = (
    *("q=%00", "name=%00", "%00=1", "status=%00", "status__exact=%00", "service=%00", "is_active__exact=%00"),
    *("app=%00", "app__id__exact=%00", "app__id__exact=99999999999999999999", "o=%00", "p=%00", "_facets=%00"),
)


@pytest.mark.parametrize(("path", "query"), list(product(LISTS, QUERIES)))
def test_a_list_is_shown_or_refused_whatever_is_asked_for(admin_client: Client, path: str, query: str) -> None:
    refused = "%00" not in query and path in {"/devices/app/", "/auth/user/", "/auth/group/"}
    assert admin_client.get(f"{path}?{query}", follow=True).status_code == (400 if refused else 200)


@pytest.mark.parametrize(
    "path",
    [
        *("/campaigns/campaign/%00/change/", "/campaigns/campaign/99999999999999999999999/change/"),
        *("/campaigns/campaign/99999999999999999999999/confirm/", "/devices/device/%00/change/"),
        *("/devices/app/%00/change/", "/auth/user/%00/change/"),
        *("/campaigns/campaign/add/?app=%00", "/campaigns/campaign/reach/?segment=%00&app=%00"),
        "/campaigns/campaign/reach/?segment=999999999999999999999&app=9",
    ],
)
def test_a_page_is_shown_or_not_found(admin_client: Client, path: str) -> None:
    assert admin_client.get(path, follow=True).status_code in {200, 400, 404}


HOSTILE = (
    *(
        "address__regex=^(([^!])%2B)%2B!$",
        "name__regex=(a%2B)%2B$",
        "name__iregex=(a%2B)%2B$",
        "seen_at__year=99999999999",
    ),
    *("pk__in=99999999999999999999,1", "id__gte=1", "app__name__contains=a", "app__credentials__secret__contains=a"),
    *(
        "secret_digest__startswith=a",
        "password__startswith=a",
        "name__contains=a",
        "status__in=draft",
        "is_superuser=1",
    ),
)


@pytest.mark.threats(33, 34)
@pytest.mark.parametrize(("path", "query"), list(product(LISTS, HOSTILE)))
def test_a_list_takes_only_what_its_own_filters_ask_for(admin_client: Client, path: str, query: str) -> None:
    answer = admin_client.get(f"{path}?{query}", follow=True)
    assert answer.status_code == 400
    assert "<h1" in answer.content.decode()


@pytest.mark.threats(33)
def test_one_get_does_not_hold_the_server(admin_client: Client) -> None:
    app = App.objects.create(name="A", slug="a")
    Device.objects.create(app=app, service="mpns", address="http://" + "a" * 40, address_digest="a", seen_at=now())
    began = time.process_time()
    assert admin_client.get("/devices/device/?address__regex=^(([^!])%2B)%2B!$").status_code == 400
    assert time.process_time() - began < 1.0


OWN = {
    "/devices/device/": (
        *("status__exact=active", "service=mpns", "app__id__exact=1", "test__exact=1"),
        *("connection=connected", "os=8", "language=de", "tag=x"),
    ),
    "/campaigns/campaign/": ("status__exact=draft", "app__id__exact=1"),
    "/devices/segment/": ("app__id__exact=1",),
}


@pytest.mark.parametrize(("path", "query"), [(path, query) for path, queries in OWN.items() for query in queries])
def test_a_list_takes_what_its_own_filters_ask_for(admin_client: Client, path: str, query: str) -> None:
    assert admin_client.get(f"{path}?{query}").status_code in {200, 302}


ELSEWHERE = ("//evil.example/x", "///evil.example/x", "/\\\\evil.example/x", "/%5Cevil.example/x", "//evil.example%2Fx")


@pytest.mark.threats(32)
@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("query", ["%00", "a=%00", "next=//evil.example", ""])
def test_no_address_leads_to_another_host(admin_client: Client, client: Client, path: str, query: str) -> None:
    for somebody in (admin_client, client):
        answer = somebody.get("/", PATH_INFO=unquote(path), QUERY_STRING=query)
        location = answer.headers.get("Location", "/")
        assert not re.match(r"[/\\]{2}|[a-z]+:", location), location


@pytest.mark.threats(32)
@pytest.mark.parametrize("path", [*ELSEWHERE, "https://evil.example/", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_led_to_another_host(db: None, client: Client, path: str) -> None:
    User.objects.create_superuser("grace", password="correct horse")
    for next_page in (path, f"{path}?%00", f"http://testserver{path}?%00"):
        form = {"username": "grace", "password": "correct horse", "next": next_page}
        answer = client.post("/login/", form)
        for _ in range(4):
            location = answer.headers.get("Location", "")
            assert urlsplit(location).netloc in {"", "testserver"}, location
            assert not re.match(r"[/\\]{2}", location), location
            if not location:
                break
            there = urlsplit(location)
            answer = client.get("/", PATH_INFO=unquote(there.path) or "/", QUERY_STRING=there.query)
        client.logout()


def own_patterns(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from own_patterns(pattern.url_patterns, route)
        else:
            yield route


def filled(route: str, number: str) -> str:
    return "/" + re.sub(r"<int:[^>]+>|<path:object_id>", number, route).replace("<slug:verb>", "pause")


@pytest.mark.threats(33)
@pytest.mark.parametrize("number", ["9" * 23, "9" * 19, "9223372036854775807"])
def test_a_number_of_any_length_in_any_address_is_not_found(admin_client: Client, number: str) -> None:
    routes = [
        route for route in own_patterns(get_resolver().url_patterns) if re.search("<int:|<path:object_id>", route)
    ]
    assert len(routes) > 20
    for route in routes:
        path = re.sub(r"<[a-z]+:[^>]+>", "x", filled(route, number))
        for answer in (admin_client.get(path), admin_client.post(path)):
            assert answer.status_code in {302, 400, 403, 404, 405}, path


def test_a_get_of_any_address_shows_something(admin_client: Client) -> None:
    """Whoever had to sign in anew comes to the address of the button they had pressed, without what it sent."""
    app = App.objects.create(name="A", slug="a")
    for path in (
        *(filled(route, str(app.pk)) for route in own_patterns(get_resolver().url_patterns) if route[:4] != "api/"),
        *("/campaigns/campaign/compose/", "/devices/segment/count/", "/logout/"),
    ):
        answer = admin_client.get(re.sub(r"<[a-z]+:[^>]+>", "mpns", path))
        assert answer.status_code != 405, path
        assert b"".join(answer) or 300 < answer.status_code < 400, path


def test_a_session_that_ended_before_a_button_loses_nobody(db: None, client: Client) -> None:
    User.objects.create_superuser("grace", password="correct horse")
    app = App.objects.create(name="A", slug="a")
    asked = client.post(f"/devices/app/{app.pk}/keys/", {"name": "phones"})
    form = {"username": "grace", "password": "correct horse", "next": f"/devices/app/{app.pk}/keys/"}
    assert asked.headers["Location"] == f"/login/?next={form['next']}"
    came = client.post("/login/", form, follow=True)
    assert came.redirect_chain[-1] == (f"/devices/app/{app.pk}/change/", 302)
    assert "Nothing was done" in came.content.decode()
