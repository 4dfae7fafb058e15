"""The control API: handing out channels, changing them, and who may ask."""

from __future__ import annotations

import json
import urllib.error

import pytest

from tests.devices.emulator.sender import Answer, push
from tests.emulator import EmulatorProcess

ACCEPTED = ("Received", "Connected", "Active")


def ask(emulator: EmulatorProcess, path: str, body: bytes, **headers: str) -> Answer:
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return push(f"{emulator.url}/emulator/{path}", body, given)


def test_a_channel_that_was_handed_out_exists(emulator: EmulatorProcess) -> None:
    uri = emulator.control("channels", {})["uri"]
    assert uri.startswith(emulator.url + "/throttledthirdparty/01.00/AAE")
    assert push(uri).words == ACCEPTED


def test_a_channel_can_be_handed_out_with_a_behaviour(emulator: EmulatorProcess) -> None:
    uri = emulator.control("channels", {"behaviour": "queue-full-1", "tier": "/u/1/bn1"})["uri"]
    assert "/u/1/bn1/AAE" in uri
    assert [push(uri).words[0] for _ in range(2)] == ["QueueFull", "Received"]


def test_a_new_channel_of_a_device_ends_its_former(emulator: EmulatorProcess) -> None:
    former = emulator.control("channels", {"device": "Ada's phone"})["uri"]
    assert push(former).status == 200
    newer = emulator.control("channels", {"device": "Ada's phone"})["uri"]
    assert push(former).words == ("Dropped", "Connected", "Expired")
    assert push(newer).words == ACCEPTED
    assert {phone["name"] for phone in emulator.control("phones")["phones"]} == {"Ada's phone"}


def test_a_channel_changes_while_running(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    assert push(uri).status == 200
    emulator.control("behaviour", {"channel": uri, "behaviour": "expired"})
    assert push(uri).status == 404


def test_the_whole_service_goes_down_and_comes_back(emulator: EmulatorProcess) -> None:
    uris = [emulator.uri("ok.one"), emulator.uri("expired.two")]
    emulator.control("behaviour", {"everyone": "unavailable"})
    assert [push(uri).status for uri in uris] == [503, 503]
    emulator.control("behaviour", {"everyone": None})
    assert [push(uri).status for uri in uris] == [200, 404]


def test_phones_that_are_away_read_what_waits_for_them(emulator: EmulatorProcess) -> None:
    uri = emulator.control("channels", {"behaviour": "temp-disconnected-2", "device": "Away"})["uri"]
    assert [push(uri).words[0] for _ in range(3)] == ["Received", "Received", "QueueFull"]
    assert emulator.control("read", {}) == {"phones": 1, "messages": 2}
    assert emulator.control("read", {}) == {"phones": 0, "messages": 0}
    (phone,) = [one for one in emulator.control("phones?since=0")["phones"] if one["name"] == "Away"]
    assert phone["received"] == 2
    assert push(uri).words[0] == "Received"  # and it is away again


def test_reset_forgets(emulator: EmulatorProcess) -> None:
    uri = emulator.control("channels", {})["uri"]
    push(uri)
    before = emulator.control("phones")["epoch"]
    emulator.control("reset", {})
    assert push(uri).status == 404
    state = emulator.control("state")
    assert (state["pushes"], state["answers"]) == (1, {"404 Dropped": 1})
    assert emulator.control("phones")["epoch"] != before


def test_counts_tell_answers_apart(emulator: EmulatorProcess) -> None:
    for channel in ("ok.a", "ok.b", "expired.a", "queue-full.a", "unavailable.a"):
        push(emulator.uri(channel))
    assert emulator.control("state")["answers"] == {
        "200 Received": 2, "404 Dropped": 1, "200 QueueFull": 1, "503": 1,
    }  # fmt: skip


def test_only_phones_that_changed_are_told_again(emulator: EmulatorProcess) -> None:
    push(emulator.uri("ok.a"))
    first = emulator.control("phones")
    push(emulator.uri("ok.b"))
    later = emulator.control(f"phones?since={first['seq']}")
    assert [phone["name"] for phone in later["phones"]] == ["ok.b"]
    assert emulator.control(f"phones?since={later['seq']}")["phones"] == []


@pytest.mark.parametrize(
    ("path", "wishes", "why"),
    [
        ("channels", {"behaviour": "dance"}, "no such behaviour: dance"),
        ("channels", {"tier": "/elsewhere"}, "no such kind of address"),
        ("channels", {"tier": 7}, "tier must be a text"),
        ("behaviour", {"channel": "/throttledthirdparty/01.00/AAEnobody", "behaviour": "ok"}, "no such channel"),
        ("behaviour", {"everyone": "dance"}, "no such behaviour: dance"),
        ("clock", {"advance": -1}, "seconds must lie"),
        ("clock", {"advance": float("nan")}, "seconds must lie"),
        ("clock", {"advance": "long"}, "advance must be a number"),
        ("settings", {"payload_limit": "big"}, "payload_limit must be of type int"),
        ("settings", {"payload_limit": -1}, "payload_limit must be of type int"),
        ("settings", {"spelling": "baroque"}, "spelling must be one of"),
        ("settings", {"latency": "20-10"}, "not a latency"),
        ("settings", {"colour": "red"}, "no such setting: colour"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_in_words(
    emulator: EmulatorProcess, path: str, wishes: dict[str, object], why: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        emulator.control(path, wishes)
    assert refused.value.code == 400
    assert why in json.load(refused.value)["error"]


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"[" * 3000])
def test_what_is_no_object_is_refused(emulator: EmulatorProcess, body: bytes) -> None:
    assert ask(emulator, "reset", body).status == 400


def test_a_form_on_a_foreign_page_cannot_steer(emulator: EmulatorProcess) -> None:
    assert ask(emulator, "behaviour", b'{"everyone": "unavailable"}', Content_Type="text/plain").status == 415
    assert push(emulator.uri("ok.phone")).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8100", "127.0.0.1.evil.example", ""])
def test_a_foreign_name_for_this_machine_is_refused(emulator: EmulatorProcess, host: str) -> None:
    assert ask(emulator, "reset", b"{}", Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8100", "127.0.0.1", "[::1]:8100"])
def test_every_local_name_is_served(emulator: EmulatorProcess, host: str) -> None:
    assert ask(emulator, "reset", b"{}", Host=host).status == 200


def test_there_is_nothing_else(emulator: EmulatorProcess) -> None:
    assert ask(emulator, "shutdown", b"{}").status == 404
    assert push(f"{emulator.url}/page/../server.py", method="GET").status == 404
