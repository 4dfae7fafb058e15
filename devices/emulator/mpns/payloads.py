"""Is this body one the service would take, and what would the phone make of it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

NAMESPACE = "WPNotification"
TARGETS = {b"toast": "toast", b"token": "tile", b"": "raw", b"raw": "raw"}
CLASSES = {"tile": 1, "toast": 2, "raw": 3}  # plus 0, 10 or 20 for at once, within 450 s, within 900 s
DELAYS = {0: 0, 1: 450, 2: 900}  # seconds, by the tens of the class

_TOAST = frozenset(("Text1", "Text2", "Param", "Sound"))
_STANDARD = frozenset(("BackgroundImage", "Count", "Title", "BackBackgroundImage", "BackTitle", "BackContent"))
_WIDE = ("SmallBackgroundImage", "WideBackgroundImage", "WideBackBackgroundImage", "WideBackContent")
_ICONIC = ("SmallIconImage", "IconImage", "WideContent1", "WideContent2", "WideContent3", "BackgroundColor")
_TILES: dict[str, frozenset[str]] = {
    "": _STANDARD,
    "FlipTile": _STANDARD.union(_WIDE),
    "IconicTile": frozenset((*_ICONIC, "Count", "Title")),
    "CycleTile": frozenset(("SmallBackgroundImage", "Count", "Title", *(f"CycleImage{n}" for n in range(1, 10)))),
}
_ROOT, _CHILD, _VALUE = range(3)  # how deep an element lies


class Refused(ValueError):
    """A request the service answers with 400. ``str(error)`` says what is wrong with it."""


@dataclass(slots=True)
class Content:
    """What a phone gets: the kind, when (seconds later), and the values by element name.

    ``cleared`` names the properties a tile is to forget. ``tile`` is the Id of a secondary tile, "" the app's own.
    """

    kind: str
    later: int = 0
    values: dict[str, str] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()
    template: str = ""
    tile: str = ""


class _Reader:
    """Walks the three levels of a notification. Anything else in the document is refused."""

    def __init__(self, kind: str) -> None:
        self.content = Content(kind)
        self._known: frozenset[str] = frozenset()
        self._cleared: set[str] = set()
        self._depth = _ROOT
        self._children = 0
        self._name = ""
        self._text: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != NAMESPACE:
            raise Refused(f"element {local} is not in the namespace {NAMESPACE}")
        if self._depth == _ROOT:
            if local != "Notification":
                raise Refused(f"the root is {local}, not Notification")
        elif self._depth == _CHILD:
            self._child(local, attributes)
        elif self._depth == _VALUE:
            self._value(local, attributes)
        else:
            raise Refused(f"element {local} inside {self._name}")
        self._depth += 1

    def _child(self, local: str, attributes: dict[str, str]) -> None:
        wanted = self.content.kind.title()
        self._children += 1
        if local != wanted or self._children > 1:
            raise Refused(f"expected one {wanted} element, found {local}")
        if wanted == "Toast":
            self._known = _TOAST
            return
        self.content.template = attributes.get("Template", "")
        self.content.tile = attributes.get("Id", "")
        if self.content.template not in _TILES:
            raise Refused(f"unknown tile template {self.content.template}")
        self._known = _TILES[self.content.template]

    def _value(self, local: str, attributes: dict[str, str]) -> None:
        if local not in self._known:
            raise Refused(f"unknown element {local}")
        if local in self.content.values or local in self._cleared:
            raise Refused(f"element {local} appears twice")
        self._name = local
        self._text = []
        if attributes.get("Action") == "Clear":
            self._cleared.add(local)
        elif "Silent" in attributes:
            self.content.values["Silent"] = attributes["Silent"]

    def end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == _VALUE and self._name not in self._cleared:
            self.content.values[self._name] = "".join(self._text)

    def text(self, text: str) -> None:
        if self._depth > _VALUE:
            self._text.append(text)
        elif text.strip():
            raise Refused("text between the elements")

    def finish(self) -> Content:
        if not self._children:
            raise Refused("the notification is empty")
        self.content.cleared = frozenset(self._cleared)
        return self.content


def _refuse_doctype(*_: object) -> None:
    raise Refused("a document type declaration")  # and with it entities: no bombs, no files read


def _parse(kind: str, body: bytes) -> Content:
    reader = _Reader(kind)
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if body.startswith(b"\xef\xbb\xbf"):
        raise Refused("a byte order mark before the XML declaration")
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise Refused(f"not well-formed XML: {error}") from None
    return reader.finish()


def _delay(kind: str, notification_class: bytes, strict: bool) -> int:
    """Return the seconds the service may hold the message back. Absent means at once."""
    if not notification_class:
        return 0
    tens, ones = divmod(int(notification_class), 10) if notification_class.isdigit() else (-1, 0)
    if strict and (tens not in DELAYS or ones != CLASSES[kind]):
        raise Refused(f"class {notification_class.decode('latin-1')} does not fit a {kind}")
    return DELAYS.get(tens, 0)


def check(target: bytes, notification_class: bytes, body: bytes, strict: bool) -> Content:
    """Return what the phone would get, or raise Refused. ``strict`` asks that class and target agree."""
    kind = TARGETS.get(target.strip().lower())
    if kind is None:
        raise Refused(f"unknown target {target.decode('latin-1')}")
    later = _delay(kind, notification_class, strict)
    if kind == "raw":
        content = Content(kind, values={"Raw": body.decode("utf-8", "backslashreplace")})
    else:
        content = _parse(kind, body)
    content.later = later
    return content


class Checker:
    """``check`` with a bounded memory: a campaign sends the same bytes to many phones."""

    def __init__(self, most: int = 2048) -> None:
        self._most = most
        self._known: dict[tuple[bytes, bytes, bytes, bool], Content | Refused] = {}

    def __call__(self, target: bytes, notification_class: bytes, body: bytes, strict: bool) -> Content | Refused:
        """Return what ``check`` returned or raised."""
        key = (target, notification_class, body, strict)
        verdict = self._known.get(key)
        if verdict is None:
            try:
                verdict = check(*key)
            except Refused as refusal:
                verdict = refusal.with_traceback(None)
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = verdict
        return verdict
