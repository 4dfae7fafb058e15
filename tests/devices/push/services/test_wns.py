"""WNS, held to docs/push-services/wns.md: what goes onto the wire, and what is brought to its door."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.push.adaptive import AdaptiveTile, Badge
from devices.push.base import AddressRefused, Request, Target
from devices.push.fields import MessageInvalid
from devices.push.message import Message, Raw, Toast
from devices.push.services import find
from devices.push.services.wns import Credentials, Options
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile
from tests.devices.push.services.hard import TEXTS

SERVICE = find("wns")
MESSAGE_ID = "01234567-89ab-8def-8123-456789abcdef"
CHANNEL = "https://db5p.notify.windows.com/?token=AwYAAABx%2fQ%2bz%3d%3d"
TARGET = Target(CHANNEL)
SID = "ms-app://s-1-15-2-1-2-3-4-5-6-7"
STORE = Credentials(SID, "secret")
EMULATOR = frozenset({"127.0.0.1:9100"})


def pushed(message: Message, options: Options | None = None, token: str = "bearer-1") -> Request:
    """Return what is sent to one channel."""
    return SERVICE.build(TARGET, SERVICE.encode(message, "", options), MESSAGE_ID, STORE, token)


def headers_of(message: Message, options: Options | None = None) -> dict[str, str]:
    """Return the headers that are sent; no name twice."""
    headers = pushed(message, options).all_headers
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return dict(headers)


def shown(message: Message, options: Options | None = None) -> ElementTree.Element:
    """Return the XML as a strict parser reads it: well-formed, UTF-8, without a DTD."""
    body = pushed(message, options).body
    parser = expat.ParserCreate("utf-8")
    parser.Parse(body, True)
    assert b"<!DOCTYPE" not in body
    return ElementTree.fromstring(body)


# Addresses


@pytest.mark.parametrize(
    "raw",
    [
        CHANNEL,
        *(
            f"https://{host}.notify.windows.com/?token=x"
            for host in ("db3", "sg2p", "cloud", "wns2-by3p", "wns2-par02p")
        ),
        "https://notify.windows.com/?token=x",
        "https://db5p.notify.windows.com/?token=" + "x" * 2000,
    ],
)
def test_a_channel_uri_is_kept_as_windows_gave_it(raw: str) -> None:
    assert SERVICE.clean_address(raw) == raw


@pytest.mark.threats(2)
@pytest.mark.parametrize(
    "raw",
    [
        CHANNEL.replace("db5p.notify.windows.com", "DB5P.Notify.WINDOWS.com"),
        CHANNEL.replace(".com/", ".com./"),
        CHANNEL.replace(".com/", ".com:443/"),
        CHANNEL.replace("https:", "HTTPS:"),
    ],
)
def test_what_means_the_same_is_kept_in_one_spelling(raw: str) -> None:
    assert SERVICE.clean_address(raw) == CHANNEL


HOSTS = [
    *("evil.example", "notify.windows.com.evil.example", "evilnotify.windows.com", "notify.windows.com.x"),
    *("windows.com", "com", "notify.windows", "notify.windows.comm", "notify-windows.com", "db5p_x.notify.windows.com"),
    *("notify.windows.com-evil.example", "db5p.notify.windows.com..", ".notify.windows.com", "-a.notify.windows.com"),
    *("a-.notify.windows.com", "db5p..notify.windows.com", "db5p .notify.windows.com", "db5p.notify.windows.com\t"),
    *("db5p。notify。windows。com", "ｄb5p.notify.windows.com", "db5p.notıfy.windows.com", "db5p.notify.wіndows.com"),
    *("xn--a.evil.example", "db5p%2enotify.windows.com", "evil.example%00.notify.windows.com", "evil.example\0.notify"),
    *("evil.example%23.notify.windows.com", "evil.example\\.notify.windows.com", "evil.example#.notify.windows.com"),
    *("user@db5p.notify.windows.com", "u:p@db5p.notify.windows.com", "db5p.notify.windows.com@evil.example"),
    *("db5p.notify.windows.com:8443", "db5p.notify.windows.com:80", "db5p.notify.windows.com:0"),
    *("db5p.notify.windows.com:", "db5p.notify.windows.com:443:443",
      "db5p.notify.windows.com:0443", "@db5p.notify.windows.com"),
    *("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "2130706433", "0x7f000001", "127.1", "0177.0.0.1"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::1%25lo]", "127.0.0.1.", "①②⑦.0.0.1", "127.0.0.1:9101", "127.0.0.1:09100", ""),
    *("db5p.notify.live.net", "login.live.com", "login.microsoftonline.com", "fcm.googleapis.com"),
]  # fmt: skip


@pytest.mark.threats(1, 2, 3, 5)
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_not_microsofts_is_refused(host: str) -> None:
    for scheme in ("https", "http"):
        with pytest.raises(AddressRefused):
            SERVICE.clean_address(f"{scheme}://{host}/?token=x", extra_hosts=EMULATOR)


@pytest.mark.threats(1, 3)
@pytest.mark.parametrize(
    "raw",
    [
        *("", " ", "nonsense", CHANNEL[6:], CHANNEL[8:], "https:" + CHANNEL[8:], CHANNEL.replace("https", "http")),
        *(CHANNEL.replace("https", "ftp"), CHANNEL.replace("https", "wss"), "file:///etc/passwd", "data:text/html,x"),
        *(f" {CHANNEL}", f"{CHANNEL} ", f"{CHANNEL}\n", f"\t{CHANNEL}", f"{CHANNEL}\r\nX-Evil: 1", f"{CHANNEL}\0"),
        *(f"{CHANNEL}#x", f"{CHANNEL}%zz", f"{CHANNEL}%", f"{CHANNEL}\\..", f"{CHANNEL}\u202e", f"{CHANNEL}é"),
        *(CHANNEL.replace("//", "/"), CHANNEL.replace("//", "///"), CHANNEL.replace("/", "\\"), f"{CHANNEL}<script>"),
        *(CHANNEL.replace("token", "tokens"), CHANNEL.replace("?token=", ""), CHANNEL.partition("=")[0], "https://"),
        *(CHANNEL.partition("=")[0] + "=", CHANNEL.replace("/?", "/w/?"), CHANNEL + "x" * 2048),
    ],
)  # fmt: skip
def test_a_spelling_that_parsers_read_differently_is_refused(raw: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        SERVICE.clean_address(raw, extra_hosts=EMULATOR)
    assert str(refusal.value).endswith(".")


@pytest.mark.threats(5)
def test_http_is_for_the_emulators_very_pair_alone() -> None:
    assert SERVICE.clean_address("http://127.0.0.1:9100/?token=x", extra_hosts=EMULATOR)
    with pytest.raises(AddressRefused):
        SERVICE.clean_address("http://127.0.0.1:9100/?token=x")


@pytest.mark.threats(2, 3)
@given(st.text(max_size=60))
def test_whatever_comes_is_refused_or_kept_for_good(raw: str) -> None:
    for spelled in (
        raw,
        f"https://{raw}.notify.windows.com/?token=x",
        f"https://db5p.notify.windows.com/{raw}?token=x",
    ):
        try:
            kept = SERVICE.clean_address(spelled)
        except AddressRefused:
            continue
        assert SERVICE.clean_address(kept) == kept
        assert SERVICE.build(Target(kept), SERVICE.encode(Raw(body="x"), ""), MESSAGE_ID, STORE, "t").url == kept


@pytest.mark.threats(11)
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/?token=x",
        "http://db5p.notify.windows.com/?token=x",
        "https://notify.windows.com.evil.example/?token=x",
        "https://evilnotify.windows.com/?token=x",
        "https://db5p.notify.windows.com@evil.example/?token=x",
        "https://db5p.notify.windows.com:8443/?token=x",
        "https://evil.example?https://db5p.notify.windows.com/",
        "https://evil.example#.notify.windows.com/",
        "https://127.0.0.1/?token=x",
        "http://127.0.0.1:9100/?token=x",
    ],
)
def test_our_token_is_shown_to_no_other_host(address: str) -> None:
    with pytest.raises(ValueError, match=r"notify\.windows\.com alone"):
        SERVICE.build(Target(address), SERVICE.encode(Toast(title="A"), ""), MESSAGE_ID, STORE, "bearer-1")


# What is sent


def test_the_headers_are_those_of_the_table() -> None:
    request = pushed(Toast(title="A"))
    assert (request.method, request.url, request.http2, request.authenticated) == ("POST", CHANNEL, False, True)
    assert dict(request.all_headers) == {
        "X-WNS-Type": "wns/toast",
        "X-WNS-RequestForStatus": "true",
        "X-WNS-TTL": "259200",
        "Content-Type": "text/xml",
        "Authorization": "Bearer bearer-1",
        "X-WNS-Tag": "8123456789abcdef",
    }


@pytest.mark.parametrize(
    ("message", "kind", "content"),
    [
        (Toast(title="A"), "wns/toast", "text/xml"),
        (Badge(count=1), "wns/badge", "text/xml"),
        (AdaptiveTile(title="A"), "wns/tile", "text/xml"),
        (StandardTile(title="A"), "wns/tile", "text/xml"),
        (FlipTile(title="A"), "wns/tile", "text/xml"),
        (IconicTile(title="A"), "wns/tile", "text/xml"),
        (CycleTile(title="A"), "wns/tile", "text/xml"),
        (Raw(body="A"), "wns/raw", "application/octet-stream"),
    ],
)
def test_each_kind_goes_with_its_type(message: Message, kind: str, content: str) -> None:
    headers = headers_of(message)
    assert (headers["X-WNS-Type"], headers["Content-Type"]) == (kind, content)
    assert headers["X-WNS-Tag"].isalnum()
    assert len(headers["X-WNS-Tag"]) == 16
    assert headers.get("X-WNS-Cache-Policy") == ("no-cache" if kind == "wns/raw" else None)
    assert message.slug in SERVICE.kinds


@pytest.mark.threats(38)
@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\nb", "a\0", "é"])
def test_our_token_with_a_line_end_is_no_header(token: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        pushed(Toast(title="A"), token=token)


def test_a_second_copy_takes_the_place_of_the_first() -> None:
    assert pushed(Toast(title="A")) == pushed(Toast(title="A"))
    other = SERVICE.build(TARGET, SERVICE.encode(Toast(title="A"), ""), MESSAGE_ID[:-1] + "0", STORE, "t")
    assert dict(other.all_headers)["X-WNS-Tag"] != headers_of(Toast(title="A"))["X-WNS-Tag"]


@pytest.mark.parametrize(("seconds", "ttl"), [(300_000, "259200"), (7200, "7200"), (60, "60"), (5, "60"), (-5, "60")])
def test_it_is_kept_no_longer_than_the_campaign_goes_on_and_a_minute_at_least(seconds: int, ttl: str) -> None:
    payload = SERVICE.kept_at_most(SERVICE.encode(Toast(title="A"), ""), seconds)
    assert dict(payload.headers)["X-WNS-TTL"] == ttl
    assert payload.body == SERVICE.encode(Toast(title="A"), "").body


def test_raw_is_sent_as_it_was_typed() -> None:
    for text in (*TEXTS, json.dumps({"a": "\ud800"})):
        assert pushed(Raw(body=text)).body == text.encode()
    assert headers_of(Raw(body="A"), Options(keep_raw=True))["X-WNS-Cache-Policy"] == "cache"


@pytest.mark.parametrize("count", [0, 7, 9999])
def test_a_badge_is_a_number_or_a_sign(count: int) -> None:
    assert shown(Badge(count=count)).attrib == {"value": str(count)}
    assert shown(Badge(glyph="newMessage")).attrib == {"value": "newMessage"}


@pytest.mark.threats(25)
@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_out_as_it_went_in(text: str) -> None:
    options = Options(attribution=text, button_1=text, button_1_opens=text)
    toast = shown(Toast(title=text, text=text), options)
    assert [line.text for line in toast.iter("text")] == [text, text, text]
    (action,) = toast.iter("action")
    assert (action.get("content"), action.get("arguments")) == (text, text)
    tile = shown(AdaptiveTile(title=text, line_1=text, name=text))
    assert {line.text for line in tile.iter("text")} == {text}
    assert tile[0].get("displayName") == text
    assert shown(StandardTile(back_content=text)).find(".//text").text == text  # type: ignore[union-attr]


@pytest.mark.threats(25)
def test_what_xml_cannot_carry_is_left_out() -> None:
    toast = shown(Toast(title="a\x00b\x0b\ud800\uffff\x1bc"), Options(attribution="a\x00b\ufffe"))
    assert [line.text for line in toast.iter("text")] == ["abc", "ab"]


@pytest.mark.parametrize("letter", ["x", "é", "😀", "&"])
def test_the_largest_message_fits_and_one_byte_more_does_not(letter: str) -> None:
    weight = len(SERVICE.encode(Toast(text=letter * 2), "").body) - len(SERVICE.encode(Toast(text=letter), "").body)
    room = 5000 - (len(SERVICE.encode(Toast(text="x"), "").body) - 1)
    largest = letter * (room // weight) + "x" * (room % weight)
    assert SERVICE.problems(Toast(text=largest)) == []
    assert len(pushed(Toast(text=largest)).body) == 5000
    assert [problem.level for problem in SERVICE.problems(Toast(text=largest + "x"))] == ["error"]
    assert SERVICE.problems(Raw(body="x" * 5000)) == []
    assert [problem.level for problem in SERVICE.problems(Raw(body="x" * 5001))] == ["error"]


@pytest.mark.parametrize(
    "message",
    [
        IconicTile(count=5),
        StandardTile(clear=frozenset({"title"})),
        StandardTile(count=0),
        FlipTile(small_background_image="isostore:/Shared/ShellContent/a.png"),
    ],
)
def test_a_tile_of_which_windows_shows_nothing_leaves_its_tile_as_it_is(message: Message) -> None:
    (problem,) = [one for one in SERVICE.problems(message) if "nothing" in one.sentence]
    assert problem.level == "warning"
    with pytest.raises(MessageInvalid, match="Windows can show nothing"):
        SERVICE.encode(message, "")


def test_a_sample_shows_nobody_who_we_are() -> None:
    (target,) = SERVICE.samples
    assert SERVICE.clean_address(target.address) == target.address
    request = SERVICE.build(target, SERVICE.encode(Toast(title="A"), ""), MESSAGE_ID, None)
    assert not request.authenticated
    assert "Authorization" not in dict(request.all_headers)


def test_what_fails_together_is_an_app() -> None:
    assert SERVICE.circuit(TARGET, STORE) == f"wns:{SID}"
    assert SERVICE.circuit(TARGET) == "wns"
    assert STORE.fingerprint == SID


def test_devices_are_told_what_they_will_not_show() -> None:
    def fields(message: Message) -> list[str]:
        return [note.field for note in SERVICE.notes(message, "")]

    assert fields(Toast(title="A")) == fields(Badge(count=1)) == []
    assert fields(AdaptiveTile(title="A")) == [""]
    assert fields(CycleTile(title="A", count=3)) == ["", "cycle_image_2", "count"]
    assert fields(StandardTile(title="A", tile_id="/x")) == ["", "tile_id"]
    assert fields(StandardTile(title="A", clear=frozenset({"count"}))) == ["", "tile_id"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"attribution": "x" * 1025}, "attribution"),
    ({"picture": "javascript:alert(1)"}, "picture"),
    ({"picture": "ms-appx://evil/x"}, "picture"),
    ({"hero": "data:image/png;base64,AA"}, "hero"),
    ({"logo": "file:///c:/x.png"}, "logo"),
    ({"button_1_opens": "/x"}, "button_1"),
    ({"button_2_opens": "/x"}, "button_2"),
    ({"button_1": "x" * 1025}, "button_1"),
    ({"sound": "Siren"}, "sound"),
    ({"scenario": "party", "button_1": "A"}, "scenario"),
    ({"scenario": "reminder"}, "button_1"),
    ({"kept": 0}, "kept"),
    ({"kept": "1 day"}, "kept"),
    ({"kept": True}, "kept"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_wrong_options_name_their_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Options(**wrong)
    assert [problem.field for problem in refusal.value.problems] == [field]
