"""The way in and the team in a real browser: policy, phone width, keyboard, accessibility, and what moves by itself."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from campaigns.models import Campaign
from campaigns.pipeline import tasks
from devices.common.clock import now
from devices.models import App
from pushadmin import roles
from tests.browser import barriers

pytestmark = pytest.mark.browser


def link(live_server: Any) -> str:
    out = io.StringIO()
    call_command("signinlink", base_url=live_server.url, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def paths(admin: User) -> list[str]:
    """Every page of the team, and those around signing in."""
    roles.create_groups()
    group, grace = Group.objects.get(name="Marketers"), User.objects.create_user("grace", is_staff=True)
    return [
        "/auth/user/",
        "/auth/user/add/",
        f"/auth/user/{admin.pk}/change/",
        f"/auth/user/{grace.pk}/change/",
        f"/auth/user/{grace.pk}/link/",
        f"/auth/user/{grace.pk}/history/",
        f"/auth/user/{grace.pk}/delete/",
        "/auth/group/",
        f"/auth/group/{group.pk}/change/",
        f"/auth/group/{group.pk}/delete/",
        "/set-password/",
        "/second-factor/",
        "/second-factor/app/",
        f"/auth/user/{grace.pk}/second-factor/",
    ]


def test_the_pages_of_the_team_fit_a_phone(signed_in: Page, live_server: Any, paths: list[str]) -> None:
    signed_in.set_viewport_size({"width": 390, "height": 844})
    for path in paths:
        answer = signed_in.goto(live_server.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert signed_in.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_pages_of_the_team_have_no_serious_barriers(
    signed_in: Page, live_server: Any, paths: list[str], browser: Browser
) -> None:
    # The checker puts styles of its own into the page, which the policy rightly refuses: here it is not asked.
    context = browser.new_context(bypass_csp=True, color_scheme="light", reduced_motion="reduce")
    way_in = link(live_server).removeprefix(live_server.url)
    serious: list[str] = []
    for path in [way_in, "/login/", "/nothing-here/", *paths]:
        if path == paths[0]:
            context.add_cookies(signed_in.context.cookies())  # type: ignore[arg-type]  # what comes out goes in
        page = context.new_page()
        page.goto(live_server.url + path)
        serious += barriers(page, path)
        page.close()
    context.close()
    assert serious == []


def test_the_first_administrator_comes_in_by_keyboard_and_invites_somebody(
    strict_page: Page, live_server: Any, transactional_db: None
) -> None:
    page = strict_page
    page.goto(link(live_server))
    page.get_by_role("button", name="Sign in").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_text("You have no password yet.")).to_be_visible()
    expect(page.get_by_text("Begin with an App")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.get_by_role("link", name="Team").click()
    page.get_by_role("link", name="New user").click()
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Marketers").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Make the link").click()
    way_in = page.locator("#link").inner_text()
    page.get_by_role("button", name="Sign out").click()
    page.goto(way_in)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".sidebar .account-name")).to_have_text("Signed in as grace")
    expect(page.get_by_role("link", name="Team")).to_have_count(0)


def test_the_overview_follows_what_happens(signed_in: Page, live_server: Any) -> None:
    signed_in.goto(live_server.url)
    expect(signed_in.get_by_text("No worker has run yet")).to_be_visible()
    expect(signed_in.get_by_text("Nothing is being sent now")).to_be_visible()
    app = App.objects.create(name="Weather", slug="weather")
    Campaign.objects.create(app=app, name="Storm", status="sending", started_at=now())
    tasks.note_worker("sender")
    expect(signed_in.get_by_role("link", name="Storm")).to_be_visible()
    expect(signed_in.get_by_text("No worker has run yet")).to_have_count(0)
    expect(signed_in.locator(".status")).to_have_text(re.compile("Sending"))


def test_the_menu_of_a_phone_opens_without_scripts(
    browser: Browser, signed_in: Page, live_server: Any, admin: User
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    context.add_cookies(signed_in.context.cookies())  # type: ignore[arg-type]  # what comes out goes in
    page = context.new_page()
    page.goto(live_server.url)
    page.locator("summary").click()
    page.locator(".phone-menu").get_by_role("link", name="Devices").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices")
    context.close()
