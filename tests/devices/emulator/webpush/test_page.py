"""Browsers on the wall, in a browser."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from devices.emulator.webpush.browsers import LONGEST, Browser, Notification, read
from tests.devices.emulator.sender import push
from tests.devices.emulator.test_page import HOSTILE, browser_type_launch_args, complaints
from tests.devices.emulator.webpush.sender import HOMES, Vapid, encrypt, send, subscribe
from tests.emulator import EmulatorProcess

__all__ = ["browser_type_launch_args", "complaints"]  # fixtures


def note(title: str, body: str, **more: str) -> bytes:
    return json.dumps({"v": 1, "title": title, "body": body, **more}).encode()


def test_browsers_stand_beside_phones(
    emulator: EmulatorProcess, page: Page, complaints: list[str], vapid: Vapid
) -> None:
    push(emulator.uri("ok.phone-1"))
    for vendor in HOMES:
        subscription = subscribe(emulator, vendor, names=[f"{vendor}-1"])
        send(subscription, vapid, note(HOSTILE, HOSTILE, url="https://example.org/a?b"))
    page.goto(emulator.url)
    expect(page.locator(".phone")).to_have_count(1)
    expect(page.locator(".browser .vendor")).to_have_text(["Firefox", "Chrome", "Safari", "Edge"])
    expect(page.locator(".browser .caption strong")).to_have_text([f"{vendor}-1" for vendor in HOMES])
    expect(page.locator(".browser .notes b")).to_have_text([HOSTILE] * 4)
    expect(page.locator(".browser .notes span")).to_have_text([HOSTILE] * 4)
    expect(page.locator(".browser .notes small")).to_have_text(["example.org"] * 4)
    assert complaints == []


def test_a_browser_shows_its_latest_notifications(emulator: EmulatorProcess, page: Page, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    page.goto(emulator.url)
    for title in ("one", "two", "three", "four"):
        send(subscription, vapid, note(title, ""))
    send(subscription, vapid, note("five", ""), Topic="news")
    send(subscription, vapid, note("six", ""), Topic="news")
    expect(page.locator(".browser .notes b")).to_have_text(["six", "four", "three"])


def test_what_could_not_be_decrypted_is_said(emulator: EmulatorProcess, page: Page, vapid: Vapid) -> None:
    subscription = subscribe(emulator)
    send(subscription, vapid, body=encrypt(b"x", subscribe(emulator)["keys"]))
    page.goto(emulator.url)
    expect(page.locator(".browser .notes b")).to_have_text("Cannot be decrypted")


def test_the_page_says_what_stands_out(emulator: EmulatorProcess, page: Page, vapid: Vapid) -> None:
    gone = subscribe(emulator, behaviour="gone")
    for _ in range(3):
        send(gone, vapid)
    emulator.control("webpush/behaviour", {"everyone": "503"})
    page.goto(emulator.url)
    expect(page.locator("#everyone")).to_contain_text("Every browser behaves as: 503.")
    expect(page.locator("#everyone")).to_contain_text("404 or 410: 2.")
    expect(page.locator("[data-name='Expired'] dd")).to_have_text("3")


def test_the_page_fits_a_phone(emulator: EmulatorProcess, page: Page, vapid: Vapid) -> None:
    for number in range(6):
        send(subscribe(emulator, names=[f"a-rather-long-name-{number}"]), vapid, note("A" * 200, "B" * 900))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(emulator.url)
    expect(page.locator(".browser")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_every_behaviour_is_listed(emulator: EmulatorProcess, page: Page) -> None:
    page.goto(emulator.url)
    page.get_by_text("What an address can ask for").click()
    expect(page.locator("#behaviours dt", has_text="other-key")).to_be_visible()
    expect(page.locator("#behaviours dt", has_text="queue-full")).to_be_visible()


@pytest.mark.parametrize(
    ("plaintext", "shown"),
    [
        (b'{"v":1,"title":"T","body":"B","url":"/u","tag":"t"}', Notification("T", "B", "/u", "t")),
        (b'{"title":"T"}', Notification("T")),
        (b'{"web_push":8030,"notification":{"title":"T","navigate":"/n"}}', Notification("T", "", "/n")),
        (b'{"title":7,"other":1}', Notification(body='{"title":7,"other":1}')),
        (b"[1]", Notification(body="[1]")),
        (b"just text", Notification(body="just text")),
        (b"\xff", Notification(body="\ufffd")),
        (b"[" * 5000, Notification(body="[" * LONGEST)),
        (b"", Notification("No payload")),
        (None, Notification("Cannot be decrypted")),
    ],
)
def test_plaintext_is_read_generously(plaintext: bytes | None, shown: Notification) -> None:
    assert read(plaintext, "") == shown


def test_a_topic_goes_before_a_tag() -> None:
    assert read(b'{"title":"T","tag":"t"}', "topic").tag == "topic"


def test_the_same_tag_shows_once() -> None:
    browser = Browser(0, "/wpush/v2/ok.a", "ok.a", "ok")
    for title, tag in (("a", "x"), ("b", ""), ("c", "x"), ("d", "")):
        browser.take(("mozilla", Notification(title, tag=tag)))
    assert [note.title for note in browser.notes] == ["b", "c", "d"]
    assert browser.received == 4
