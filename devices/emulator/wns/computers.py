"""What a Windows PC on the wall shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from devices.emulator.wall import Screen
from devices.emulator.wns.notifications import Content


@dataclass(slots=True)
class Computer(Screen):
    """One PC on the wall: its last toast, its tile and badge, and what came last for the app itself."""

    group: ClassVar[str] = "computers"
    latest: str = ""
    toast: dict[str, Any] | None = None
    tile: dict[str, Any] | None = None
    badge: str = ""
    raw: str = ""

    def take(self, content: Content) -> None:
        """Show what arrived."""
        self.received += 1
        self.latest = content.kind
        if content.kind == "toast":
            self.toast = content.shown()
        elif content.kind == "tile":
            self.tile = content.shown()
        elif content.kind == "badge":
            self.badge = content.badge
        else:
            self.raw = content.raw

    def shown(self) -> dict[str, object]:
        """Return the PC as JSON can carry it."""
        return {
            **Screen.shown(self),
            "latest": self.latest,
            "toast": self.toast,
            "tile": self.tile,
            "badge": self.badge,
            "raw": self.raw,
        }
