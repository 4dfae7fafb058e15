"""What the service takes and what it answers with 400."""

from __future__ import annotations

import pytest

from devices.emulator.mpns.payloads import Checker, Content, Refused, check
from tests.devices.emulator.sender import RAW_HEADERS, TILE, TILE_HEADERS, TOAST, TOAST_HEADERS, dial, octets, push
from tests.emulator import EmulatorProcess

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'


def wrap(inside: str, attributes: str = "", namespace: str = "WPNotification", root: str = "Notification") -> bytes:
    return f'{DECLARATION}<wp:{root} xmlns:wp="{namespace}"{attributes}>{inside}</wp:{root}>'.encode()


GOOD = {
    "toast": (b"toast", b"2", TOAST),
    "toast, capital": (b"Toast", b"12", TOAST),
    "toast without a class": (b"toast", b"", TOAST),
    "toast, silent": (b"toast", b"2", wrap('<wp:Toast><wp:Text1>a</wp:Text1><wp:Sound Silent="true"/></wp:Toast>')),
    "toast, indented": (b"toast", b"22", wrap("\n <wp:Toast>\n <wp:Text1>a</wp:Text1>\n </wp:Toast>\n")),
    "tile": (b"token", b"1", TILE),
    "tile, secondary": (b"token", b"21", wrap('<wp:Tile Id="/a.xaml?x=1&amp;y=2"><wp:Count>1</wp:Count></wp:Tile>')),
    "flip": (b"token", b"1", wrap('<wp:Tile Template="FlipTile"><wp:WideBackContent>a</wp:WideBackContent></wp:Tile>')),
    "iconic": (b"token", b"1", wrap('<wp:Tile Template="IconicTile"><wp:WideContent1>a</wp:WideContent1></wp:Tile>')),
    "cycle": (b"token", b"1", wrap('<wp:Tile Template="CycleTile"><wp:CycleImage9>a</wp:CycleImage9></wp:Tile>')),
    "raw": (b"", b"3", b"\x00anything <at all"),
    "raw by name": (b"raw", b"23", b"{}"),
}
BAD = {
    "not XML": (b"toast", b"2", b"Hello", "not well-formed"),
    "nothing": (b"toast", b"2", b"", "not well-formed"),
    "not closed": (b"toast", b"2", TOAST[:-5], "not well-formed"),
    "not UTF-8": (b"toast", b"2", TOAST.replace(b"Hello", b"\xff\xfe"), "not well-formed"),
    "blank before the declaration": (b"toast", b"2", b" " + TOAST, "not well-formed"),
    "byte order mark": (b"toast", b"2", b"\xef\xbb\xbf" + TOAST, "byte order mark"),
    "bare ampersand": (b"toast", b"2", TOAST.replace(b"Hello", b"A&B"), "not well-formed"),
    "other root": (b"toast", b"2", wrap("<wp:Toast/>", root="Note"), "root is Note"),
    "other namespace": (b"toast", b"2", wrap("<wp:Toast/>", namespace="Other"), "namespace"),
    "value without namespace": (b"toast", b"2", wrap("<wp:Toast><Text1>a</Text1></wp:Toast>"), "namespace"),
    "tile as toast": (b"toast", b"2", TILE, "expected one Toast"),
    "toast as tile": (b"token", b"1", TOAST, "expected one Tile"),
    "two toasts": (b"toast", b"2", wrap("<wp:Toast/><wp:Toast/>"), "expected one Toast"),
    "no child": (b"toast", b"2", wrap(""), "empty"),
    "unknown element": (b"toast", b"2", wrap("<wp:Toast><wp:Text3>a</wp:Text3></wp:Toast>"), "unknown element Text3"),
    "twice": (b"token", b"1", wrap("<wp:Tile><wp:Count>1</wp:Count><wp:Count>2</wp:Count></wp:Tile>"), "twice"),
    "too deep": (b"toast", b"2", wrap("<wp:Toast><wp:Text1><wp:Text2/></wp:Text1></wp:Toast>"), "inside Text1"),
    "loose text": (b"toast", b"2", wrap("<wp:Toast>Hello</wp:Toast>"), "text between"),
    "unknown template": (b"token", b"1", wrap('<wp:Tile Template="BigTile"/>'), "template BigTile"),
    "icon on a standard tile": (b"token", b"1", wrap("<wp:Tile><wp:IconImage>a</wp:IconImage></wp:Tile>"), "IconImage"),
    "document type": (b"toast", b"2", TOAST.replace(b"?><wp", b"?><!DOCTYPE x><wp"), "document type"),
    "target tile": (b"tile", b"1", TILE, "unknown target"),
    "class of a tile": (b"toast", b"1", TOAST, "class 1 does not fit"),
    "class of a toast": (b"", b"2", b"{}", "class 2 does not fit"),
    "class 42": (b"toast", b"42", TOAST, "class 42"),
    "class in words": (b"toast", b"two", TOAST, "class two"),
    "class minus two": (b"toast", b"-2", TOAST, "class -2"),
}
BILLION_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]>'
    b'<wp:Notification xmlns:wp="WPNotification"><wp:Toast><wp:Text1>&c;</wp:Text1></wp:Toast></wp:Notification>'
)


@pytest.mark.parametrize("name", GOOD)
def test_good_payloads_are_taken(name: str) -> None:
    target, notification_class, body = GOOD[name]
    assert check(target, notification_class, body, strict=True).kind in {"toast", "tile", "raw"}


@pytest.mark.parametrize("name", BAD)
def test_bad_payloads_are_refused_with_the_reason(name: str) -> None:
    target, notification_class, body, why = BAD[name]
    with pytest.raises(Refused, match=why):
        check(target, notification_class, body, strict=True)


def test_a_phone_gets_the_values_as_typed() -> None:
    body = wrap(
        '<wp:Tile Id="/a?b=1&amp;c=2" Template="FlipTile"><wp:Title>&lt;b&gt; &amp;amp; "x" 你好 😀</wp:Title>'
        '<wp:BackTitle Action="Clear">ignored</wp:BackTitle></wp:Tile>',
        ' Version="2.0"',
    )
    assert check(b"token", b"11", body, strict=True) == Content(
        "tile", 450, {"Title": '<b> &amp; "x" 你好 😀'}, frozenset({"BackTitle"}), "FlipTile", "/a?b=1&c=2"
    )


def test_class_and_target_need_not_agree_when_told_so() -> None:
    assert check(b"toast", b"21", TOAST, strict=False).later == 900
    assert check(b"toast", b"99", TOAST, strict=False).later == 0


def test_the_checker_remembers_no_more_than_it_may() -> None:
    checker = Checker(most=10)
    for number in range(100):
        assert isinstance(checker(b"", b"", str(number).encode(), True), Content)
        assert isinstance(checker(b"toast", b"", str(number).encode(), True), Refused)
        assert len(checker._known) <= 10


def test_entities_are_refused_over_the_wire(emulator: EmulatorProcess) -> None:
    assert push(emulator.uri("ok.phone"), BILLION_LAUGHS).status == 400
    assert "document type" in emulator.control("state")["refusal_notes"][-1]["why"]


@pytest.mark.parametrize(("size", "status"), [(3072, 200), (3073, 400), (200_000, 400)])
def test_the_limit_counts_bytes(emulator: EmulatorProcess, size: int, status: int) -> None:
    body = "ä".encode() * (size // 2) + b"a" * (size % 2)
    assert push(emulator.uri("ok.phone"), body, RAW_HEADERS).status == status


def test_a_push_needs_its_length(emulator: EmulatorProcess) -> None:
    uri = emulator.uri("ok.phone")
    with dial(uri) as line:
        chunked = octets(uri, body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        line.sendall(chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(TOAST), TOAST))
        assert line.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_the_class_can_be_left_unchecked(emulator: EmulatorProcess) -> None:
    wrong = {**TOAST_HEADERS, "X-NotificationClass": "1"}
    assert push(emulator.uri("ok.phone"), headers=wrong).status == 400
    emulator.control("settings", {"strict_class": False})
    try:
        assert push(emulator.uri("ok.phone"), headers=wrong).status == 200
    finally:
        emulator.control("settings", {"strict_class": True})


def test_a_refused_push_is_shown_on_no_phone(emulator: EmulatorProcess) -> None:
    push(emulator.uri("ok.phone"), TILE, TILE_HEADERS)
    push(emulator.uri("ok.phone"), b"<broken", TILE_HEADERS)
    (phone,) = emulator.control("phones")["phones"]
    assert phone["received"] == 1
    assert phone["tiles"][""]["values"] == {"Count": "7", "Title": "Mail"}
