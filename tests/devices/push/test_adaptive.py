"""Adaptive tiles and badges: what is one, and how it looks in the composer."""

from __future__ import annotations

from typing import Any

import pytest

from devices.push.adaptive import BRANDING, GLYPHS, AdaptiveTile, Badge
from devices.push.fields import MessageInvalid
from devices.push.message import Face, Message
from devices.push.services import find


def fields_of(refusal: pytest.ExceptionInfo[MessageInvalid]) -> list[str]:
    return [problem.field for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 9999},
        {"count": "42"},
        *({"glyph": glyph} for glyph, _ in GLYPHS if glyph),
    ],
)
def test_a_badge_is_a_number_or_a_sign_and_is_kept_as_such(fields: dict[str, Any]) -> None:
    made = Message.from_fields("badge", fields)
    assert Message.from_fields("badge", made.to_fields()) == made


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "count"),
        ({"count": ""}, "count"),
        ({"count": 10_000}, "count"),
        ({"count": -1}, "count"),
        ({"count": True}, "count"),
        ({"count": 1.5}, "count"),
        ({"count": "many"}, "count"),
        ({"count": "９"}, "count"),
        ({"count": 1, "glyph": "alert"}, "glyph"),
        ({"count": 0, "glyph": "alert"}, "glyph"),
        ({"glyph": "skull"}, "glyph"),
        ({"glyph": "alert\n"}, "glyph"),
    ],
)
def test_what_is_no_badge_names_its_field(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Message.from_fields("badge", fields)
    assert fields_of(refusal) == [wrong]


def test_a_badge_stands_on_an_icon() -> None:
    assert Badge(count=7).faces() == [Face("Icon", "small", count=7)]
    assert Badge(glyph="newMessage").faces() == [Face("Icon", "small", "new message")]


def test_the_signs_are_those_of_windows() -> None:
    """Microsoft, "Badge notifications"; ``none`` is what 0 does."""
    signs = "activity alarm alert attention available away busy error newMessage paused playing unavailable"
    assert [glyph for glyph, _ in GLYPHS] == ["", *signs.split()]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "title"),
        ({"name": "Shop"}, "title"),
        ({"title": "\x00"}, "title"),
        ({"picture": "file:///c:/x.png"}, "picture"),
        ({"picture": "javascript:alert(1)"}, "picture"),
        ({"picture": "ms-appx://evil/x"}, "picture"),
        ({"picture": "//evil.example/x.png"}, "picture"),
        ({"title": "A", "branding": "loud"}, "branding"),
        ({"title": "A", "branding": ""}, ""),
    ],
)
def test_what_is_no_tile_names_its_field(fields: dict[str, Any], wrong: str) -> None:
    if not wrong:  # what is left empty stands at its default
        made = Message.from_fields("adaptive_tile", {name: value for name, value in fields.items() if value})
        assert made == AdaptiveTile(title="A")
        return
    with pytest.raises(MessageInvalid) as refusal:
        Message.from_fields("adaptive_tile", fields)
    assert fields_of(refusal) == [wrong]


@pytest.mark.parametrize(
    "picture", ["https://a.example/p.png", "http://a.example/p", "ms-appx:///p", "ms-appdata:///p"]
)
def test_a_picture_is_on_the_web_or_in_the_app(picture: str) -> None:
    assert AdaptiveTile(picture=picture).faces()[0].picture == picture


def test_below_its_title_a_tile_has_two_lines_where_it_is_medium_and_three_where_it_is_wide() -> None:
    medium, wide = AdaptiveTile(title="T", line_1="1", line_2="2", line_3="3", name="Below").faces()
    assert (medium.label, medium.size, medium.title, medium.lines) == ("Medium", "medium", "Below", ("T", "1", "2"))
    assert (wide.label, wide.size, wide.title, wide.lines) == ("Wide", "wide", "Below", ("T", "1", "2", "3"))
    assert AdaptiveTile(line_3="3").faces()[0].lines == ("3",)


def test_every_branding_arrives() -> None:
    for branding, _ in BRANDING:
        body = find("wns").encode(AdaptiveTile(title="A", branding=branding), "").body
        assert f'branding="{branding}"'.encode() in body
