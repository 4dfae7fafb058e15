"""Passkeys in a real browser with a virtual authenticator: adding one, signing in by it, proving anew by it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from devices.models import ApiKey, App
from pushadmin import second_factor, step_up
from tests.browser import barriers

pytestmark = pytest.mark.browser
WORDS = "correct horse battery"


def with_authenticator(page: Page) -> None:
    """Give the browser a telephone's built-in authenticator whose owner always says yes."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def make_stale() -> None:
    """Let ten minutes pass for every session's proof."""
    for row in Session.objects.all():
        session = SessionStore(row.session_key)
        session[step_up.PROOF] = {**session[step_up.PROOF], "at": second_factor.now() - step_up.FRESH}
        session.save()


@pytest.fixture
def own(signed_in: Page, admin: User, live_server: Any) -> Page:
    """Ada with a password and a passkey, at her own page."""
    admin.set_password(WORDS)
    admin.save()
    with_authenticator(signed_in)
    page = signed_in
    page.goto(f"{live_server.url}/login/")
    page.context.clear_cookies()
    sign_in(page, live_server)
    page.get_by_role("link", name="Second factor").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    assert len(re.findall(r"\d{8}", page.locator("#codes").inner_text())) == 10
    page.get_by_role("link", name="I have them").click()
    expect(page.get_by_label("Name of the passkey")).to_have_value("Laptop")
    return page


def sign_in(page: Page, live_server: Any) -> None:
    page.goto(f"{live_server.url}/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(WORDS)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.threats(31)
def test_a_passkey_is_added_signs_in_and_proves_anew(own: Page, live_server: Any, admin: User) -> None:
    page = own
    page.get_by_label("Name of the passkey").fill("Old laptop")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_label("Name of the passkey")).to_have_value("Old laptop")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, live_server)
    expect(page.get_by_role("heading", level=1)).to_have_text("Second factor")
    page.goto(f"{live_server.url}/devices/app/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")  # nothing else is reachable
    sign_in(page, live_server)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    app = App.objects.create(name="Weather", slug="weather")
    page.goto(f"{live_server.url}/devices/app/{app.pk}/change/")
    make_stale()
    page.locator("#key_name").fill("phones")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    assert not ApiKey.objects.exists()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new key")
    assert ApiKey.objects.get().name == "phones"
    row = Authenticator.objects.get(type="webauthn")
    assert row.last_used_at is not None


@pytest.mark.threats(31)
def test_a_passkeys_answer_is_good_once_and_for_its_owner(own: Page, live_server: Any, browser: Browser) -> None:
    page = own
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, live_server)
    with page.expect_request(lambda sent: sent.method == "POST" and sent.url.endswith("/sign-in/second-factor/")) as it:
        page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    answer = dict(it.value.post_data_json or {})["proof_passkey"]
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, live_server)
    page.evaluate("answer => { document.querySelector('[name=proof_passkey]').value = answer }", answer)
    page.get_by_role("button", name="Sign in").click()  # heard on the wire, sent once more
    expect(page.get_by_text("none of yours here, or the answer came too late")).to_be_visible()
    page.goto(live_server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_pages_that_ask_fit_a_phone_and_have_no_serious_barriers(
    own: Page, live_server: Any, browser: Browser, admin: User
) -> None:
    context = browser.new_context(bypass_csp=True, viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    serious: list[str] = []
    context.add_cookies(own.context.cookies())  # type: ignore[arg-type]  # what comes out goes in
    for path in ("/second-factor/", "/second-factor/app/"):
        page.goto(live_server.url + path)
        serious += barriers(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    make_stale()
    page.goto(f"{live_server.url}/second-factor/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    serious += barriers(page, "step up")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.clear_cookies()
    sign_in(page, live_server)
    expect(page.get_by_role("heading", level=1)).to_have_text("Second factor")
    serious += barriers(page, "second factor")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert serious == []
