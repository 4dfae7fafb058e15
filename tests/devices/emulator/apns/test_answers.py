"""What a push must be like, and each reason that APNs gives for refusing one."""

from __future__ import annotations

import pytest

from devices.emulator.apns.answers import REASONS
from tests.devices.emulator.apns.sender import HELLO, Key, Sender, reason, token_of
from tests.emulator import EmulatorProcess

ID = "123e4567-e89b-12d3-a456-42665544000a"
APP = "org.example.demo"


def test_a_good_push_is_accepted_and_reaches_the_device(emulator: EmulatorProcess, sender: Sender) -> None:
    answer = sender.push("ok.phone-1", apns_id=ID)
    assert (answer.status, answer.body, answer.headers["apns-id"]) == (200, b"", ID)
    assert "apns-unique-id" not in answer.headers
    (message,) = emulator.control(f"apns/messages?token={token_of('ok.phone-1')}")["messages"]
    assert (message["payload"], message["apns_id"], message["topic"]) == (HELLO.decode(), ID, APP)
    assert "authorization" not in message["headers"]
    line = emulator.ledger()[-1]
    assert {name: line[name] for name in ("service", "id", "channel", "kind", "bytes", "behaviour", "answer", "taken")} == {
        "service": "apns", "id": ID, "channel": token_of("ok.phone-1"), "kind": "apns", "bytes": len(HELLO),
        "behaviour": "ok", "answer": "200", "taken": True,
    }  # fmt: skip


def test_an_id_is_made_for_a_push_without_one(emulator: EmulatorProcess, sender: Sender) -> None:
    first, second = (sender.push("ok.phone-1").headers["apns-id"] for _ in range(2))
    assert first != second
    assert len(first) == 36
    assert emulator.ledger()[-1]["id"] == ""
