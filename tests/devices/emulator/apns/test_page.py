"""iPhones on the wall, in a browser, and what a phone makes of a payload."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from devices.emulator.apns.checks import Envelope
from devices.emulator.apns.devices import Push
from devices.emulator.apns.notices import LONGEST, Notice, Phone, read
from tests.devices.emulator.apns.sender import Sender
from tests.devices.emulator.sender import push
from tests.devices.emulator.test_page import HOSTILE, browser_type_launch_args, complaints
from tests.emulator import EmulatorProcess

__all__ = ["browser_type_launch_args", "complaints"]  # fixtures

APP = "org.example.demo"


def aps(**aps: Any) -> bytes:
    return json.dumps({"aps": aps}).encode()


def test_a_phone_shows_what_it_received(
    emulator: EmulatorProcess, page: Page, complaints: list[str], sender: Sender
) -> None:
    push(emulator.uri("ok.phone-1"))
    alert = {"title": HOSTILE, "subtitle": HOSTILE, "body": HOSTILE}
    sender.push("ok.phone-2", aps(alert=alert, badge=3))
    sender.push("ok.phone-3", aps(**{"content-available": 1}), apns_push_type="background", apns_priority="5")
    page.goto(emulator.url)
    expect(page.locator(".phone")).to_have_count(1)
    expect(page.locator(".iphone .caption strong")).to_have_text(["phone-2", "phone-3"])
    for part in ("b", "i", "span"):
        expect(page.locator(f".iphone .notes {part}")).to_have_text([HOSTILE])
    expect(page.locator(".iphone .badge:visible")).to_have_text(["3"])
    expect(page.locator(".iphone .app b")).to_have_text(["demo", "demo"])
    expect(page.locator(".iphone .quiet")).to_have_text(["", "woken in the background"])
    expect(page.locator("[data-name='Accepted'] dd")).to_have_text("3")
    assert complaints == []


def test_a_phone_shows_its_latest_notifications(emulator: EmulatorProcess, page: Page, sender: Sender) -> None:
    page.goto(emulator.url)
    for text in ("one", "two", "three", "four"):
        sender.push("ok.phone", aps(alert=text, badge=120))
    sender.push("ok.phone", aps(alert="five"), apns_collapse_id="news")
    sender.push("ok.phone", aps(alert="six"), apns_collapse_id="news")
    expect(page.locator(".iphone .notes span")).to_have_text(["six", "four", "three"])
    expect(page.locator(".iphone .badge")).to_have_text("99+")
    sender.push("ok.phone", aps(badge=0))
    expect(page.locator(".iphone .badge")).to_be_hidden()


def test_the_page_says_what_stands_out(emulator: EmulatorProcess, page: Page, sender: Sender) -> None:
    for _ in range(3):
        sender.push("unregistered.phone")
    sender.push("ok.phone", b"[]")
    emulator.control("apns/behaviour", {"everyone": "unavailable"})
    page.goto(emulator.url)
    expect(page.locator("#everyone")).to_contain_text("Every iPhone behaves as: unavailable.")
    expect(page.locator("#everyone")).to_contain_text("device tokens that were dead: 2.")
    expect(page.locator("[data-name='Expired'] dd")).to_have_text("3")
    expect(page.locator(".iphone .quiet")).to_have_text("the payload has no aps dictionary")
    page.get_by_text("What senders did wrong (1)").click()
    expect(page.locator("#notes-list li")).to_contain_text("the payload has no aps dictionary")


def test_the_page_fits_a_phone(emulator: EmulatorProcess, page: Page, sender: Sender) -> None:
    alert = {"title": "A" * 200, "subtitle": "B" * 200, "body": "C" * 900}
    for number in range(6):
        sender.push(f"ok.a-rather-long-name-{number}", aps(alert=alert, badge=1000))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(emulator.url)
    expect(page.locator(".iphone")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_before_the_first_push_the_page_shows_how_to_push(emulator: EmulatorProcess, page: Page) -> None:
    page.goto(emulator.url)
    expect(page.locator("#example")).to_contain_text("curl -i http")


def test_every_behaviour_is_listed(emulator: EmulatorProcess, page: Page) -> None:
    page.goto(emulator.url)
    page.get_by_text("What an address can ask for").click()
    expect(page.locator("#behaviours dt", has_text="no-ping-ack")).to_be_visible()


def notice(body: bytes, push_type: str = "alert", collapse_id: str = "") -> Notice:
    return read(Push("", Envelope(APP, APP, collapse_id, None, 10, push_type), body, {}, 0.0))


ALERTS: list[tuple[Any, tuple[str, str, str]]] = [
    ("B", ("", "", "B")),
    ({"title": "T", "subtitle": "S", "body": "B"}, ("T", "S", "B")),
    ({"title-loc-key": "K", "title-loc-args": ["a", 1], "loc-key": "L", "loc-args": []}, ("K (a, 1)", "", "L")),
    ({"title": 7, "body": "B"}, ("", "", "B")),
    ({"body": "B" * 2000}, ("", "", "B" * LONGEST)),
]


@pytest.mark.parametrize(("alert", "shown"), ALERTS)
def test_an_alert_is_read(alert: Any, shown: tuple[str, str, str]) -> None:
    told = notice(aps(alert=alert))
    assert (told.kind, told.why, (told.title, told.subtitle, told.body)) == ("alert", "", shown)


@pytest.mark.parametrize(
    ("badge", "wanted"), [(3, 3), (0, 0), (-1, None), (True, None), ("3", None), (2**31, None), (1.5, None)]
)
def test_a_badge_is_a_number(badge: Any, wanted: int | None) -> None:
    assert notice(aps(badge=badge, sound="default")).badge == wanted


SILENT = {"content-available": 1}


@pytest.mark.parametrize(
    ("body", "push_type", "kind", "why"),
    [
        (aps(alert="B"), "", "alert", "without apns-push-type"),
        (aps(sound="default"), "alert", "alert", ""),
        (aps(), "alert", "nothing", "neither alert, badge nor sound"),
        (aps(alert={}), "alert", "nothing", "neither alert, badge nor sound"),
        (b'{"url":"x"}', "alert", "nothing", "no aps dictionary"),
        (b'{"aps":[]}', "alert", "nothing", "no aps dictionary"),
        (b"[" * 4000, "alert", "nothing", "no JSON"),
        (b"\xff", "alert", "nothing", "no JSON"),
        (aps(**SILENT), "background", "background", ""),
        (aps(**SILENT), "alert", "background", "asks for the push type background"),
        (aps(alert="B", **SILENT), "alert", "alert", ""),
        (aps(alert="B", **SILENT), "background", "background", "with alert, badge or sound"),
        (aps(), "background", "background", "without content-available: 1"),
        (aps(), "voip", "nothing", ""),
    ],
)
def test_what_does_not_fit_is_flagged(body: bytes, push_type: str, kind: str, why: str) -> None:
    told = notice(body, push_type)
    assert told.kind == kind
    assert why in told.why
    assert bool(why) is bool(told.why)


def test_the_same_collapse_id_shows_once() -> None:
    phone = Phone(0, "", "ok.a", "ok")
    for text, collapse_id in (("a", "x"), ("b", ""), ("c", "x"), ("d", "")):
        phone.take(notice(aps(alert=text), collapse_id=collapse_id))
    assert [note.body for note in phone.notes] == ["b", "c", "d"]
    assert phone.received == 4
