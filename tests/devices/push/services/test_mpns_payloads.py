"""MPNS: the bytes a message becomes, per class of devices, read back by a parser that is not ours."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.push.fields import MessageInvalid
from devices.push.message import MESSAGES, Message, Raw, Toast
from devices.push.services import find
from devices.push.services.mpns import VARIANTS, Options
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile

MPNS = find("mpns")
NEWEST = "8.0 Update 3"
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
# Characters that may not stand in XML 1.0; and line ends, which every parser must turn into "\n" (section 2.11).
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml(message: Message, variant: str = NEWEST, options: Options | None = None) -> str:
    """Return the payload without its declaration."""
    text = MPNS.encode(message, variant, options).body.decode()
    assert text.startswith(DECLARATION)
    return text.removeprefix(DECLARATION)


def header(message: Message, name: str, options: Options | None = None) -> str | None:
    """Return a header of the payload; None when it is not there."""
    return dict(MPNS.encode(message, NEWEST, options).headers).get(name)


def test_a_toast_as_microsoft_wrote_it() -> None:
    toast = Toast(title="Title", text="Body")
    assert xml(toast, options=Options(page="/Details.xaml?id=42&src=push", silent=True)) == (
        '<wp:Notification xmlns:wp="WPNotification"><wp:Toast><wp:Text1>Title</wp:Text1><wp:Text2>Body</wp:Text2>'
        '<wp:Param>/Details.xaml?id=42&amp;src=push</wp:Param><wp:Sound Silent="true"></wp:Sound>'
        "</wp:Toast></wp:Notification>"
    )
    assert "<wp:Sound>Audio/a.mp3</wp:Sound>" in xml(Toast(title="x"), options=Options(sound="Audio/a.mp3"))


def test_a_standard_tile_as_microsoft_wrote_it() -> None:
    tile = StandardTile(
        background_image="http://img.example.org/front.png",
        count=7,
        title="Front",
        back_background_image="/Images/back.png",
        back_title="Back",
        clear=frozenset({"back_content"}),
        tile_id="/Second.xaml?ID=2&x=1",
    )
    assert xml(tile) == (
        '<wp:Notification xmlns:wp="WPNotification"><wp:Tile Id="/Second.xaml?ID=2&amp;x=1">'
        "<wp:BackgroundImage>http://img.example.org/front.png</wp:BackgroundImage><wp:Count>7</wp:Count>"
        "<wp:Title>Front</wp:Title><wp:BackBackgroundImage>/Images/back.png</wp:BackBackgroundImage>"
        '<wp:BackTitle>Back</wp:BackTitle><wp:BackContent Action="Clear"></wp:BackContent>'
        "</wp:Tile></wp:Notification>"
    )


TILES: list[tuple[Message, str, str]] = [
    (
        FlipTile(clear=frozenset(one.name for one in FlipTile.form_fields() if one.clearable)),
        "FlipTile",
        """SmallBackgroundImage WideBackgroundImage WideBackBackgroundImage WideBackContent BackgroundImage Count Title
        BackBackgroundImage BackTitle BackContent""",
    ),
    (
        IconicTile(clear=frozenset(one.name for one in IconicTile.form_fields() if one.clearable)),
        "IconicTile",
        "SmallIconImage IconImage WideContent1 WideContent2 WideContent3 Count Title BackgroundColor",
    ),
    (
        CycleTile(clear=frozenset(one.name for one in CycleTile.form_fields() if one.clearable)),
        "CycleTile",
        """SmallBackgroundImage CycleImage1 CycleImage2 CycleImage3 CycleImage4 CycleImage5 CycleImage6 CycleImage7
        CycleImage8 CycleImage9 Count Title""",
    ),
]


@pytest.mark.parametrize(("tile", "template", "elements"), TILES, ids=[name for _, name, _ in TILES])
def test_the_tiles_of_windows_phone_8_in_the_order_of_the_samples(tile: Message, template: str, elements: str) -> None:
    root = ElementTree.fromstring(xml(tile))
    assert (root.tag, root.attrib) == ("{WPNotification}Notification", {"Version": "2.0"})
    (inner,) = root
    assert (inner.tag, inner.attrib) == ("{WPNotification}Tile", {"Template": template})
    assert [child.tag.removeprefix("{WPNotification}") for child in inner] == elements.split()
    assert all(child.attrib == {"Action": "Clear"} for child in inner)


def test_nothing_is_sent_of_what_was_left_empty() -> None:
    (tile,) = ElementTree.fromstring(xml(IconicTile(count=0)))
    assert [(child.tag, child.text) for child in tile] == [("{WPNotification}Count", "0")]


def test_raw_is_sent_as_it_is() -> None:
    assert MPNS.encode(Raw(body='{"ü": "🎉"}'), "8.0").body == '{"ü": "🎉"}'.encode()


@pytest.mark.parametrize("delay", [0, 450, 900])
@pytest.mark.parametrize(
    ("slug", "fields", "target", "base"),
    [
        ("toast", {"title": "x"}, "toast", 2),
        ("standard_tile", {"title": "x"}, "token", 1),
        ("flip_tile", {"title": "x"}, "token", 1),
        ("raw", {"body": "x"}, None, 3),
    ],
)
def test_all_nine_delivery_classes(
    slug: str, fields: dict[str, Any], target: str | None, base: int, delay: int
) -> None:
    message = Message.from_fields(slug, fields)
    assert header(message, "X-WindowsPhone-Target") == target
    assert header(message, "X-NotificationClass", Options(delay=delay)) == str(base + {0: 0, 450: 10, 900: 20}[delay])
    assert header(message, "Content-Type") == "text/xml"


# --- what older phones get ---


def test_a_toast_has_only_what_the_phone_knows() -> None:
    toast, own = Toast(title="x"), Options(page="/P.xaml", sound="a.mp3")
    parts = {name: [child.tag[16:] for child in ElementTree.fromstring(xml(toast, name, own))[0]] for name in VARIANTS}
    page = ["Text1", "Text2", "Param"]
    assert parts == {"7.0": page[:2], "7.1": page, "7.8": page, "8.0": page, NEWEST: [*page, "Sound"]}
    assert {name for name in VARIANTS if MPNS.notes(toast, name, own)} == {"7.0", "7.1", "7.8", "8.0"}
    assert [note.field for note in MPNS.notes(toast, "7.0", own)] == ["page", "sound"]
    assert not any(MPNS.notes(Toast(title="x"), name) for name in VARIANTS)


def test_what_opens_on_tap_is_a_page_of_the_app_or_the_page_of_the_options() -> None:
    assert "<wp:Param>/P.xaml</wp:Param>" in xml(Toast(title="x", link="/P.xaml"))
    assert "<wp:Param>/Q.xaml</wp:Param>" in xml(Toast(title="x", link="/P.xaml"), options=Options(page="/Q.xaml"))
    website = Toast(title="x", link="https://shop.example.org/")
    assert "Param" not in xml(website)
    assert [note.field for note in MPNS.notes(website, NEWEST)] == ["link"]
    (error,) = MPNS.problems(Toast(title="x", link="/P.xaml?a=" + "b" * 247))
    assert (error.field, error.level) == ("link", "error")


def test_windows_phone_7_has_no_back_side() -> None:
    tile = StandardTile(title="x", back_title="y", clear=frozenset({"count", "back_content"}))
    assert "Back" not in xml(tile, "7.0")
    assert "Action" not in xml(tile, "7.0")
    assert "BackTitle" in xml(tile, "7.1")
    assert [note.level for note in MPNS.notes(tile, "7.0")] == ["warning"]
    assert MPNS.notes(tile, "7.1") == []


@pytest.mark.parametrize(
    "tile",
    [
        StandardTile(title="x", tile_id="/Two.xaml"),
        StandardTile(back_title="x"),
        StandardTile(clear=frozenset({"title"})),
    ],
    ids=["would hit another tile", "back only", "clears only"],
)
def test_windows_phone_7_is_not_sent_what_it_cannot_show(tile: StandardTile) -> None:
    with pytest.raises(MessageInvalid, match=r"Windows Phone 7\.0"):
        MPNS.encode(tile, "7.0")
    assert len(MPNS.notes(tile, "7.0")) == 1
    assert MPNS.problems(tile) == []
    assert MPNS.encode(tile, "7.1").body


@pytest.mark.parametrize("slug", ["flip_tile", "iconic_tile", "cycle_tile"])
def test_new_tiles_on_old_phones_are_noted(slug: str) -> None:
    tile = Message.from_fields(slug, {"title": "x"})
    assert {name for name in VARIANTS if MPNS.notes(tile, name)} == {"7.0", "7.1"}


# --- what is wrong with a message here ---


def test_the_size_is_told_in_bytes() -> None:
    assert MPNS.problems(Raw(body="a" * 1024)) == []
    (warning,) = MPNS.problems(Raw(body="a" * 1025))
    assert (warning.level, "1025 bytes" in warning.sentence) == ("warning", True)
    assert [problem.level for problem in MPNS.problems(Raw(body="a" * 3072))] == ["warning"]
    (error,) = MPNS.problems(Raw(body="ü" * 1537))
    assert (error.level, "3074 bytes" in error.sentence) == ("error", True)


def test_pictures_from_the_web_on_a_cycle_tile_are_warned_about() -> None:
    assert [problem.level for problem in MPNS.problems(CycleTile(cycle_image_9="http://a.example/x.png"))] == [
        "warning"
    ]
    assert MPNS.problems(CycleTile(cycle_image_9="/x.png", small_background_image="http://a.example/x.png")) == []


def test_every_message_there_is_can_be_carried() -> None:
    assert MPNS.kinds <= set(MESSAGES)
    assert {"toast", "standard_tile", "flip_tile", "iconic_tile", "cycle_tile", "raw"} == MPNS.kinds


# --- no text gets out of its element ---

EVIL = [
    *("]]>", "<![CDATA[x]]>", '"/><x>', "</wp:Text1><wp:Text1>", "&amp;", "&#0;", "&x;", "<!--"),
    *("<?xml?>", "\x0b", "\x00"),
    *("\ud800", "\ud83d\ude00", "🎉👩‍👩‍👧", "שלום \u202e abc", "e\u0301", "\ufeff", "\x85\u2028"),
    *("\t\r\n\r", "'\"", "\x7f"),
]  # fmt: skip


def read_back(text: str) -> str:
    """Return what a parser makes of ``text``: without what is illegal, line ends as one."""
    return ILLEGAL.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.threats(25)
@pytest.mark.parametrize("evil", EVIL)
def test_hostile_text_stays_text(evil: str) -> None:
    toast, own = Toast(title=f"x{evil}", text=evil), Options(page=f"/x?{evil}")
    inner = ElementTree.fromstring(MPNS.encode(toast, "7.1", own).body)[0]
    assert [child.tag[16:] for child in inner] == ["Text1", "Text2", "Param"]
    assert [child.text or "" for child in inner] == [read_back(t) for t in (f"x{evil}", evil, f"/x?{evil}")]


@pytest.mark.threats(25, 35)
@given(st.text(), st.text(min_size=1))
@example("]]>", "\ud800")
def test_any_text_comes_out_as_it_went_in(title: str, text: str) -> None:
    try:
        toast = Toast(title=title, text=text)
    except MessageInvalid:
        assert read_back(title + text) == ""
        return
    inner = ElementTree.fromstring(MPNS.encode(toast, NEWEST).body)[0]
    assert [child.text or "" for child in inner] == [read_back(title), read_back(text)]


@pytest.mark.threats(25)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_secondary_tile_keeps_its_id(name: str) -> None:
    root = ElementTree.fromstring(MPNS.encode(FlipTile(title="x", tile_id=f"/{name}"), NEWEST).body)
    assert root[0].attrib["Id"] == ILLEGAL.sub("", f"/{name}")
