"""Inputs of fifty kilobytes made to be slow to read, and a page of ours in somebody else's frame."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page

from devices.models import App

SIZE = 50_000
SLOW = {
    "one letter": "a" * SIZE,
    "backtracking": "a" * (SIZE - 1) + "!",
    "brackets": "(" * SIZE,
    "spaces": " " * SIZE + "x",
    "digits": "9" * SIZE,
    "percent": "%" * SIZE,
    "quotes": "\"'" * (SIZE // 2),
    "dots": "1." * (SIZE // 2),
    "emoji": "👩\u200d🚀" * (SIZE // 3),
    "json": "[" * SIZE,
}


@pytest.mark.threats(33)
@pytest.mark.parametrize("name", SLOW)
def test_no_input_is_slow_to_read(admin_client: Client, name: str) -> None:
    app, text = App.objects.create(name="Weather", slug="weather"), SLOW[name]
    asked: list[tuple[str, dict[str, Any], bool]] = [
        ("/devices/device/", {"q": text}, False),
        ("/devices/device/", {"language": text, "tag": text, "status__exact": text}, False),
        ("/campaigns/campaign/", {"q": text}, False),
        ("/auth/user/", {"q": text, "o": text}, False),
        ("/devices/segment/count/", {"app": app.pk, "c0-choice": "language:is", "c0-value": text}, True),
        ("/devices/segment/count/", {"app": app.pk, "c0-choice": "os:at_least", "c0-value": text}, True),
        ("/devices/device/add/", {"app": app.pk, "service": "mpns", "address": text, "tags": text}, True),
        ("/devices/device/add/", {"app": app.pk, "service": "mpns", "os_version": text, "language": text}, True),
        ("/campaigns/campaign/compose/", {"message": "toast", "title": text, "param": text}, True),
        ("/login/", {"username": text, "password": text}, True),
    ]
    slow = []
    for path, fields, sent in asked:
        began = time.process_time()
        answer = admin_client.post(path, fields) if sent else admin_client.get(path, fields)
        spent = time.process_time() - began
        assert answer.status_code < 500, path
        if spent > 2:  # what grows with the square of 50,000 takes minutes
            slow.append((path, spent))
    assert slow == []


@pytest.mark.browser
@pytest.mark.threats(27)
def test_a_page_in_a_frame_of_somebody_else_shows_nothing(signed_in: Page, live_server: Any, browser: Browser) -> None:
    context = browser.new_context()
    context.add_cookies(signed_in.context.cookies())  # type: ignore[arg-type]  # what comes out goes in
    page = context.new_page()
    own = page.goto(f"{live_server.url}/devices/app/add/")
    assert own is not None
    assert own.status == 200
    page = context.new_page()  # somebody else's: ours would keep its own policy
    page.set_content(f'<iframe src="{live_server.url}/devices/app/add/" width="900" height="600"></iframe>')
    page.wait_for_timeout(1000)
    framed = page.frames[1]
    assert framed.locator("form").count() == 0
    assert "PushAdmin" not in framed.content()
    context.close()
