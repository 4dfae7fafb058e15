"""Behaviours that an address names: ``queue-full-2.dev-7`` asks for "queue-full" with the argument "2".

An id begins with a behaviour, a dash and an argument if it takes one, then a dot and anything that tells devices
apart. What a behaviour does is the service's own affair; here is how its name is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

from devices.emulator.exchange import Early

LONGEST_WAIT = 3_600_000  # milliseconds
MOST_TIMES = 1_000_000
TRAP = "/emulator/trap"  # where redirects lead; nobody should ever ask for it

Act = TypeVar("Act")
Turn = TypeVar("Turn")


@dataclass(frozen=True)
class Behaviour(Generic[Act]):
    """One row: the name in the address, what it means for a reader of the docs, what makes it from its argument.

    ``make`` gets "" when there is no argument and raises ValueError for one that makes no sense.
    """

    name: str
    means: str
    make: Callable[[str], Act]
    early: Callable[[str], Early] | None = None


@dataclass(frozen=True, eq=False)
class Plan(Generic[Act]):
    """A behaviour with its argument, ready to act. ``name`` is how the address spells it: "queue-full-2"."""

    name: str
    act: Act
    early: Early | None = None


class Table(Generic[Act]):
    """The behaviours of one service."""

    def __init__(self, rows: Sequence[Behaviour[Act]]) -> None:
        self._by_name = {row.name: row for row in rows}
        self._longest_first = sorted(self._by_name, key=len, reverse=True)
        self.plan = lru_cache(maxsize=1024)(self._plan)

    def _plan(self, text: str) -> Plan[Act] | None:
        """Read a behaviour as the address spells it ("queue-full-2"). None when there is no such behaviour."""
        known = self._by_name
        name = text if text in known else next((n for n in self._longest_first if text.startswith(n + "-")), "")
        if not name:
            return None
        behaviour, argument = known[name], text[len(name) + 1 :]
        try:
            act = behaviour.make(argument)
            early = behaviour.early(argument) if behaviour.early else None
        except ValueError:
            return None
        return Plan(text, act, early)

    def plan_of_id(self, channel_id: str) -> Plan[Act] | None:
        """Return the behaviour that an id begins with, or None when it names none."""
        name, dot, _ = channel_id.partition(".")
        return self.plan(name) if dot else None

    def needed(self, text: str) -> Plan[Act]:
        """Like ``plan``, but raises ValueError with a sentence."""
        found = self.plan(text)
        if found is None:
            raise ValueError(f"no such behaviour: {text}")
        return found


def always(act: Act) -> Callable[[str], Act]:
    """Return what makes a behaviour without argument."""

    def make(argument: str) -> Act:
        if argument:
            raise ValueError(f"takes no argument: {argument}")
        return act

    return make


def only(turn: Turn) -> Callable[[Any], Turn]:
    """Return what does the same each time."""
    return lambda push: turn


def times(
    turn: Turn, then: Turn, tries: Callable[[Any], int] = attrgetter("tries")
) -> Callable[[str], Callable[[Any], Turn]]:
    """Return what makes: always ``turn``, or with an argument n: ``turn`` n times and then ``then``.

    ``tries`` tells the number of a push, the first being 1.
    """

    def make(argument: str) -> Callable[[Any], Turn]:
        if not argument:
            return only(turn)
        most = number(argument, MOST_TIMES)
        return lambda push: turn if tries(push) <= most else then

    return make


def number(argument: str, most: int) -> int:
    """Read a number from 0 to ``most``. Raises ValueError."""
    if not (argument.isascii() and argument.isdigit()) or int(argument) > most:
        raise ValueError(f"not a number up to {most}: {argument}")
    return int(argument)


def seconds(argument: str, default: str = "1000") -> float:
    """Read milliseconds, ``default`` without an argument, and return seconds. Raises ValueError."""
    return number(argument or default, LONGEST_WAIT) / 1000


def early_wait(argument: str) -> Early:
    """Wait so many milliseconds (1000) before the body is read."""
    return Early(seconds=seconds(argument))
