"""The wall: a bounded number of phones and what each of them shows."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from itertools import count

from devices.emulator.mpns.payloads import Content

QUIET = 10.0  # seconds a phone must have been quiet before another may take its place on a full wall
TOASTS = 5  # that a phone remembers
TILES = 8  # secondary tiles that a phone remembers
MOST_LATER = 10_000  # messages of the delayed classes that are held back at once; more are shown at once


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
class Phone:
    """One phone on the wall. ``changed`` is the number of the last change on the whole wall that touched it."""

    slot: int
    target: str
    name: str
    behaviour: str
    changed: int = 0
    touched: float = 0.0
    latest: str = ""
    latest_tile: str = ""
    received: int = 0
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
            "slot": self.slot,
            "channel": self.target,
            "name": self.name,
            "behaviour": self.behaviour,
            "changed": self.changed,
            "received": self.received,
            "latest": self.latest,
            "latest_tile": self.latest_tile,
            "tiles": {name: {"template": tile.template, "values": tile.values} for name, tile in self.tiles.items()},
            "toasts": list(self.toasts),
            "raw": self.raw,
        }


class Wall:
    """Phones keep their place. On a full wall a newcomer gets the place of whoever was quiet longest.

    While everyone on it is busy the wall stays as it is: a campaign to a million devices does not make it flicker.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.epoch = time.monotonic_ns()  # tells one wall from the one after a reset
        self.change = 0
        self._phones: OrderedDict[str, Phone] = OrderedDict()  # the quietest first
        self._later: list[tuple[float, int, str, str, str, Content]] = []
        self._numbers = count()

    def deliver(self, target: str, name: str, behaviour: str, content: Content, now: float) -> None:
        """Show ``content`` on the phone behind ``target``, at once or when its class lets it come (``now``: unix)."""
        if content.later and len(self._later) < MOST_LATER:
            due = now + content.later
            heapq.heappush(self._later, (due, next(self._numbers), target, name, behaviour, content))
            return
        phone = self._phones.get(target) or self._place(target, name, behaviour)
        if phone is not None:
            self.change += 1
            phone.changed = self.change
            phone.touched = time.monotonic()
            phone.take(content)
            self._phones.move_to_end(target)

    def _place(self, target: str, name: str, behaviour: str) -> Phone | None:
        slot = len(self._phones)
        if slot >= self.most:
            quietest = next(iter(self._phones.values()), None)
            if quietest is None or time.monotonic() - quietest.touched < QUIET:
                return None
            slot = quietest.slot
            del self._phones[quietest.target]
        phone = self._phones[target] = Phone(slot, target, name, behaviour)
        return phone

    def settle(self, now: float) -> None:
        """Show what was held back and is due by ``now`` (unix seconds)."""
        while self._later and self._later[0][0] <= now:
            due, _, target, name, behaviour, content = heapq.heappop(self._later)
            at_once = Content(content.kind, 0, content.values, content.cleared, content.template, content.tile)
            self.deliver(target, name, behaviour, at_once, due)

    def shown(self, since: int) -> dict[str, object]:
        """Return the phones that changed after change number ``since``, and the number to ask with next."""
        phones = [phone.shown() for phone in self._phones.values() if phone.changed > since]
        return {
            "epoch": self.epoch,
            "seq": self.change,
            "places": self.most,
            "held_back": len(self._later),
            "phones": phones,
        }
