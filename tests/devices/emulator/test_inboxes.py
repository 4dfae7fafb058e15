"""How much of what devices received is kept."""

from __future__ import annotations

import pytest

from devices.emulator import inboxes
from devices.emulator.bearers import Bearers
from devices.emulator.inboxes import Inboxes


def test_the_latest_of_each_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST_EACH", 2)
    inbox: Inboxes[int] = Inboxes()
    for number in range(4):
        inbox.put("a", number)
    assert inbox.of("a") == [2, 3]
    assert inbox.of("b") == []


def test_the_oldest_of_all_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST", 3)
    inbox: Inboxes[int] = Inboxes()
    for number in range(5):
        inbox.put(f"a{number % 2}", number)
    assert (inbox.of("a0"), inbox.of("a1")) == ([2, 4], [3])


def test_a_token_is_good_until_it_ends_or_is_revoked() -> None:
    bearers: Bearers[str] = Bearers()
    header = b"Bearer " + bearers.grant("shop", "shop", expires=100.0).encode()
    assert bearers.find(header, 99.9) == "shop"
    assert bearers.find(header.replace(b"Bearer", b"bEARER"), 0.0) == "shop"
    assert bearers.find(header, 100.0) is None
    assert bearers.find(header.replace(b"Bearer", b"Basic"), 0.0) is None
    assert bearers.find(b"", 0.0) is None
    assert (bearers.revoke(), bearers.find(header, 0.0)) == (1, None)


def test_tokens_that_were_given_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.emulator.bearers.MOST", 2)
    bearers: Bearers[str] = Bearers()
    headers = [b"Bearer " + bearers.grant(name, name, expires=1.0).encode() for name in "abc"]
    assert [bearers.find(header, 0.0) for header in headers] == [None, "b", "c"]
