"""What Windows 10 and later lay out by themselves: tiles of lines and a picture, and the badge on an app's icon.

Source: Microsoft, "Create adaptive tiles" and "Badge notifications". A badge with a number is shown by Apple's devices
as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.push.fields import Problem, asked, is_whole
from devices.push.message import Face, Message, is_web_address

MOST = 9999  # of a badge; Windows shows more than 99 as 99+
IN_THE_APP = ("ms-appx:///", "ms-appdata:///")
GLYPHS = (
    ("", "none"),
    ("activity", "activity"),
    ("alarm", "alarm"),
    ("alert", "alert"),
    ("attention", "attention"),
    ("available", "available"),
    ("away", "away"),
    ("busy", "busy"),
    ("error", "error"),
    ("newMessage", "new message"),
    ("paused", "paused"),
    ("playing", "playing"),
    ("unavailable", "unavailable"),
)
BRANDING = (
    ("nameAndLogo", "name and logo"),
    ("name", "name"),
    ("logo", "logo"),
    ("none", "nothing"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptiveTile(Message):
    """A tile of up to four lines, which Windows fits into every size."""

    slug: ClassVar[str] = "adaptive_tile"
    kind: ClassVar[str] = "tile"
    label: ClassVar[str] = "Adaptive tile"
    place: ClassVar[int] = 2

    title: str = asked("Title", "The first line, in bold.")
    line_1: str = asked("Line 1")
    line_2: str = asked("Line 2")
    line_3: str = asked("Line 3", "Wide and large tiles have room for it.")
    picture: str = asked("Picture", "Behind the text: https://…, or ms-appx:///… in the app.", "image")
    name: str = asked("Caption", "Below, in place of what the app is called.")
    branding: str = asked("Below", "", "choice", "nameAndLogo", choices=BRANDING)

    def faces(self) -> list[Face]:
        """Return the medium and the wide tile."""
        lines = tuple(line for line in (self.title, self.line_1, self.line_2, self.line_3) if line)
        medium = Face("Medium", "medium", self.name, lines[:3], self.picture)
        return [medium, Face("Wide", "wide", self.name, lines, self.picture)]

    def _problems(self) -> list[Problem]:
        found = []
        if not (self.title or self.line_1 or self.line_2 or self.line_3 or self.picture):
            found.append(Problem("title", "This tile shows nothing: fill in at least one field."))
        if self.picture and not (is_web_address(self.picture) or self.picture.startswith(IN_THE_APP)):
            found.append(Problem("picture", "A picture is https://…, http://… or ms-appx:///… in the app."))
        if self.branding not in dict(BRANDING):
            found.append(Problem("branding", "Below stands name and logo, one of them, or nothing."))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge(Message):
    """A number, or on Windows a sign, on the app's icon."""

    slug: ClassVar[str] = "badge"
    kind: ClassVar[str] = "badge"
    label: ClassVar[str] = "Badge"
    place: ClassVar[int] = 2

    count: int | None = asked("Number", f"1 to {MOST:,}; 0 takes it away.", "count", None)
    glyph: str = asked("or a sign", "Windows alone.", "choice", "", choices=GLYPHS)

    def faces(self) -> list[Face]:
        """Return the icon with what stands on it."""
        return [Face("Icon", "small", dict(GLYPHS).get(self.glyph, "") if self.glyph else "", (), "", self.count)]

    def _problems(self) -> list[Problem]:
        found = []
        if self.count is None and not self.glyph:
            found.append(Problem("count", "Write a number, or choose a sign."))
        elif self.count is not None and self.glyph:
            found.append(Problem("glyph", "A number or a sign, not both."))
        if self.count is not None and not (is_whole(self.count) and 0 <= self.count <= MOST):
            found.append(Problem("count", f"The number is a whole one from 0 to {MOST:,}; “{self.count}” is not."))
        if self.glyph not in dict(GLYPHS):
            found.append(Problem("glyph", "Windows has no such sign."))
        return found
