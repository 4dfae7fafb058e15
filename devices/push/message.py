"""What is said to a device: frozen values that validate themselves. What a service makes of them is the service's.

What only one service can do with a message (its ``Options``) is no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from devices.push.fields import (
    FormField,
    MessageInvalid,
    Problem,
    asked,
    built,
    form_fields,
    stored,
    without_unspeakable,
)

LINK_LIMIT = 1024  # characters

Size = Literal["small", "medium", "wide"]


@dataclass(frozen=True, slots=True)
class Face:
    """One side of a tile at one size. ``colour`` is #RRGGBB, or "" for the device's own."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The base of all messages. Text is kept as typed, but for characters that XML cannot carry."""

    slug: ClassVar[str]
    kind: ClassVar[str]
    label: ClassVar[str]
    place: ClassVar[int] = 1  # where a form offers it: the first ones before the others
    unseen: ClassVar[str] = ""  # why a device shows nothing of it by itself, as a sentence

    def __post_init__(self) -> None:
        without_unspeakable(self)
        errors = [problem for problem in self._problems() if problem.level == "error"]
        if errors:
            raise MessageInvalid(errors)

    def warnings(self) -> list[Problem]:
        """Return what may look wrong on the device, whatever the service."""
        return [problem for problem in self._problems() if problem.level == "warning"]

    def faces(self) -> list[Face]:
        """Return how it looks where it is shown as a tile; [] for what is none."""
        return []

    def lines(self) -> tuple[str, str] | None:
        """Return title and text as a device shows them on top of everything; None for what is not shown so."""
        return None

    def _problems(self) -> list[Problem]:
        raise NotImplementedError

    @classmethod
    def form_fields(cls) -> list[FormField]:
        """Return the fields in the order a form asks for them."""
        return form_fields(cls)

    @staticmethod
    def from_fields(slug: str, fields: Mapping[str, object]) -> Message:
        """Return the message called ``slug`` from what a form posted or ``to_fields`` gave.

        Raises MessageInvalid with everything that is wrong, names and types that do not fit included.
        """
        kind = MESSAGES.get(slug)
        if kind is None:
            raise MessageInvalid([Problem("", f"There is no message called “{slug[:40]}”.")])
        message: Message = built(kind, fields, kind.label.lower())
        return message

    def to_fields(self) -> dict[str, Any]:
        """Return what ``from_fields`` takes, as JSON values, without what is at its default."""
        return stored(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make a kind of message known by its slug; what only others build on has none."""
        if "slug" in cls.__dict__:
            MESSAGES[cls.slug] = cls


MESSAGES: dict[str, type[Message]] = {}  # every kind by its slug


@dataclass(frozen=True, kw_only=True, slots=True)
class Toast(Message):
    """A line at the top of the screen that can be tapped."""

    slug: ClassVar[str] = "toast"
    kind: ClassVar[str] = "toast"
    label: ClassVar[str] = "Notification"
    place: ClassVar[int] = 0

    title: str = asked("Title", "Bold. About 40 characters are visible if there is no text.")
    text: str = asked("Text", "Title and text together show about 41 characters; the device cuts the rest.")
    link: str = asked("Opens on tap", "A web address, https://…, or a page of the app that begins with / or ?.")

    def lines(self) -> tuple[str, str]:
        """Return title and text."""
        return self.title, self.text

    def _problems(self) -> list[Problem]:
        problems = []
        if not (self.title or self.text):
            problems.append(Problem("title", "Write a title or a text: an empty notification shows nothing."))
        if self.link and not (is_page(self.link) or self.link[0] == "?" or is_web_address(self.link)):
            told = "What opens on tap is a web address, https://…, or a page that begins with / or ?."
            problems.append(Problem("link", told))
        if len(self.link) > LINK_LIMIT:
            told = f"What opens on tap has {len(self.link)} characters; {LINK_LIMIT} are allowed."
            problems.append(Problem("link", told))
        return problems


def texts_of(message: Raw) -> dict[str, str]:
    """Return a raw message as names and texts, for services that carry these: a JSON object's own, else ``body``.

    Half of a surrogate pair, which JSON can spell by an escape and UTF-8 cannot carry, is left out.
    """
    try:
        told = json.loads(message.body)
        if not isinstance(told, dict):
            return {"body": message.body}
        texts = {
            name: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for name, one in told.items()
        }
    except (ValueError, RecursionError):
        return {"body": message.body}
    return {_whole(name): _whole(one) for name, one in texts.items()}


def _whole(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


def is_page(text: str) -> bool:
    """Return whether ``text`` is a page of the app or site itself: begins with one / that no other host can follow."""
    return text[:1] == "/" and text[1:2] not in {"/", "\\"}


def is_web_address(text: str) -> bool:
    """Return whether ``text`` is an address with http or https and a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not set(" \\\t\n") & set(text)
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw(Message):
    """Text for the running app; where it does not run, the device throws it away."""

    slug: ClassVar[str] = "raw"
    kind: ClassVar[str] = "raw"
    label: ClassVar[str] = "Raw"
    place: ClassVar[int] = 3
    unseen: ClassVar[str] = "Raw: the device shows nothing by itself. The running app gets it."

    body: str = asked("Content", "Whatever the app understands, such as JSON or XML.", "long")

    def _problems(self) -> list[Problem]:
        return [] if self.body else [Problem("body", "Write something for the app: this message is empty.")]
