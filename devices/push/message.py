"""What is said to a device: frozen values that validate themselves. What a service makes of them is the service's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

# What XML 1.0 cannot carry (section 2.2, Char): controls but tab and line ends, surrogates, U+FFFE and U+FFFF.
UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
DELAYS = {0: "at once", 450: "within 7½ minutes", 900: "within 15 minutes"}
PARAM_LIMIT = 256  # characters, escaped
IMAGE_LIMIT = 260  # characters of an image's address
COUNT_LIMIT = 99

Kind = Literal["text", "long", "count", "image", "colour", "switch", "choice"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a message: in which field, told in a sentence, and whether it keeps it from being sent."""

    field: str
    sentence: str
    level: Literal["error", "warning"] = "error"


class MessageInvalid(ValueError):
    """A message with errors; ``problems`` has them all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class FormField:
    """How a form asks for one field of a message."""

    name: str
    label: str
    help: str = ""
    kind: Kind = "text"
    clearable: bool = False
    choices: tuple[tuple[str, str], ...] = ()


def said(label: str, help: str = "", kind: Kind = "text", default: Any = "", clearable: bool = False) -> Any:  # noqa: A002
    """Return a dataclass field that knows how a form asks for it."""
    asks = {"label": label, "help": help, "kind": kind, "clearable": clearable}
    return field(default=default, metadata=asks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The base of all messages. Text is kept as typed, but for characters that XML cannot carry."""

    slug: ClassVar[str]
    kind: ClassVar[str]
    label: ClassVar[str]

    delay: int = said("Wake the phone", "A delayed message lets the phone save battery.", "choice", 0)

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, str):
                object.__setattr__(self, spec.name, UNSPEAKABLE.sub("", value))
        errors = [problem for problem in self._problems() if problem.level == "error"]
        if not (_is_whole(self.delay) and self.delay in DELAYS):
            errors.append(Problem("delay", "The delay is 0, 450 or 900 seconds."))
        if errors:
            raise MessageInvalid(errors)

    def warnings(self) -> list[Problem]:
        """Return what may look wrong on the device, whatever the service."""
        return [problem for problem in self._problems() if problem.level == "warning"]

    def _problems(self) -> list[Problem]:
        raise NotImplementedError

    @classmethod
    def form_fields(cls) -> list[FormField]:
        """Return the fields in the order a form asks for them."""
        specs = [spec for spec in dataclasses.fields(cls) if spec.metadata and spec.name != "delay"]
        asked = [FormField(spec.name, **spec.metadata) for spec in specs]
        choices = tuple((str(seconds), words) for seconds, words in DELAYS.items())
        delay = next(spec for spec in dataclasses.fields(cls) if spec.name == "delay")
        return [*asked, FormField("delay", **delay.metadata, choices=choices)]

    @staticmethod
    def from_fields(slug: str, fields: Mapping[str, object]) -> Message:
        """Return the message called ``slug`` from what a form posted or ``to_fields`` gave.

        Raises MessageInvalid with everything that is wrong, names and types that do not fit included.
        """
        kind = MESSAGES.get(slug)
        if kind is None:
            raise MessageInvalid([Problem("", f"There is no message called “{slug[:40]}”.")])
        values, problems = _values(kind, fields)
        try:
            message = kind(**values)
        except MessageInvalid as invalid:
            problems += invalid.problems
        if problems:
            raise MessageInvalid(problems)
        return message

    def to_fields(self) -> dict[str, Any]:
        """Return what ``from_fields`` takes, as JSON values, without what is at its default."""
        fields: dict[str, Any] = {}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, frozenset):
                value = sorted(value)
            if value not in ("", None, [], spec.default):
                fields[spec.name] = value
        return fields


def _values(kind: type[Message], fields: Mapping[str, object]) -> tuple[dict[str, Any], list[Problem]]:
    """Return constructor arguments, and what is wrong with names and types."""
    specs = {spec.name: spec for spec in dataclasses.fields(kind)}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in specs:
            problems.append(Problem(name[:40], f"A {kind.label.lower()} has no field “{name[:40]}”."))
        elif name == "clear":
            values[name] = _names(value)
        elif name in {"count", "delay"}:
            values[name] = _whole(value, None if name == "count" else 0)
        elif name == "silent":
            values[name] = value in (True, "on", "true", "1")
        elif isinstance(value, str):
            values[name] = value
        else:
            problems.append(Problem(name, f"“{name}” must be text."))
    return values, problems


def _names(value: object) -> frozenset[str]:
    """Return the names that a form or JSON lists."""
    several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return frozenset(str(name) for name in several if name)


def _whole(value: object, nothing: int | None) -> object:
    """Return the number a form spelled; what is none stays as it is, for the message itself to complain about."""
    if not isinstance(value, str):
        return nothing if value is None else value
    text = value.strip()
    if not text:
        return nothing
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text[:20]


@dataclass(frozen=True, kw_only=True, slots=True)
class Toast(Message):
    """A line at the top of the screen that can be tapped."""

    slug: ClassVar[str] = "toast"
    kind: ClassVar[str] = "toast"
    label: ClassVar[str] = "Toast"

    title: str = said("Title", "Bold. About 40 characters are visible if there is no text.")
    text: str = said("Text", "Title and text together show about 41 characters; the phone cuts the rest.")
    param: str = said("Page to open", "/Page.xaml?key=value, or ?key=value for the start page. From Windows Phone 7.1.")
    sound: str = said("Sound", "A file in the app, such as Audio/ping.mp3. From Windows Phone 8.0 Update 3.")
    silent: bool = said("Silent", "Shows without a sound. From Windows Phone 8.0 Update 3.", "switch", False)

    def _problems(self) -> list[Problem]:
        problems = []
        if not (self.title or self.text):
            problems.append(Problem("title", "Write a title or a text: an empty toast shows nothing."))
        if self.param and self.param[0] not in "/?":
            problems.append(Problem("param", "The page must begin with / (a page) or ? (the start page)."))
        escaped = len(escape(self.param, {'"': "&quot;", "'": "&apos;"}))
        if escaped > PARAM_LIMIT:
            problems.append(
                Problem("param", f"The page has {escaped} characters when escaped; {PARAM_LIMIT} are allowed.")
            )
        if self.sound and self.silent:
            problems.append(Problem("sound", "Choose a sound or silence, not both."))
        return problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile(Message):
    """What all tiles share."""

    kind: ClassVar[str] = "tile"

    tile_id: str = said("Secondary tile", "The address the tile was made with; empty for the app's own tile. From 7.1.")
    clear: frozenset[str] = frozenset()

    def _problems(self) -> list[Problem]:
        clearable = {asked.name for asked in self.form_fields() if asked.clearable}
        problems = [Problem(name, f"“{name}” cannot be cleared.") for name in sorted(set(self.clear) - clearable)]
        said_something = False
        for asked in self.form_fields():
            value = getattr(self, asked.name)
            if asked.name in {"delay", "tile_id"}:
                continue
            said_something |= value not in ("", None)
            if value not in ("", None) and asked.name in self.clear:
                problems.append(Problem(asked.name, f"{asked.label}: set it or clear it, not both."))
            problems += _field_problems(asked, value)
        if not (said_something or self.clear):
            problems.append(Problem("title", "This tile changes nothing: fill in or clear at least one field."))
        if self.tile_id and self.tile_id[0] not in "/?":
            problems.append(Problem("tile_id", "A secondary tile's address begins with / or ?."))
        return problems


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _field_problems(asked: FormField, value: Any) -> list[Problem]:
    if asked.kind == "count" and value is not None and not (_is_whole(value) and 0 <= value <= COUNT_LIMIT):
        return [Problem(asked.name, f"The count is a whole number from 0 (hidden) to {COUNT_LIMIT}; “{value}” is not.")]
    if asked.kind == "colour" and value and not re.fullmatch("#[0-9A-Fa-f]{8}", value):
        return [Problem(asked.name, f"“{value[:20]}” is not a colour: write #AARRGGBB, for example #FF2D7D9A.")]
    if asked.kind == "image" and value:
        return _image_problems(asked, value)
    return []


def _image_problems(asked: FormField, value: str) -> list[Problem]:
    if len(value) > IMAGE_LIMIT:
        return [Problem(asked.name, f"The image's address has {len(value)} characters; the phone takes {IMAGE_LIMIT}.")]
    try:
        scheme, host = urlsplit(value).scheme, urlsplit(value).hostname
    except ValueError:
        scheme, host = "", None
    if re.search(r"[\s\\]", value):
        return [Problem(asked.name, "An image's address holds no blanks and no backslashes.")]
    local = value.startswith("/") and not value.startswith("//")
    isolated = value.startswith("isostore:/Shared/ShellContent/")
    if not (local or isolated or (scheme in {"http", "https"} and host)):
        return [Problem(asked.name, "An image is http://…, https://… or a path in the app that begins with /.")]
    if not re.search(r"\.(png|jpe?g)$", urlsplit(value).path, re.IGNORECASE):
        return [Problem(asked.name, "The phone shows .jpg and .png images; this address ends otherwise.", "warning")]
    return []


def _image(label: str, help: str = "") -> Any:  # noqa: A002
    return said(label, help, "image", clearable=True)


def _text(label: str, kind: Kind = "text") -> Any:
    return said(label, "", kind, clearable=True)


def _count() -> Any:
    return said("Count", "1 to 99; 0 hides it; empty leaves it as it is.", "count", None, clearable=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class StandardTile(Tile):
    """The tile of Windows Phone 7: front and back."""

    slug: ClassVar[str] = "standard_tile"
    label: ClassVar[str] = "Standard tile"

    background_image: str = _image("Front image", "173 × 173 pixels, at most 80 KB.")
    count: int | None = _count()
    title: str = _text("Title")
    back_background_image: str = _image("Back image")
    back_title: str = _text("Back title")
    back_content: str = _text("Back text", "long")


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipTile(Tile):
    """A tile that turns over, in three sizes. Windows Phone 7.8 and 8."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class IconicTile(Tile):
    """An icon with a number, in the phone's colour. Windows Phone 7.8 and 8."""

    slug: ClassVar[str] = "iconic_tile"
    label: ClassVar[str] = "Iconic tile"

    small_icon_image: str = _image("Small icon", "110 × 110 pixels.")
    icon_image: str = _image("Icon", "202 × 202 pixels.")
    wide_content_1: str = _text("Wide, first line")
    wide_content_2: str = _text("Wide, second line")
    wide_content_3: str = _text("Wide, third line")
    count: int | None = _count()
    title: str = _text("Title")
    background_color: str = said("Colour", "#AARRGGBB; empty keeps the phone's own.", "colour", clearable=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleTile(Tile):
    """Up to nine pictures in turn. Windows Phone 7.8 and 8."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw(Message):
    """Text for the running app; a phone where it does not run throws it away."""

    slug: ClassVar[str] = "raw"
    kind: ClassVar[str] = "raw"
    label: ClassVar[str] = "Raw"

    body: str = said("Content", "Whatever the app understands, such as JSON or XML.", "long")

    def _problems(self) -> list[Problem]:
        return [] if self.body else [Problem("body", "Write something for the app: this message is empty.")]


MESSAGES: dict[str, type[Message]] = {
    kind.slug: kind for kind in (Toast, StandardTile, FlipTile, IconicTile, CycleTile, Raw)
}
