"""Quotas, the hourly rule, and the clock they go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.devices.emulator.sender import TOAST_HEADERS, push
from tests.emulator import EmulatorProcess

HOUR, DAY = 3600, 86_400
OVER_QUOTA = (406, ("Dropped", "Connected", "Active"))


@contextmanager
def setting(emulator: EmulatorProcess, name: str, value: object) -> Iterator[None]:
    before = emulator.control("state")["settings"][name]
    emulator.control("settings", {name: value})
    try:
        yield
    finally:
        emulator.control("settings", {name: before})


def statuses(uri: str, times: int) -> list[int]:
    return [push(uri).status for _ in range(times)]


def test_a_throttled_channel_takes_so_many_a_day(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with setting(emulator, "daily_quota", 3):
        assert statuses(uri, 3) == [200] * 3
        answer = push(uri)
        assert (answer.status, answer.words) == OVER_QUOTA
        assert push(emulator.uri("ok.other")).status == 200
        emulator.control("clock", {"advance": DAY})
        assert statuses(uri, 4) == [200, 200, 200, 406]


def test_the_quota_is_five_hundred_by_default(emulator: EmulatorProcess) -> None:
    assert emulator.control("state")["settings"]["daily_quota"] == 500


def test_a_phone_that_is_away_has_a_quota_too(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("temp-disconnected.phone")
    with setting(emulator, "daily_quota", 1):
        assert push(uri).status == 200
        answer = push(uri)
    assert (answer.status, answer.words) == (406, ("Dropped", "TempDisconnected", "Active"))


def test_refused_pushes_cost_no_quota(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("unavailable-3.phone")
    with setting(emulator, "daily_quota", 1):
        assert statuses(uri, 4) == [503, 503, 503, 200]


def test_too_many_a_second_are_throttled(emulator: EmulatorProcess) -> None:
    got = statuses(emulator.uri("rate-limit-1.phone"), 5)
    assert got[0] == 200
    assert 406 in got


def test_a_try_within_the_hour_is_flagged(emulator: EmulatorProcess) -> None:
    for channel in ("inactive.phone", "daily-limit-0.phone"):
        uri = emulator.uri(channel)
        before = emulator.control("state")["violations"]
        push(uri)
        emulator.control("clock", {"advance": HOUR + 1})
        push(uri)
        assert emulator.control("state")["violations"] == before
        emulator.control("clock", {"advance": HOUR - 60})
        push(uri)
        state = emulator.control("state")
        assert state["violations"] == before + 1
        note = state["violation_notes"][-1]
        assert note["channel"].endswith(channel)
        assert 0 < note["seconds_early"] <= 60


def test_a_violator_can_be_shut_out(emulator: EmulatorProcess) -> None:
    with setting(emulator, "block_violators", True):
        uri = emulator.uri("inactive.phone")
        assert statuses(uri, 2) == [412, 401]
        assert push(emulator.uri("ok.other")).status == 401
        emulator.control("reset", {})
        assert push(emulator.uri("ok.other")).status == 200


def test_the_queue_for_a_phone_that_is_away_has_an_end(emulator: EmulatorProcess) -> None:
    with setting(emulator, "queue_length", 2):
        words = [push(emulator.uri("temp-disconnected.phone")).words[0] for _ in range(3)]
    assert words == ["Received", "Received", "QueueFull"]


def test_delayed_classes_reach_the_phone_later(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    assert push(uri, headers={**TOAST_HEADERS, "X-NotificationClass": "12"}).status == 200
    shown = emulator.control("phones")
    assert (shown["phones"], shown["held_back"]) == ([], 1)
    emulator.control("clock", {"advance": 440})
    assert emulator.control("phones")["phones"] == []
    emulator.control("clock", {"advance": 11})
    (phone,) = emulator.control("phones")["phones"]
    assert phone["toasts"] == [{"Text1": "Hello", "Text2": "World"}]
