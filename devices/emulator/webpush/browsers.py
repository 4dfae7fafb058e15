"""What a browser on the wall shows."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from devices.emulator.wall import Screen
from devices.emulator.webpush.vendors import VENDORS

NOTES = 3  # notifications that a browser shows at once
LONGEST = 1000  # characters of each text


@dataclass(frozen=True, slots=True)
class Notification:
    """What a page's worker would show. ``tag``: another with the same one takes its place; "" stands alone."""

    title: str = ""
    body: str = ""
    url: str = ""
    tag: str = ""


def read(plaintext: bytes | None, topic: str) -> Notification:
    """Make a notification of what was decrypted (None: it could not be). What is no JSON object is shown as text."""
    if plaintext is None:
        return Notification("Cannot be decrypted", tag=topic)
    if not plaintext:
        return Notification("No payload", tag=topic)
    text = plaintext.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and isinstance(told.get("notification"), dict):
        told = told["notification"]
    if not isinstance(told, dict) or not _text(told, "title") + _text(told, "body"):
        return Notification(body=text[:LONGEST], tag=topic)
    url = _text(told, "url") or _text(told, "navigate")
    return Notification(_text(told, "title"), _text(told, "body"), url, topic or _text(told, "tag"))


def _text(told: dict[str, object], name: str) -> str:
    value = told.get(name)
    return value[:LONGEST] if isinstance(value, str) else ""


@dataclass(slots=True)
class Browser(Screen):
    """One browser on the wall."""

    group: ClassVar[str] = "browsers"
    vendor: str = ""
    notes: deque[Notification] = field(default_factory=lambda: deque(maxlen=NOTES))

    def take(self, content: tuple[str, Notification]) -> None:
        """Show what arrived: the vendor's name and the notification."""
        self.received += 1
        self.vendor, note = content
        if note.tag:
            kept = [old for old in self.notes if old.tag != note.tag]
            self.notes = deque(kept, maxlen=NOTES)
        self.notes.append(note)

    def shown(self) -> dict[str, object]:
        """Return the browser as JSON can carry it, the newest notification last."""
        return {
            **Screen.shown(self),
            "vendor": self.vendor,
            "browser": VENDORS[self.vendor].browser if self.vendor else "",
            "notifications": [
                {"title": note.title, "body": note.body, "url": note.url, "tag": note.tag} for note in self.notes
            ],
        }
