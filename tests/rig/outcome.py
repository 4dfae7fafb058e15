"""What a run of the rig showed: kills, pauses, every campaign reconciled, and everything that must not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LONGEST_PAUSE = 30.0  # seconds from a kill to the next push while something is due


@dataclass
class Outcome:
    """One run. ``violations`` are sentences; empty means that every promise was kept."""

    seed: int
    roles: tuple[str, ...] = ()  # that were to be killed
    kills: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)  # what people and devices did meanwhile
    refused: Counter[str] = field(default_factory=Counter)  # of that, what was not possible just then
    missed: Counter[str] = field(default_factory=Counter)  # roles that had nobody to be killed, after a long look
    seconds: float = 0.0
    pauses: list[tuple[float, str]] = field(default_factory=list)  # seconds from a kill to the next push, and the role
    on_the_wire: int = 0  # pushes that may have been out, at the kills that can double them
    pushes: int = 0
    reports: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # processes and journals that outlived the run
    unfinished: list[str] = field(default_factory=list)
    kept: str = ""  # the folder of a run that did not end well

    @property
    def violations(self) -> list[str]:
        """Everything that must not be."""
        found = [f"{role} was never killed" for role in self.roles if not self.kills[role]]
        found += [f"{role} had nobody to be killed, {count} times" for role, count in self.missed.items()]
        found += [f"campaign {one['campaign']}: {told}" for one in self.reports for told in one["violations"][:5]]
        found += [
            f"campaign {one['campaign']}: {one['twice']} twice, with “never twice”"
            for one in self.reports
            if one["never_twice"] and one["twice"]
        ]
        found += [f"left behind: {name}" for name in self.left]
        found += [f"not finished: {told}" for told in self.unfinished]
        if self.lost:
            found.append(f"{self.lost} devices without an outcome in campaigns that are finished")
        if self.twice > self.on_the_wire:
            found.append(f"{self.twice} devices twice, but only {self.on_the_wire} pushes can have been on the wire")
        found += [f"{pause:.1f} s without a push after {role}" for pause, role in self.pauses if pause > LONGEST_PAUSE]
        return found

    @property
    def twice(self) -> int:
        """Devices that got two copies."""
        return sum(int(one["twice"]) for one in self.reports)

    @property
    def lost(self) -> int:
        """Devices of finished campaigns that have no outcome."""
        finished = [one for one in self.reports if one["status"] == "finished"]
        return sum(one["audience"] - one["final"] - one["parked"] for one in finished)

    def progress(self) -> str:
        """Return the line that a long run prints again and again."""
        longest = max(self.pauses, default=(0.0, "nobody"))
        return (
            f"{self.seconds:6.0f} s  {sum(self.kills.values())} kills ({_counted(self.kills)}), "
            f"{self.pushes:,} pushes arrived, longest pause {longest[0]:.1f} s after {longest[1]}"
        )

    def table(self) -> str:
        """Return the run as a table."""
        never = [one for one in self.reports if one["never_twice"]]
        statuses = Counter(one["status"] for one in self.reports)
        rows = [
            ("seed", self.seed),
            ("kills", f"{sum(self.kills.values())}: {_counted(self.kills)}"),
            ("meanwhile", _counted(self.acts)),
            ("of that not possible then", _counted(self.refused) or "nothing"),
            ("seconds", f"{self.seconds:.0f}"),
            ("campaigns", f"{len(self.reports)}: {_counted(statuses)}"),
            ("deliveries", f"{sum(one['rows'] for one in self.reports):,}"),
            ("pushes that arrived", f"{sum(one['taken'] for one in self.reports):,}"),
            ("lost", self.lost),
            ("devices with two copies", self.twice),
            ("of them with “never twice”", sum(one["twice"] for one in never)),
            ("on the wire when doubled", f"at most {self.on_the_wire}"),
            ("marked as possible seconds", sum(one["marked"] for one in self.reports)),
            ("not known", sum(one["unknown"] for one in self.reports)),
            ("parked", sum(one["parked"] for one in self.reports)),
            (
                "longest pauses after a kill",
                ", ".join(f"{role} {pause:.1f} s" for pause, role in sorted(self.pauses)[:-6:-1]),
            ),
            ("violations", len(self.violations)),
        ]
        return "\n".join(f"{name:28} {value}" for name, value in rows)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
