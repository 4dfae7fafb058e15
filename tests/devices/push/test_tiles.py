"""Which faces a tile shows, and what stands on them."""

from __future__ import annotations

import pytest

from devices.push.message import Message
from devices.push.services import kinds_offered

assert kinds_offered()  # every kind is known once the services are
IMAGE = "/Assets/one.png"


@pytest.mark.parametrize(
    ("slug", "fields", "labels"),
    [
        ("toast", {"title": "Storm"}, []),
        ("raw", {"body": "{}"}, []),
        ("standard_tile", {"title": "Rain"}, ["Front"]),
        ("standard_tile", {"title": "Rain", "back_content": "Sun"}, ["Front", "Back"]),
        ("standard_tile", {"clear": ["title"]}, ["Front"]),
        ("flip_tile", {"title": "Rain"}, ["Medium"]),
        ("flip_tile", {"title": "Rain", "wide_back_content": "Sun"}, ["Medium", "Wide", "Wide, back"]),
        ("flip_tile", {"back_title": "Rain", "small_background_image": IMAGE}, ["Medium", "Medium, back", "Small"]),
        ("iconic_tile", {"count": "3"}, ["Medium"]),
        ("iconic_tile", {"count": "3", "wide_content_2": "Rain"}, ["Medium", "Wide"]),
        ("cycle_tile", {"cycle_image_1": IMAGE, "small_background_image": IMAGE}, ["Medium and wide", "Small"]),
    ],
)
def test_only_what_the_message_talks_about_is_drawn(slug: str, fields: dict[str, object], labels: list[str]) -> None:
    assert [face.label for face in Message.from_fields(slug, fields).faces()] == labels


def test_every_text_stands_on_the_side_it_belongs_to() -> None:
    tile = Message.from_fields(
        "flip_tile",
        {"title": "t", "back_title": "bt", "back_content": "bc", "wide_back_content": "wbc", "count": "7"},
    )
    front, back, wide, wide_back = tile.faces()
    assert (front.title, front.count, front.back) == ("t", 7, False)
    assert (back.title, back.lines, back.count, back.back) == ("bt", ("bc",), None, True)
    assert (wide.title, wide.count, wide.size) == ("t", 7, "wide")
    assert (wide_back.title, wide_back.lines, wide_back.back) == ("bt", ("wbc",), True)


def test_a_colour_is_shown_without_its_transparency() -> None:
    tile = Message.from_fields("iconic_tile", {"background_color": "#802D7D9A", "wide_content_1": "Rain"})
    assert [face.colour for face in tile.faces()] == ["#2D7D9A", "#2D7D9A"]


def test_pictures_take_their_turn_in_order() -> None:
    tile = Message.from_fields("cycle_tile", {f"cycle_image_{number}": f"/{number}.png" for number in (1, 2, 9)})
    assert tile.faces()[0].picture == "/1.png → /2.png → /9.png"
