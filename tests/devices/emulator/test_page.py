"""The wall of phones in a browser."""

from __future__ import annotations

import shutil
from typing import Any
from xml.sax.saxutils import escape

import pytest
from playwright.sync_api import Page, expect

from tests.devices.emulator.sender import RAW_HEADERS, TILE, TILE_HEADERS, TOAST_HEADERS, push
from tests.emulator import EmulatorProcess

HOSTILE = "<script>alert('x')</script> & \"<b>\" ]]> 你好 😀"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    return {**browser_type_launch_args, "executable_path": chromium, "args": ["--no-sandbox", "--disable-gpu"]}


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser complains about: script errors and everything the content security policy stopped."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def toast(title: str, text: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><wp:Notification xmlns:wp="WPNotification"><wp:Toast>'
        f"<wp:Text1>{escape(title)}</wp:Text1><wp:Text2>{escape(text)}</wp:Text2></wp:Toast></wp:Notification>"
    ).encode()


def test_a_phone_shows_what_it_received_as_it_was_typed(
    emulator: EmulatorProcess, page: Page, complaints: list[str]
) -> None:
    uri = emulator.uri("ok.phone-1")
    push(uri, toast(HOSTILE, HOSTILE), TOAST_HEADERS)
    push(uri, TILE.replace(b"Mail", escape(HOSTILE).encode()), TILE_HEADERS)
    push(uri, HOSTILE.encode(), RAW_HEADERS)
    page.goto(emulator.url)
    phone = page.locator(".phone")
    expect(phone).to_have_count(1)
    expect(phone.locator(".toast b")).to_have_text(HOSTILE)
    expect(phone.locator(".toast span")).to_have_text(HOSTILE)
    expect(phone.locator(".front .name")).to_have_text(HOSTILE)
    expect(phone.locator(".front .count")).to_have_text("7")
    expect(phone.locator(".raw code")).to_have_text(HOSTILE)
    expect(phone.locator(".caption strong")).to_have_text("phone-1")
    assert complaints == []


def test_the_wall_is_live(emulator: EmulatorProcess, page: Page) -> None:
    page.goto(emulator.url)
    expect(page.locator("#empty")).to_be_visible()
    push(emulator.uri("ok.phone-1"), toast("First", "one"))
    expect(page.locator(".toast b")).to_have_text("First")
    expect(page.locator("#empty")).to_be_hidden()
    push(emulator.uri("ok.phone-2"), toast("Second", "two"))
    push(emulator.uri("expired.phone-3"))
    expect(page.locator(".phone .toast b")).to_have_text(["First", "Second"])
    expect(page.locator("#pushes")).to_have_text("3")
    expect(page.locator("[data-name='Expired'] dd")).to_have_text("1")
    emulator.control("reset", {})
    expect(page.locator(".phone")).to_have_count(0)


def test_a_newcomer_can_send_from_the_page(emulator: EmulatorProcess, page: Page, complaints: list[str]) -> None:
    page.goto(emulator.url)
    page.get_by_role("button", name="Send a toast").click()
    expect(page.locator(".toast b")).to_have_text("Hello")
    assert complaints == []


def test_the_page_says_when_every_channel_is_down(emulator: EmulatorProcess, page: Page) -> None:
    emulator.control("behaviour", {"everyone": "unavailable"})
    page.goto(emulator.url)
    expect(page.locator("#everyone")).to_have_text("Every channel behaves as: unavailable")


def test_the_page_fits_a_phone(emulator: EmulatorProcess, page: Page) -> None:
    for number in range(12):
        push(emulator.uri(f"ok.a-rather-long-name-of-a-phone-{number}"), toast("A" * 200, "B" * 200))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(emulator.url)
    expect(page.locator(".phone")).to_have_count(12)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_page_is_served_under_a_strict_policy(emulator: EmulatorProcess) -> None:
    answer = push(emulator.url + "/", method="GET")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'" in policy
    assert "unsafe" not in policy
