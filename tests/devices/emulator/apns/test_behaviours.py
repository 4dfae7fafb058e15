"""What a device token can ask for: each behaviour, as a sender meets it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from h2.errors import ErrorCodes

from devices.emulator.apns.behaviours import BEHAVIOURS, plan
from tests.devices.emulator.apns.sender import Sender, reason, token_of
from tests.devices.emulator.apns.test_answers import line
from tests.emulator import EmulatorProcess

# Behaviours whose pushes are answered in words, the connection goes on, and nothing is taken but with 200.
ANSWERED: dict[str, tuple[int, str]] = {
    "ok": (200, ""),
    "bad-device-token": (400, "BadDeviceToken"),
    "not-for-topic": (400, "DeviceTokenNotForTopic"),
    "unregistered": (410, "Unregistered"),
    "expired-token": (410, "ExpiredToken"),
    "too-many-requests": (429, "TooManyRequests"),
    "too-many-updates": (429, "TooManyProviderTokenUpdates"),
    "forbidden": (403, "Forbidden"),
    "invalid-token": (403, "InvalidProviderToken"),
    "expired-provider-token": (403, "ExpiredProviderToken"),
    "bad-certificate": (403, "BadCertificate"),
    "topic-disallowed": (400, "TopicDisallowed"),
    "bad-topic": (400, "BadTopic"),
    "reason-BadCertificateEnvironment": (403, "BadCertificateEnvironment"),
    "status-418": (418, ""),
    "redirect": (307, ""),
    "internal": (500, "InternalServerError"),
    "unavailable": (503, "ServiceUnavailable"),
    "slow-1": (200, ""),
    "no-ping-ack": (200, ""),
}
# Those that end their stream in another way: the code of RST_STREAM, and whether the message is taken.
RESET: dict[str, tuple[int, bool]] = {
    "refused": (ErrorCodes.REFUSED_STREAM, False),
    "rst": (ErrorCodes.INTERNAL_ERROR, True),
}
ELSEWHERE = ("shutdown", "idle-timeout", "goaway", "reset", "reset-after", "hang", "garbage")  # see below
TIMES = ("too-many-requests", "too-many-updates", "expired-provider-token", "internal", "unavailable", "refused")


def test_every_behaviour_is_tried_here() -> None:
    tried = {known.name for name in (*ANSWERED, *RESET, *ELSEWHERE) if (known := plan(name))}
    names = {row.name for row in BEHAVIOURS}
    assert {next(n for n in sorted(names, key=len, reverse=True) if name.startswith(n)) for name in tried} == names


@pytest.mark.parametrize("behaviour", ANSWERED)
def test_a_behaviour_answers(emulator: EmulatorProcess, sender: Sender, behaviour: str) -> None:
    answer = sender.push(f"{behaviour}.phone")
    status, wanted = ANSWERED[behaviour]
    assert reason(answer) == (status, wanted)
    assert sender.push("ok.other").status == 200
    (told, _) = emulator.ledger()[-2:]
    assert told["behaviour"] == behaviour
    assert (told["answer"], told["taken"]) == (f"{status} {wanted}".strip(), status == 200)
    received = emulator.control(f"apns/messages?token={token_of(f'{behaviour}.phone')}")["messages"]
    assert len(received) == (status == 200)


@pytest.mark.parametrize("behaviour", RESET)
def test_a_behaviour_resets_its_stream(emulator: EmulatorProcess, sender: Sender, behaviour: str) -> None:
    code, taken = RESET[behaviour]
    assert sender.push(f"{behaviour}.phone").reset == code
    assert (line(emulator)["answer"], line(emulator)["taken"]) == ("", taken)
    assert sender.push("ok.phone").status == 200


@pytest.mark.parametrize("behaviour", TIMES)
def test_a_behaviour_is_over_after_some_times(sender: Sender, behaviour: str) -> None:
    assert [sender.push(f"{behaviour}-2.phone").status == 200 for _ in range(4)] == [False, False, True, True]
    assert [sender.push(f"{behaviour}.phone").status == 200 for _ in range(4)] == [False] * 4


@pytest.mark.parametrize(
    ("behaviour", "ago"), [("unregistered", 0), ("unregistered-0", 0), ("unregistered-86400", 86_400)]
)
def test_a_device_says_since_when_it_is_gone(sender: Sender, behaviour: str, ago: int) -> None:
    before = time.time()
    told = json.loads(sender.push(f"{behaviour}.phone").body)
    assert before * 1000 - 1 <= told["timestamp"] + ago * 1000 <= time.time() * 1000


def test_a_redirect_leads_to_the_trap(sender: Sender) -> None:
    assert sender.push("redirect.phone").headers["location"] == "/emulator/trap"


def test_a_slow_device_takes_its_time(sender: Sender) -> None:
    began = time.monotonic()
    slow, quick = sender.begin("slow-300.phone"), sender.begin("ok.phone")
    assert sender.answer(quick).status == 200
    assert not sender.answers[slow].over
    assert sender.answer(slow).status == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("behaviour", "wanted"), [("shutdown", (503, "Shutdown")), ("idle-timeout", (400, "IdleTimeout"))]
)
def test_the_service_leaves_after_its_answer(
    emulator: EmulatorProcess, sender: Sender, behaviour: str, wanted: tuple[int, str]
) -> None:
    older = sender.begin("slow-200.phone")
    stream = sender.begin(f"{behaviour}.phone")
    sender.end()
    assert reason(sender.answers[stream]) == wanted
    assert sender.answers[older].status == 200
    assert sender.went is not None
    assert (sender.went.last_stream_id, sender.went.error_code) == (stream, ErrorCodes.NO_ERROR)
    assert sender.closed
    assert (line(emulator)["answer"], line(emulator)["taken"]) == (f"{wanted[0]} {wanted[1]}", False)


def test_a_shutdown_is_over_after_some_times(emulator: EmulatorProcess, sender: Sender) -> None:
    assert sender.push("shutdown-1.phone").status == 503
    sender.end()
    with Sender(emulator, sender.key) as again:
        again.token = sender.token
        assert again.push("shutdown-1.phone").status == 200


def test_the_service_leaves_in_the_midst(emulator: EmulatorProcess, sender: Sender) -> None:
    """Streams up to the last one of GOAWAY are answered; what is above it was not taken, and may be sent again."""
    streams = [sender.begin(f"{behaviour}.phone", now=None) for behaviour in ("slow-200", "ok", "goaway-1", "ok", "ok")]
    sender.end()
    assert sender.went is not None
    assert (sender.went.last_stream_id, sender.went.error_code) == (streams[1], ErrorCodes.NO_ERROR)
    assert [sender.answers[stream].status for stream in streams] == [200, 200, 0, 0, 0]
    assert [told["taken"] for told in emulator.ledger()[-3:]] == [True, True, False]
    with Sender(emulator, sender.key) as again:
        again.token = sender.token
        assert again.push("goaway-1.phone").status == 200


@pytest.mark.parametrize(("behaviour", "taken"), [("reset", False), ("reset-after", True)])
def test_the_connection_breaks(emulator: EmulatorProcess, sender: Sender, behaviour: str, taken: bool) -> None:
    stream = sender.begin(f"{behaviour}.phone")
    sender.end()
    assert isinstance(sender.broken, OSError)
    assert not sender.answers[stream].over
    assert (line(emulator)["answer"], line(emulator)["taken"]) == ("", taken)


def test_a_device_that_hangs_is_never_answered(emulator: EmulatorProcess, sender: Sender) -> None:
    stream = sender.begin("hang.phone")
    assert sender.push("ok.phone").status == 200
    sender.listen(0.3)
    assert not sender.answers[stream].over
    assert emulator.ledger()[-2]["taken"] is True


def test_garbage_is_no_answer(emulator: EmulatorProcess, sender: Sender) -> None:
    answer = sender.push("garbage.phone")
    assert answer.status == 0
    assert (line(emulator)["answer"], line(emulator)["taken"]) == ("", True)


def test_a_connection_stops_acknowledging_pings(sender: Sender) -> None:
    sender.push("ok.phone")
    sender.frames.ping(b"12345678")
    sender.flush()
    sender.until(lambda: sender.pongs == 1)
    assert sender.push("no-ping-ack.phone").status == 200
    sender.frames.ping(b"12345678")
    assert sender.push("ok.phone").status == 200  # nothing else has changed
    sender.listen(0.2)
    assert sender.pongs == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        "reason",
        "reason-Nonsense",
        "status",
        "status-100",
        "status-600",
        "ok-1",
        "unregistered-x",
        "internal-x",
        "rst-1",
    ],
)
def test_what_makes_no_sense_is_no_behaviour(sender: Sender, behaviour: str) -> None:
    assert reason(sender.push(f"{behaviour}.phone")) == (400, "BadDeviceToken")


def test_a_behaviour_is_changed(emulator: EmulatorProcess, sender: Sender) -> None:
    token = token_of("ok.phone")
    changed: dict[str, Any] = {"token": token, "behaviour": "internal-1"}
    assert emulator.control("apns/behaviour", changed) == changed
    assert [sender.push("ok.phone").status for _ in range(2)] == [500, 200]
    assert emulator.control("apns/behaviour", {"everyone": "unavailable"}) == {"everyone": "unavailable"}
    assert emulator.control("state")["apns"]["everyone"] == "unavailable"
    assert {sender.push(f"ok.{name}").status for name in "abc"} == {503}
    assert emulator.control("apns/behaviour", {"everyone": None}) == {"everyone": None}
    assert sender.push("ok.phone").status == 200


def test_pushes_to_the_dead_are_counted(emulator: EmulatorProcess, sender: Sender) -> None:
    for _ in range(3):
        sender.push("unregistered.phone")
    sender.push("bad-device-token.phone")
    assert emulator.control("state")["apns"]["dead_attempts"] == 2
    emulator.control("apns/behaviour", {"token": token_of("unregistered.phone"), "behaviour": "ok"})
    sender.push("unregistered.phone")
    assert emulator.control("state")["apns"]["dead_attempts"] == 2
