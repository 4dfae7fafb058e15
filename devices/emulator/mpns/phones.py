"""What a phone on the wall shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from devices.emulator.mpns.payloads import Content
from devices.emulator.wall import Screen

TOASTS = 5  # that a phone remembers
TILES = 8  # secondary tiles that a phone remembers


@dataclass(slots=True)
class Tile:
    """A tile as it stands now: pushes change it bit by bit."""

    template: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def apply(self, content: Content) -> None:
        """Change what the push names and leave the rest; another template starts a new tile."""
        if content.template != self.template:
            self.template, self.values = content.template, {}
        for name in content.cleared:
            self.values.pop(name, None)
        self.values.update(content.values)


@dataclass(slots=True)
class Phone(Screen):
    """One phone on the wall."""

    group: ClassVar[str] = "phones"
    latest: str = ""
    latest_tile: str = ""
    tiles: dict[str, Tile] = field(default_factory=dict)
    toasts: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=TOASTS))
    raw: str = ""

    def take(self, content: Content) -> None:
        """Show what arrived."""
        self.received += 1
        self.latest = content.kind
        if content.kind == "toast":
            self.toasts.append(content.values)
        elif content.kind == "raw":
            self.raw = content.values["Raw"]
        else:
            if content.tile not in self.tiles and len(self.tiles) >= TILES:
                del self.tiles[next(name for name in self.tiles if name)]
            self.tiles.setdefault(content.tile, Tile()).apply(content)
            self.latest_tile = content.tile

    def shown(self) -> dict[str, object]:
        """Return the phone as JSON can carry it."""
        return {
            **Screen.shown(self),
            "latest": self.latest,
            "latest_tile": self.latest_tile,
            "tiles": {name: {"template": tile.template, "values": tile.values} for name, tile in self.tiles.items()},
            "toasts": list(self.toasts),
            "raw": self.raw,
        }
