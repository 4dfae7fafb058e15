"""What a Windows PC makes of a notification. The client looks into it, the service does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any
from xml.parsers import expat

LONGEST = 1000  # characters of each text
MOST_TEXTS, MOST_BUTTONS, MOST_ON_TILE = 3, 5, 8
SIZES = ("TileWide", "TileMedium", "TileLarge", "TileSmall")  # the first that is there is shown
GLYPHS = frozenset(
    (
        *("none", "activity", "alarm", "alert", "attention", "available", "away", "busy", "error", "newMessage"),
        *("paused", "playing", "unavailable"),
    )
)
BRANDINGS = frozenset(("none", "logo", "name", "nameAndLogo"))


@dataclass(slots=True)
class Content:
    """What a PC gets. ``kind`` is toast, tile, badge or raw; ``ignored`` says why the client would not show it, or "".

    ``images`` are named and never fetched. ``badge`` is a number ("99+" above 99) or a glyph, "" for none.
    """

    kind: str
    texts: list[str] = field(default_factory=list)
    attribution: str = ""
    buttons: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    branding: str = ""
    name: str = ""
    badge: str = ""
    raw: str = ""
    ignored: str = ""

    def shown(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return asdict(self)


class Ignored(ValueError):
    """A notification that the client would not show, and why."""


class _Element:
    """An element with its attributes, children and own text."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Element] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()[:LONGEST]

    def below(self, *names: str) -> list[_Element]:
        """Return the elements of these names at any depth, in their order."""
        found: list[_Element] = []
        waiting = self.children[::-1]
        while waiting:
            one = waiting.pop()
            if one.name in names:
                found.append(one)
            waiting.extend(reversed(one.children))
        return found


def _refuse_doctype(*_: object) -> None:
    raise Ignored("a document type declaration")  # and with it entities: no bombs, no files read


def _parsed(body: bytes) -> _Element:
    top = _Element("", {})
    path = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        path[-1].children.append(_Element(name, attributes))
        path.append(path[-1].children[-1])

    def write(text: str) -> None:
        path[-1].pieces.append(text)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: path.pop()
    parser.CharacterDataHandler = write
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError) as error:
        raise error if isinstance(error, Ignored) else Ignored(f"not well-formed XML: {error}") from None
    return top.children[0]


@lru_cache(maxsize=2048)
def read(kind: str, body: bytes) -> Content:
    """Return what a PC shows of the body of a push: of this kind, at most 5000 bytes."""
    if kind == "raw":
        return Content(kind, raw=body.decode("utf-8", "backslashreplace")[:LONGEST])
    try:
        root = _parsed(body)
        if root.name != kind:
            raise Ignored(f"the root is {root.name}, not {kind}")
        return {"toast": _toast, "tile": _tile, "badge": _badge}[kind](root)
    except Ignored as why:
        return Content(kind, ignored=str(why))


def _toast(root: _Element) -> Content:
    bindings = root.below("binding")
    if not bindings:
        raise Ignored("no binding")
    texts = bindings[0].below("text")
    plain = [text.text for text in texts if text.attributes.get("placement") != "attribution"]
    return Content(
        "toast",
        texts=[text for text in plain if text][:MOST_TEXTS],
        attribution=next((text.text for text in texts if text.attributes.get("placement") == "attribution"), ""),
        buttons=[one.attributes.get("content", "")[:LONGEST] for one in root.below("action")][:MOST_BUTTONS],
        images=_images(bindings[0]),
    )


def _tile(root: _Element) -> Content:
    bindings = {binding.attributes.get("template", ""): binding for binding in root.below("binding")}
    size = next((size for size in SIZES if size in bindings), "")
    binding = bindings[size] if size else next(iter(bindings.values()), None)
    if binding is None:
        raise Ignored("no binding")
    visual = next(iter(root.below("visual")), root).attributes | binding.attributes
    branding = visual.get("branding", "")
    return Content(
        "tile",
        texts=[text.text for text in binding.below("text") if text.text][:MOST_ON_TILE],
        images=_images(binding),
        branding=branding if branding in BRANDINGS else "",
        name=visual.get("displayName", "")[:LONGEST],
    )


def _badge(root: _Element) -> Content:
    value = root.attributes.get("value", "")
    if value.isascii() and value.isdigit() and len(value) < 12:
        number = int(value)
        return Content("badge", badge="99+" if number > 99 else str(number or ""))
    if value not in GLYPHS:
        raise Ignored(f"no such badge: {value[:100]}")
    return Content("badge", badge="" if value == "none" else value)


def _images(binding: _Element) -> list[str]:
    return [image.attributes.get("src", "")[:LONGEST] for image in binding.below("image")][:MOST_TEXTS]
