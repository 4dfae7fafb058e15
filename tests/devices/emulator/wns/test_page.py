"""Windows PCs on the wall, in a browser."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from playwright.sync_api import Page, expect

from tests.devices.emulator.test_page import HOSTILE, browser_type_launch_args, complaints
from tests.devices.emulator.wns.sender import TOAST, channel, push
from tests.emulator import EmulatorProcess

__all__ = ["browser_type_launch_args", "complaints"]  # fixtures


def test_a_pc_shows_its_toast_tile_and_badge(
    emulator: EmulatorProcess, page: Page, complaints: list[str], bearer: str
) -> None:
    url = channel(emulator, "ok.pc-1")
    push(url, bearer, "toast", TOAST.replace(b"Hello", escape(HOSTILE).encode()))
    for kind in ("tile", "badge"):
        push(url, bearer, kind)
    push(url, bearer, "raw", HOSTILE.encode())
    page.goto(emulator.url)
    computer = page.locator(".computer")
    expect(computer).to_have_count(1)
    expect(computer.locator(".banner b")).to_have_text(HOSTILE)
    expect(computer.locator(".banner span")).to_have_text("World")
    expect(computer.locator(".banner .attribution")).to_have_text("via Shop")
    expect(computer.locator(".banner .picture")).to_have_text("picture: https://img.example.org/a.jpg")
    expect(computer.locator(".banner .actions i")).to_have_text(["Open", "Later"])
    expect(computer.locator(".live .texts span")).to_have_text(["Weather", "Sunny, 21 degrees"])
    expect(computer.locator(".live .brand")).to_have_text("Shop")
    expect(computer.locator(".live .mark")).to_have_text("7")
    expect(computer.locator(".app-raw code")).to_have_text(HOSTILE)
    expect(computer.locator(".caption strong")).to_have_text("pc-1")
    expect(page.locator("[data-name='Accepted'] dd")).to_have_text("4")
    assert page.locator("img").count() == 0  # named, never fetched
    assert complaints == []


@pytest.mark.parametrize(("value", "mark"), [("150", "99+"), ("newMessage", "✉"), ("alert", "!")])
def test_a_badge_stands_on_the_tile(emulator: EmulatorProcess, page: Page, bearer: str, value: str, mark: str) -> None:
    url = channel(emulator, "ok.pc-1")
    push(url, bearer, "badge", f'<badge value="{value}"/>'.encode())
    page.goto(emulator.url)
    expect(page.locator(".live .mark")).to_have_text(mark)
    push(url, bearer, "badge", b'<badge value="0"/>')
    expect(page.locator(".live .mark")).to_be_hidden()


def test_the_page_says_what_stands_out(emulator: EmulatorProcess, page: Page, bearer: str) -> None:
    for behaviour in ("gone", "dropped", "throttled"):
        push(channel(emulator, f"{behaviour}.pc-1"), bearer)
    emulator.control("wns/behaviour", {"everyone": "busy"})
    page.goto(emulator.url)
    expect(page.locator("#everyone")).to_contain_text("Every PC behaves as: busy.")
    for word in ("Expired", "Suppressed", "Throttled"):
        expect(page.locator(f"[data-name='{word}'] dd")).to_have_text("1")
    page.get_by_text("What an address can ask for").click()
    expect(page.locator("#behaviours dt", has_text="domain-blocked")).to_be_visible()


def test_the_page_fits_a_phone(emulator: EmulatorProcess, page: Page, bearer: str) -> None:
    for number in range(4):
        push(channel(emulator, f"ok.{'a' * 60}-{number}"), bearer, "toast", TOAST.replace(b"Hello", b"A" * 900))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(emulator.url)
    expect(page.locator(".computer")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
