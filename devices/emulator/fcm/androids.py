"""What an Android phone on the wall shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

from devices.emulator.fcm.messages import Message
from devices.emulator.wall import Screen

NOTES = 3  # notifications that a phone shows at once
LONGEST = 1000  # characters of each text
_TEXTS = ("title", "body", "image", "icon", "color", "channel_id", "click_action", "tag")


@dataclass(slots=True)
class Android(Screen):
    """One phone on the wall. Messages without a notification are handed to the app: it shows their pairs."""

    group: ClassVar[str] = "androids"
    notes: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=NOTES))

    def take(self, content: Message) -> None:
        """Show what arrived. Another notification with the same tag takes its place."""
        self.received += 1
        note = shown(content)
        if note["tag"]:
            self.notes = deque((old for old in self.notes if old["tag"] != note["tag"]), maxlen=NOTES)
        self.notes.append(note)

    def shown(self) -> dict[str, object]:
        """Return the phone as JSON can carry it, the newest notification last."""
        return {**Screen.shown(self), "notifications": list(self.notes)}


def shown(message: Message) -> dict[str, Any]:
    """Return what stands on the screen for one message; ``pairs`` is what the app alone gets to see."""
    merged = message.shown()
    texts = {name: str(merged.get(name, ""))[:LONGEST] for name in _TEXTS}
    pairs = ", ".join(f"{name}: {value}" for name, value in merged["data"].items())
    silent = not (texts["title"] or texts["body"])
    return {**texts, "silent": silent, "pairs": pairs[:LONGEST], "count": merged.get("notification_count", 0)}
