"""A message as the phone lays it out: which faces a tile has, and what stands where. The page draws them.

Source: Microsoft, "Tiles for Windows Phone", "Flip", "Iconic" and "Cycle Tile template for Windows Phone 8". Pictures
lie in the app or on a server that this page must not ask, so they are named and not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from devices.push.message import CycleTile, FlipTile, IconicTile, Message, StandardTile

Size = Literal["small", "medium", "wide"]


@dataclass(frozen=True, slots=True)
class Face:
    """One side of a tile at one size. ``colour`` is #RRGGBB, or "" for the phone's own."""

    label: str
    size: Size = "medium"
    title: str = ""
    lines: tuple[str, ...] = ()
    picture: str = ""
    count: int | None = None
    back: bool = False
    colour: str = ""

    @property
    def empty(self) -> bool:
        """Whether the message says nothing about it."""
        return not (self.title or self.picture or self.count or any(self.lines))


def faces(message: Message) -> list[Face]:
    """Return the faces of a tile that the message says something about, the first always; none for other messages."""
    if isinstance(message, StandardTile):
        drawn = _standard(message)
    elif isinstance(message, FlipTile):
        drawn = _flip(message)
    elif isinstance(message, IconicTile):
        drawn = _iconic(message)
    elif isinstance(message, CycleTile):
        drawn = _cycle(message)
    else:
        return []
    return [drawn[0], *(face for face in drawn[1:] if not face.empty)]


def _standard(tile: StandardTile) -> list[Face]:
    return [
        Face("Front", title=tile.title, picture=tile.background_image, count=tile.count),
        Face("Back", "medium", tile.back_title, (tile.back_content,), tile.back_background_image, back=True),
    ]


def _flip(tile: FlipTile) -> list[Face]:
    medium = [
        Face("Medium", title=tile.title, picture=tile.background_image, count=tile.count),
        Face("Medium, back", "medium", tile.back_title, (tile.back_content,), tile.back_background_image, back=True),
    ]
    small = Face("Small", "small", picture=tile.small_background_image)
    if not (tile.wide_background_image or tile.wide_back_content or tile.wide_back_background_image):
        return [*medium, small]
    back = (tile.back_title, (tile.wide_back_content,), tile.wide_back_background_image)
    return [
        *medium,
        Face("Wide", "wide", tile.title, (), tile.wide_background_image, tile.count),
        Face("Wide, back", "wide", *back, back=True),
        small,
    ]


def _iconic(tile: IconicTile) -> list[Face]:
    colour = f"#{tile.background_color[3:]}" if tile.background_color else ""
    lines = (tile.wide_content_1, tile.wide_content_2, tile.wide_content_3)
    medium = Face("Medium", title=tile.title, picture=tile.icon_image, count=tile.count, colour=colour)
    wide = Face("Wide", "wide", tile.title, lines, tile.small_icon_image, tile.count, colour=colour)
    small = Face("Small", "small", picture=tile.small_icon_image, colour=colour)
    return [medium, wide, small] if any(lines) else [medium, small]


def _cycle(tile: CycleTile) -> list[Face]:
    pictures = [picture for number in range(1, 10) if (picture := getattr(tile, f"cycle_image_{number}"))]
    return [
        Face("Medium and wide", title=tile.title, picture=" → ".join(pictures), count=tile.count),
        Face("Small", "small", picture=tile.small_background_image),
    ]
