"""What WNS takes and what it refuses, before any behaviour acts."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from tests.devices.emulator.sender import dial
from tests.devices.emulator.wns.sender import (
    BODIES,
    TOAST,
    channel,
    described,
    headers_of,
    messages,
    post,
    push,
    token_of,
)
from tests.emulator import EmulatorProcess

DAY = 86_400


def answered(line: socket.socket) -> bytes:
    """Return the status line of what comes."""
    with line:
        return line.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("kind", BODIES)
def test_every_kind_is_taken(emulator: EmulatorProcess, bearer: str, kind: str) -> None:
    url = channel(emulator, "ok.pc-1")
    answer = push(url, bearer, kind, X_WNS_Tag="c1", MS_CV="abc")
    assert described(answer) == (200, "received", None)
    assert answer.body == b""
    assert re.fullmatch(r"[0-9A-F]{16}", answer.headers["X-WNS-MSG-ID"])
    assert answer.headers["X-WNS-DEBUG-TRACE"]
    assert answer.headers["MS-CV"] == "abc.0"
    line = emulator.ledger()[-1]
    assert (line["service"], line["id"], line["channel"], line["kind"]) == ("wns", "c1", "/?token=ok.pc-1", kind)
    assert (line["answer"], line["taken"], line["behaviour"]) == ("200 received", True, "ok")
    (received,) = messages(emulator, url)
    assert (received["kind"], received["ignored"], received["body"]) == (kind, "", BODIES[kind].decode())
    assert "authorization" not in received["headers"]


def test_the_connection_is_told_to_who_asks(emulator: EmulatorProcess, bearer: str) -> None:
    url = channel(emulator, "ok.a")
    name = "X-WNS-DEVICECONNECTIONSTATUS"
    assert push(url, bearer, X_WNS_RequestForStatus="true").headers[name] == "connected"
    assert name not in push(url, bearer, X_WNS_RequestForStatus="false").headers
    assert name not in push(url, bearer).headers


def test_a_push_needs_an_access_token(emulator: EmulatorProcess, bearer: str) -> None:
    url = channel(emulator, "ok.a")
    for wrong in (None, "Bearer x", bearer, f"Bearer {bearer}x"):
        assert described(push(url, bearer, Authorization=wrong))[:2] == (401, "dropped")
    assert described(push(url, bearer, Authorization=f"bearer {bearer}"))[0] == 200


def test_a_channel_belongs_to_the_first_app_that_pushes(emulator: EmulatorProcess, bearer: str) -> None:
    url, other = channel(emulator, "ok.a"), token_of(emulator, "another")
    wrong = (403, "dropped", "Channel URL incompatible with caller app")
    assert described(push(url, bearer))[0] == 200
    assert described(push(url, other)) == wrong
    assert described(push(channel(emulator, "ok.b"), other))[0] == 200
    opened = emulator.control("wns/channels", {"app": "another", "names": ["early"], "behaviour": "ok"})["channels"]
    assert opened == [channel(emulator, "ok.early")]
    assert described(push(opened[0], bearer)) == wrong
    assert described(push(opened[0], other))[0] == 200


def test_a_channel_may_say_nothing_about_itself(emulator: EmulatorProcess, bearer: str) -> None:
    (url,) = emulator.control("wns/channels", {"app": "shop", "behaviour": "gone"})["channels"]
    assert "gone" not in url
    assert url.endswith("%2B%2F%3D%3D")
    assert described(push(url, bearer))[0] == 410
    assert described(push(url.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="), bearer))[0] == 410
    assert emulator.ledger()[-1]["channel"] == url.removeprefix(emulator.url)


@pytest.mark.parametrize(
    "wrong",
    [{"app": ""}, {"behaviour": "x"}, {"names": "a"}, {"names": [1]}, {"names": ["ä"]}, {"names": ["a"] * 5001}],
)
def test_what_makes_no_channel(emulator: EmulatorProcess, wrong: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        emulator.control("wns/channels", {"app": "shop", **wrong})


def test_a_channel_ends_after_thirty_days(emulator: EmulatorProcess, bearer: str) -> None:
    emulator.control("wns/settings", {"token_seconds": 100 * DAY})
    lasting, url = token_of(emulator), channel(emulator, "ok.a")
    assert push(url, lasting).status == 200
    emulator.control("clock", {"advance": 29 * DAY})
    assert push(url, lasting).status == 200
    emulator.control("clock", {"advance": DAY})
    assert described(push(url, lasting)) == (410, "dropped", "Revoked channel URL")
    emulator.control("wns/channels", {"app": "shop", "names": ["a"]})
    assert push(url, lasting).status == 200


@pytest.mark.parametrize("token", ["x", "ok", "ok.", "dance.a", "ok-1.a", "ok.a b", "", "ok.ä"])
def test_any_other_channel_is_unknown(emulator: EmulatorProcess, bearer: str, token: str) -> None:
    assert described(push(channel(emulator, token), bearer))[:2] == (404, "dropped")
    assert emulator.ledger()[-1]["taken"] is False


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_only_post_pushes(emulator: EmulatorProcess, bearer: str, method: str) -> None:
    answer = post(channel(emulator, "ok.a"), TOAST, headers_of("toast", bearer), method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("toast", {"X_WNS_Type": None}),
        ("toast", {"X_WNS_Type": "wns/banner"}),
        ("toast", {"X_WNS_Type": "toast"}),
        ("toast", {"Content_Type": None}),
        ("toast", {"Content_Type": "application/octet-stream"}),
        ("raw", {"Content_Type": "text/xml"}),
        ("badge", {"Content_Type": "application/xml"}),
        ("toast", {"X_WNS_Tag": "x" * 17}),
        ("toast", {"X_WNS_Tag": "a-b"}),
        ("toast", {"X_WNS_Group": "a b"}),
        ("toast", {"X_WNS_TTL": "soon"}),
        ("toast", {"X_WNS_TTL": "-1"}),
        ("toast", {"X_WNS_PRIORITY": "5"}),
        ("toast", {"X_WNS_PRIORITY": "high"}),
        ("tile", {"X_WNS_Cache_Policy": "always"}),
        ("toast", {"X_WNS_RequestForStatus": "yes"}),
        ("toast", {"X_WNS_SuppressPopup": "1"}),
        ("toast", {"X_WNS_Match": "type:wns/toast;all"}),
    ],
)
def test_wrong_headers_are_refused(
    emulator: EmulatorProcess, bearer: str, kind: str, headers: dict[str, str | None]
) -> None:
    status, word, why = described(push(channel(emulator, "ok.a"), bearer, kind, None, **headers))
    assert (status, word) == (400, "dropped")
    assert why
    assert emulator.control("state")["refusal_notes"] == [{"channel": "/?token=ok.a", "why": why}]


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("toast", {"Content_Type": "text/xml; charset=utf-8"}),
        ("toast", {"X_WNS_Tag": "x" * 16, "X_WNS_Group": "g"}),
        ("toast", {"X_WNS_Type": "WNS/Toast"}),
        ("tile", {"X_WNS_Cache_Policy": "No-Cache", "X_WNS_TTL": "600", "X_WNS_PRIORITY": "4"}),
        ("toast", {"X_WNS_SuppressPopup": "false"}),
    ],
)
def test_good_headers_are_taken(emulator: EmulatorProcess, bearer: str, kind: str, headers: dict[str, str]) -> None:
    assert described(push(channel(emulator, "ok.a"), bearer, kind, None, **headers)) == (200, "received", None)


def test_popups_are_suppressed_on_phones_only(emulator: EmulatorProcess, bearer: str) -> None:
    status, word, why = described(push(channel(emulator, "ok.a"), bearer, X_WNS_SuppressPopup="true"))
    assert (status, word) == (200, "dropped")
    assert why is not None
    assert "phone" in why


def test_bodies_have_a_length(emulator: EmulatorProcess, bearer: str) -> None:
    given = "".join(f"{name}: {value}\r\n" for name, value in headers_of("raw", bearer).items())
    for length, body in (("Transfer-Encoding: chunked\r\n", b"1\r\na\r\n0\r\n\r\n"), ("", b"")):
        line = dial(emulator.url)
        line.sendall(f"POST /?token=ok.a HTTP/1.1\r\nHost: x\r\n{given}{length}\r\n".encode() + body)
        assert answered(line) == b"HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize("kind", ["toast", "raw"])
def test_a_payload_has_at_most_5000_bytes(emulator: EmulatorProcess, bearer: str, kind: str) -> None:
    url = channel(emulator, "ok.a")
    fitting = b"<toast>" + b" " * (5000 - 15) + b"</toast>"
    assert described(push(url, bearer, kind, fitting))[0] == 200
    assert described(push(url, bearer, kind, fitting + b" "))[:2] == (413, "dropped")
    assert described(push(url, bearer, kind, b"x" * 100_000))[0] == 413


BROKEN = (
    b"",
    b"<toast>",
    b"no xml",
    b"<tile/>",
    b"<!DOCTYPE toast [<!ENTITY a 'b'>]><toast>&a;</toast>",
    b"<toast/>",
    b"\xff",
)


@pytest.mark.parametrize("body", BROKEN)
def test_nonsense_is_taken_and_ignored_by_the_client(emulator: EmulatorProcess, bearer: str, body: bytes) -> None:
    url = channel(emulator, "ok.a")
    assert described(push(url, bearer, "toast", body)) == (200, "received", None)
    (received,) = messages(emulator, url)
    assert received["ignored"]
    assert emulator.control("state")["wns"]["ignored"] == 1
    assert emulator.control("phones")["computers"] == []
    emulator.control("wns/settings", {"refuse_broken_xml": 1})
    assert described(push(url, bearer, "toast", body))[0] == 400
    assert described(push(url, bearer, "toast"))[0] == 200


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("7", "7"),
        ("0", ""),
        ("99", "99"),
        ("100", "99+"),
        ("none", ""),
        ("newMessage", "newMessage"),
        ("-1", None),
        ("smile", None),
        ("", None),
    ],
)
def test_a_badge_is_a_number_or_a_glyph(emulator: EmulatorProcess, bearer: str, value: str, shown: str | None) -> None:
    url = channel(emulator, "ok.a")
    push(url, bearer, "badge", f'<badge value="{value}"/>'.encode())
    (received,) = messages(emulator, url)
    assert bool(received["ignored"]) is (shown is None)
    assert received["shown"]["badge"] == (shown or "")


def test_a_toast_and_a_tile_are_read(emulator: EmulatorProcess, bearer: str) -> None:
    url = channel(emulator, "ok.a")
    push(url, bearer, "toast")
    push(url, bearer, "tile")
    toast, tile = (received["shown"] for received in messages(emulator, url))
    assert (toast["texts"], toast["attribution"], toast["buttons"]) == (
        ["Hello", "World"],
        "via Shop",
        ["Open", "Later"],
    )
    assert toast["images"] == ["https://img.example.org/a.jpg"]
    assert (tile["texts"], tile["branding"], tile["name"]) == (["Weather", "Sunny, 21 degrees"], "nameAndLogo", "Shop")
