"""Android phones on the wall, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from devices.emulator.fcm.androids import Android
from devices.emulator.fcm.messages import Message
from tests.devices.emulator.fcm.sender import send
from tests.devices.emulator.sender import push
from tests.devices.emulator.test_page import HOSTILE, browser_type_launch_args, complaints
from tests.emulator import EmulatorProcess

__all__ = ["browser_type_launch_args", "complaints"]  # fixtures


def test_a_phone_shows_what_android_would(
    emulator: EmulatorProcess, page: Page, complaints: list[str], bearer: str
) -> None:
    own = {
        "title": HOSTILE,
        "color": "#d81b60",
        "channel_id": HOSTILE,
        "notification_count": 3,
        "click_action": HOSTILE,
    }
    plain = {"title": "not this", "body": HOSTILE, "image": "https://img.example.org/a.jpg"}
    send(emulator, bearer, {"token": "ok.pixel-1", "notification": plain, "android": {"notification": own}})
    push(emulator.uri("ok.phone-1"))
    page.goto(emulator.url)
    phone = page.locator(".android")
    expect(phone).to_have_count(1)
    expect(page.locator(".phone")).to_have_count(1)
    expect(phone.locator("b")).to_have_text(HOSTILE)
    expect(phone.locator(".shade span")).to_have_text(HOSTILE)
    expect(phone.locator(".app")).to_have_text(f"{HOSTILE} · 3")
    expect(phone.locator(".picture")).to_have_text("picture: https://img.example.org/a.jpg")
    expect(phone.locator(".opens")).to_have_text(f"opens {HOSTILE}")
    expect(phone.locator(".caption strong")).to_have_text("pixel-1")
    assert (
        phone.locator("li li, .shade li").first.evaluate("note => note.style.getPropertyValue('--tint')") == "#d81b60"
    )
    expect(page.locator("[data-name='Accepted'] dd")).to_have_text("2")
    assert page.locator("img").count() == 0  # named, never fetched
    assert complaints == []


def test_a_message_without_notification_goes_to_the_app(emulator: EmulatorProcess, page: Page, bearer: str) -> None:
    send(emulator, bearer, {"token": "ok.pixel-1", "data": {"score": "2:1", "minute": "77"}})
    page.goto(emulator.url)
    expect(page.locator(".android .app")).to_have_text("handed to the app")
    expect(page.locator(".android .pairs")).to_have_text("score: 2:1, minute: 77")


def test_the_page_says_what_stands_out(emulator: EmulatorProcess, page: Page, bearer: str) -> None:
    send(emulator, bearer, {"token": "unregistered.pixel-1"})
    emulator.control("fcm/behaviour", {"everyone": "unavailable"})
    page.goto(emulator.url)
    expect(page.locator("#everyone")).to_contain_text("Every Android phone behaves as: unavailable.")
    expect(page.locator("[data-name='Expired'] dd")).to_have_text("1")
    page.get_by_text("What an address can ask for").click()
    expect(page.locator("#behaviours dt", has_text="sender-id-mismatch")).to_be_visible()


def test_the_page_fits_a_phone(emulator: EmulatorProcess, page: Page, bearer: str) -> None:
    for number in range(6):
        send(
            emulator,
            bearer,
            {"token": f"ok.{'a' * 60}-{number}", "notification": {"title": "A" * 200, "body": "B" * 900}},
        )
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(emulator.url)
    expect(page.locator(".android")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_same_tag_shows_once() -> None:
    phone = Android(0, "ok.a", "a", "ok")
    for title, tag in (("a", "x"), ("b", ""), ("c", "x"), ("d", ""), ("e", "")):
        notification = {"title": title, "tag": tag}
        phone.take(Message("token", "ok.a", {"android": {"notification": notification}}, validate_only=False))
    assert [note["title"] for note in phone.notes] == ["c", "d", "e"]
    assert phone.received == 5
