"""Who gets a place on the wall when it is full."""

from __future__ import annotations

from typing import ClassVar

import pytest

from devices.emulator import wall as walls
from devices.emulator.wall import Screen, Wall


class One(Screen):
    group: ClassVar[str] = "ones"

    def take(self, content: object) -> None:
        self.received += 1


class Other(One):
    group: ClassVar[str] = "others"


class Third(One):
    group: ClassVar[str] = "thirds"


def shown(wall: Wall) -> dict[str, list[str]]:
    told = wall.shown(0, ("ones", "others"))
    return {group: [screen["channel"] for screen in told[group]] for group in ("ones", "others")}  # type: ignore[attr-defined]


def deliver(wall: Wall, kind: type[Screen], *targets: str) -> None:
    for target in targets:
        wall.deliver(kind, target, target, "ok", None, 0)


def test_a_busy_wall_stays_as_it_is() -> None:
    wall = Wall(4)
    deliver(wall, One, *"abcdef")
    assert shown(wall) == {"ones": ["a", "b", "c", "d"], "others": []}


def test_a_group_without_its_share_gets_it_at_once() -> None:
    wall = Wall(4)
    deliver(wall, One, *"abcd")
    deliver(wall, Other, *"vwxyz")
    assert shown(wall) == {"ones": ["c", "d"], "others": ["v", "w"]}
    slots = [screen["slot"] for group in ("ones", "others") for screen in wall.shown(0, (group,))[group]]  # type: ignore[attr-defined]
    assert sorted(slots) == [0, 1, 2, 3]


def test_the_quietest_leaves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(2)
    deliver(wall, One, "a", "b", "a")
    monkeypatch.setattr(walls, "QUIET", 0.0)
    deliver(wall, One, "c")
    assert sorted(shown(wall)["ones"]) == ["a", "c"]


def test_who_left_the_wall_has_no_share_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(4)
    with monkeypatch.context() as patched:
        patched.setattr(walls, "QUIET", 0.0)
        deliver(wall, Other, "v")
        deliver(wall, One, *"abcd")
    deliver(wall, Third, *"xyz")
    assert [screen["channel"] for screen in wall.shown(0, ("thirds",))["thirds"]] == ["x", "y"]  # type: ignore[attr-defined]


def test_a_wall_without_places_shows_nobody() -> None:
    wall = Wall(0)
    deliver(wall, One, "a")
    deliver(wall, Other, "v")
    assert shown(wall) == {"ones": [], "others": []}


def test_what_comes_later_is_held_back_until_then() -> None:
    wall = Wall(2)
    wall.deliver(One, "a", "a", "ok", None, 100, later=450)
    wall.settle(549)
    assert shown(wall)["ones"] == []
    wall.settle(550)
    assert shown(wall)["ones"] == ["a"]
