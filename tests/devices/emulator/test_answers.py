"""Every documented answer, as a sender sees it."""

from __future__ import annotations

import pytest

from tests.devices.emulator.sender import new_id, push
from tests.emulator import EmulatorProcess

NONE = (None, None, None)
DOCUMENTED = {
    1: (200, ("Received", "Connected", "Active")),
    2: (200, ("Received", "TempDisconnected", "Active")),
    3: (200, ("QueueFull", "Connected", "Active")),
    4: (200, ("QueueFull", "TempDisconnected", "Active")),
    5: (200, ("Suppressed", "Connected", "Active")),
    6: (200, ("Suppressed", "TempDisconnected", "Active")),
    7: (400, NONE),
    8: (401, NONE),
    9: (403, NONE),
    10: (404, ("Dropped", "Connected", "Expired")),
    11: (404, ("Dropped", "TempDisconnected", "Expired")),
    12: (404, ("Dropped", "Disconnected", "Expired")),
    13: (405, NONE),
    14: (406, ("Dropped", "Connected", "Active")),
    15: (406, ("Dropped", "TempDisconnected", "Active")),
    16: (412, ("Dropped", "Inactive", None)),
    17: (503, NONE),
    18: (502, NONE),
}


@pytest.mark.parametrize("row", DOCUMENTED)
def test_row_of_the_vendors_table(emulator: EmulatorProcess, row: int) -> None:
    message_id = new_id()
    answer = push(emulator.uri(f"row-{row}.phone"), message_id=message_id)
    assert (answer.status, answer.words) == DOCUMENTED[row]
    assert answer.headers["x-messageid"] == message_id
    assert answer.headers["content-length"] == "0"
    assert answer.headers["date"].endswith("GMT")
    assert answer.body == b""


def test_a_push_without_an_id_gets_the_zero_id(emulator: EmulatorProcess) -> None:
    answer = push(emulator.uri("ok.phone"))
    assert answer.headers["x-messageid"] == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("channel", ["AAEnobodyEverOpenedThis", "ok", "nonsense.phone", "status-99.phone"])
def test_a_channel_nobody_opened_has_expired(emulator: EmulatorProcess, channel: str) -> None:
    answer = push(emulator.uri(channel))
    assert (answer.status, answer.words) == DOCUMENTED[10]


@pytest.mark.parametrize("path", ["/throttledthirdparty/01.00/ok.phone", "/u/1/bn1/ok.phone"])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_only_post_is_a_push(emulator: EmulatorProcess, path: str, method: str) -> None:
    answer = push(emulator.url + path, method=method)
    assert (answer.status, answer.words) == DOCUMENTED[13]
    assert emulator.control("phones")["phones"] == []


def test_the_later_form_of_address_is_served_too(emulator: EmulatorProcess) -> None:
    answer = push(f"{emulator.url}/u/1/bn1/ok.phone?token=AAE")
    assert (answer.status, answer.words) == DOCUMENTED[1]


def test_an_authenticated_channel_refuses_a_push_without_certificate(emulator: EmulatorProcess) -> None:
    answer = push(f"{emulator.url}/unthrottledthirdparty/01.00/ok.phone")
    assert (answer.status, answer.words) == DOCUMENTED[9]


@pytest.mark.parametrize(
    ("spelling", "away", "unreachable"),
    [
        ("compact", ("Received", "TempDisconnected", "Active"), ("Dropped", "Inactive", None)),
        ("enum", ("Received", "TempDisconnected", "Active"), ("Dropped", "InActive", None)),
        ("documented-7", ("Received", "Temporarily Disconnected", "Active"), ("Dropped", "Inactive", None)),
        ("documented-8", ("Received", "Temp Disconnected", "Active"), ("Dropped", "Disconnected", None)),
        ("lower", ("received", "tempdisconnected", "active"), ("dropped", "inactive", None)),
    ],
)
def test_words_are_spelled_as_some_edition_spelled_them(
    emulator: EmulatorProcess, spelling: str, away: tuple[str, ...], unreachable: tuple[str, ...]
) -> None:
    emulator.control("settings", {"spelling": spelling})
    try:
        assert push(emulator.uri("temp-disconnected.phone")).words == away
        assert push(emulator.uri("inactive.phone")).words == unreachable
    finally:
        emulator.control("settings", {"spelling": "compact"})
