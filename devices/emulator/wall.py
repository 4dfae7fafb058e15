"""The wall: a bounded number of screens, whatever the service, and what each of them shows."""

from __future__ import annotations

import heapq
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

QUIET = 10.0  # seconds a screen must have been quiet before another may take its place on a full wall
MOST_LATER = 10_000  # messages that are held back at once; more are shown at once


@dataclass(slots=True)
class Screen:
    """One device on the wall. ``changed`` is the number of the last change on the whole wall that touched it.

    ``group`` is the list of the answer it is told in: "phones".
    """

    group: ClassVar[str] = ""
    slot: int
    target: str
    name: str
    behaviour: str
    changed: int = 0
    touched: float = 0.0
    received: int = 0

    def take(self, content: Any) -> None:
        """Show what arrived."""
        raise NotImplementedError

    def shown(self) -> dict[str, object]:
        """Return the screen as JSON can carry it."""
        return {
            "slot": self.slot,
            "channel": self.target,
            "name": self.name,
            "behaviour": self.behaviour,
            "changed": self.changed,
            "received": self.received,
        }


class Wall:
    """Screens keep their place. On a full wall a newcomer gets the place of whoever was quiet longest.

    While everyone on it is busy the wall stays as it is: a campaign to a million devices does not make it flicker.
    Only a group that has less than its even share of the places gets one at once, from the group that has most.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.epoch = time.monotonic_ns()  # tells one wall from the one after a reset
        self.change = 0
        self._screens: OrderedDict[str, Screen] = OrderedDict()  # the quietest first
        self._groups: Counter[str] = Counter()
        self._later: list[tuple[float, int, type[Screen], str, str, str, Any]] = []
        self._numbers = count()

    def deliver(
        self, kind: type[Screen], target: str, name: str, behaviour: str, content: Any, now: float, later: float = 0
    ) -> None:
        """Show ``content`` on the screen behind ``target``, ``later`` seconds after ``now`` (unix seconds)."""
        if later and len(self._later) < MOST_LATER:
            heapq.heappush(self._later, (now + later, next(self._numbers), kind, target, name, behaviour, content))
            return
        screen = self._screens.get(target) or self._place(kind, target, name, behaviour)
        if screen is not None:
            self.change += 1
            screen.changed = self.change
            screen.touched = time.monotonic()
            screen.take(content)
            self._screens.move_to_end(target)

    def _place(self, kind: type[Screen], target: str, name: str, behaviour: str) -> Screen | None:
        slot = len(self._screens)
        if slot >= self.most:
            leaving = self._leaving(kind.group)
            if leaving is None:
                return None
            slot = leaving.slot
            del self._screens[leaving.target]
            self._groups[leaving.group] -= 1
            self._groups += Counter()  # a group without a screen is none
        self._groups[kind.group] += 1
        screen = self._screens[target] = kind(slot, target, name, behaviour)
        return screen

    def _leaving(self, group: str) -> Screen | None:
        """Return who makes room on a full wall for a newcomer of ``group``, or None."""
        quietest = next(iter(self._screens.values()), None)
        if quietest is None:
            return None
        has = self._groups[group]
        if has < self.most // (
            len(self._groups) + (not has)
        ):  # asked for every push to a full wall: the cheap part first
            largest = max(self._groups, key=self._groups.__getitem__)
            if self._groups[largest] > has + 1:
                return next(screen for screen in self._screens.values() if screen.group == largest)
        return quietest if time.monotonic() - quietest.touched >= QUIET else None

    def settle(self, now: float) -> None:
        """Show what was held back and is due by ``now`` (unix seconds)."""
        while self._later and self._later[0][0] <= now:
            due, _, kind, target, name, behaviour, content = heapq.heappop(self._later)
            self.deliver(kind, target, name, behaviour, content, due)

    def shown(self, since: int, groups: tuple[str, ...]) -> dict[str, object]:
        """Return the screens of each group that changed after change ``since``, and the number to ask with next."""
        changed = [screen for screen in self._screens.values() if screen.changed > since]
        told: dict[str, object] = {
            "epoch": self.epoch,
            "seq": self.change,
            "places": self.most,
            "held_back": len(self._later),
        }
        for group in groups:
            told[group] = [screen.shown() for screen in changed if screen.group == group]
        return told
