"""Tiles: pictures, words and a number that stay on a start screen. How they are laid out is told by ``faces``.

Source: Microsoft, "Tiles", "Flip", "Iconic" and "Cycle Tile template". Pictures lie in the app or on a server that a
preview must not ask, so they are named and not shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from devices.push.fields import FormField, Kind, Problem, asked, is_whole
from devices.push.message import Face, Message

IMAGE_LIMIT = 260  # characters of an image's address
COUNT_LIMIT = 99


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile(Message):
    """What all tiles share."""

    kind: ClassVar[str] = "tile"

    tile_id: str = asked("Secondary tile", "The address the tile was made with; empty for the app's own tile.")
    clear: frozenset[str] = field(default=frozenset(), metadata={"kind": "names"})

    def faces(self) -> list[Face]:
        """Return the faces that the message says something about, the first always."""
        drawn = self._faces()
        return [drawn[0], *(face for face in drawn[1:] if not face.empty)]

    def _faces(self) -> list[Face]:
        raise NotImplementedError

    def _problems(self) -> list[Problem]:
        clearable = {one.name for one in self.form_fields() if one.clearable}
        problems = [Problem(name, f"“{name}” cannot be cleared.") for name in sorted(set(self.clear) - clearable)]
        says_something = False
        for one in self.form_fields():
            value = getattr(self, one.name)
            if one.name == "tile_id":
                continue
            says_something |= value not in ("", None)
            if value not in ("", None) and one.name in self.clear:
                problems.append(Problem(one.name, f"{one.label}: set it or clear it, not both."))
            problems += _field_problems(one, value)
        if not (says_something or self.clear):
            problems.append(Problem("title", "This tile changes nothing: fill in or clear at least one field."))
        if self.tile_id and self.tile_id[0] not in "/?":
            problems.append(Problem("tile_id", "A secondary tile's address begins with / or ?."))
        return problems


def _field_problems(one: FormField, value: Any) -> list[Problem]:
    if one.kind == "count" and value is not None and not (is_whole(value) and 0 <= value <= COUNT_LIMIT):
        return [Problem(one.name, f"The count is a whole number from 0 (hidden) to {COUNT_LIMIT}; “{value}” is not.")]
    if one.kind == "colour" and value and not re.fullmatch("#[0-9A-Fa-f]{8}", value):
        return [Problem(one.name, f"“{value[:20]}” is not a colour: write #AARRGGBB, for example #FF2D7D9A.")]
    if one.kind == "image" and value:
        return _image_problems(one, value)
    return []


def _image_problems(one: FormField, value: str) -> list[Problem]:
    if len(value) > IMAGE_LIMIT:
        return [Problem(one.name, f"The image's address has {len(value)} characters; the phone takes {IMAGE_LIMIT}.")]
    try:
        scheme, host = urlsplit(value).scheme, urlsplit(value).hostname
    except ValueError:
        scheme, host = "", None
    if re.search(r"[\s\\]", value):
        return [Problem(one.name, "An image's address holds no blanks and no backslashes.")]
    local = value.startswith("/") and not value.startswith("//")
    isolated = value.startswith("isostore:/Shared/ShellContent/")
    if not (local or isolated or (scheme in {"http", "https"} and host)):
        return [Problem(one.name, "An image is http://…, https://… or a path in the app that begins with /.")]
    if not re.search(r"\.(png|jpe?g)$", urlsplit(value).path, re.IGNORECASE):
        return [Problem(one.name, "The phone shows .jpg and .png images; this address ends otherwise.", "warning")]
    return []


def _image(label: str, help: str = "") -> Any:  # noqa: A002
    return asked(label, help, "image", clearable=True)


def _text(label: str, kind: Kind = "text") -> Any:
    return asked(label, "", kind, clearable=True)


def _count() -> Any:
    return asked("Count", "1 to 99; 0 hides it; empty leaves it as it is.", "count", None, clearable=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardTile(Tile):
    """The first kind of tile: a front and a back."""

    slug: ClassVar[str] = "standard_tile"
    label: ClassVar[str] = "Standard tile"

    background_image: str = _image("Front image", "173 × 173 pixels, at most 80 KB.")
    count: int | None = _count()
    title: str = _text("Title")
    back_background_image: str = _image("Back image")
    back_title: str = _text("Back title")
    back_content: str = _text("Back text", "long")

    def _faces(self) -> list[Face]:
        return [
            Face("Front", title=self.title, picture=self.background_image, count=self.count),
            Face("Back", "medium", self.back_title, (self.back_content,), self.back_background_image, back=True),
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipTile(Tile):
    """A tile that turns over, in three sizes."""

    slug: ClassVar[str] = "flip_tile"
    label: ClassVar[str] = "Flip tile"

    small_background_image: str = _image("Small image", "159 × 159 pixels, at most 80 KB.")
    wide_background_image: str = _image("Wide image", "691 × 336 pixels.")
    wide_back_background_image: str = _image("Wide back image")
    wide_back_content: str = _text("Wide back text", "long")
    background_image: str = _image("Medium image", "336 × 336 pixels.")
    count: int | None = _count()
    title: str = _text("Title")
    back_background_image: str = _image("Back image")
    back_title: str = _text("Back title")
    back_content: str = _text("Back text", "long")

    def _faces(self) -> list[Face]:
        medium = [
            Face("Medium", title=self.title, picture=self.background_image, count=self.count),
            Face(
                "Medium, back",
                title=self.back_title,
                lines=(self.back_content,),
                picture=self.back_background_image,
                back=True,
            ),
        ]
        small = Face("Small", "small", picture=self.small_background_image)
        if not (self.wide_background_image or self.wide_back_content or self.wide_back_background_image):
            return [*medium, small]
        back = (self.back_title, (self.wide_back_content,), self.wide_back_background_image)
        return [
            *medium,
            Face("Wide", "wide", self.title, (), self.wide_background_image, self.count),
            Face("Wide, back", "wide", *back, back=True),
            small,
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class IconicTile(Tile):
    """An icon with a number, in the phone's colour."""

    slug: ClassVar[str] = "iconic_tile"
    label: ClassVar[str] = "Iconic tile"

    small_icon_image: str = _image("Small icon", "110 × 110 pixels.")
    icon_image: str = _image("Icon", "202 × 202 pixels.")
    wide_content_1: str = _text("Wide, first line")
    wide_content_2: str = _text("Wide, second line")
    wide_content_3: str = _text("Wide, third line")
    count: int | None = _count()
    title: str = _text("Title")
    background_color: str = asked("Colour", "#AARRGGBB; empty keeps the phone's own.", "colour", clearable=True)

    def _faces(self) -> list[Face]:
        colour = f"#{self.background_color[3:]}" if self.background_color else ""
        lines = (self.wide_content_1, self.wide_content_2, self.wide_content_3)
        medium = Face("Medium", title=self.title, picture=self.icon_image, count=self.count, colour=colour)
        wide = Face("Wide", "wide", self.title, lines, self.small_icon_image, self.count, colour=colour)
        small = Face("Small", "small", picture=self.small_icon_image, colour=colour)
        return [medium, wide, small] if any(lines) else [medium, small]


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleTile(Tile):
    """Up to nine pictures in turn."""

    slug: ClassVar[str] = "cycle_tile"
    label: ClassVar[str] = "Cycle tile"

    small_background_image: str = _image("Small image", "159 × 159 pixels.")
    cycle_image_1: str = _image("Picture 1", "336 × 336 or 691 × 336 pixels, best one the app brings along.")
    cycle_image_2: str = _image("Picture 2")
    cycle_image_3: str = _image("Picture 3")
    cycle_image_4: str = _image("Picture 4")
    cycle_image_5: str = _image("Picture 5")
    cycle_image_6: str = _image("Picture 6")
    cycle_image_7: str = _image("Picture 7")
    cycle_image_8: str = _image("Picture 8")
    cycle_image_9: str = _image("Picture 9")
    count: int | None = _count()
    title: str = _text("Title")

    def _faces(self) -> list[Face]:
        pictures = [picture for number in range(1, 10) if (picture := getattr(self, f"cycle_image_{number}"))]
        return [
            Face("Medium and wide", title=self.title, picture=" → ".join(pictures), count=self.count),
            Face("Small", "small", picture=self.small_background_image),
        ]
