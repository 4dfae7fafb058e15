"""The browser rig notices what it is there to notice, and the sign-in page gets past it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import complaints_of

pytestmark = pytest.mark.browser
POLICY = '<meta http-equiv="Content-Security-Policy" content="script-src \'self\'">'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"{POLICY}<script>document.title = 'ran'</script>", "Content Security Policy"),
        ("<script>console.error('trouble')</script>", "console: trouble"),
        ("<script>missing()</script>", "script: missing is not defined"),
        ('<img src="http://elsewhere.invalid/pixel.png">', "request to http://elsewhere.invalid/pixel.png"),
    ],
)
def test_a_page_that_misbehaves_is_noticed(page: Page, content: str, complaint: str) -> None:
    page.route("http://elsewhere.invalid/**", lambda route: route.abort())
    complaints = complaints_of(page)
    page.set_content(content)
    page.wait_for_timeout(50)
    assert any(complaint in heard for heard in complaints), complaints


def test_the_door_is_clean(strict_page: Page, live_server: Any) -> None:
    strict_page.goto(live_server.url)
    expect(strict_page.get_by_label("Password")).to_be_visible()
