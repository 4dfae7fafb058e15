"""Kills at random, by role, with a printed seed; then reads what became of every device.

python -m tests.rig.chaos --kills 500 --devices 100000 --database postgres
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from campaigns import lifeline
from tests.rig.world import CONCURRENCY, ROLES, World

BEHAVIOURS = [
    *["ok"] * 40,
    "temp-disconnected",
    "suppressed",
    "expired",
    "queue-full-1",
    "flap-1",
    "slow-30",
    "unavailable-1",
]
MOST = 45.0  # seconds without a push after a kill until the next one follows all the same
PATIENCE = 300.0  # seconds the campaigns get to finish after the last kill


@dataclass
class Outcome:
    """What one run showed."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    pauses: list[tuple[float, str]] = field(default_factory=list)  # seconds from a kill to the next push, and the role
    reports: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # processes and journals that outlived the run
    unfinished: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Everything that must not be, as sentences."""
        found = [f"campaign {one['campaign']}: {told}" for one in self.reports for told in one["violations"][:5]]
        found += [
            f"campaign {one['campaign']}: {one['twice']} twice"
            for one in self.reports
            if one["never_twice"] and one["twice"]
        ]
        found += [f"left behind: {name}" for name in self.left]
        found += [f"not finished: {status}" for status in self.unfinished]
        if self.twice > self.allowed:
            found.append(f"{self.twice} duplicates, more than the {self.allowed} pushes that can have been on the wire")
        return found

    @property
    def twice(self) -> int:
        """Devices that got two copies."""
        return sum(int(one["twice"]) for one in self.reports)

    @property
    def allowed(self) -> int:
        """How many pushes can have been on the wire at the kills that end a sender."""
        fatal = sum(count for role, count in self.kills.items() if role not in {"web", "monitor", "pusher"})
        return fatal * CONCURRENCY * 2

    def table(self) -> str:
        """Return the run as a table."""
        rows = [
            ("seed", self.seed),
            (
                "kills",
                f"{sum(self.kills.values())}: "
                + ", ".join(f"{role} {count}" for role, count in self.kills.most_common()),
            ),
            ("seconds", f"{self.seconds:.0f}"),
            ("campaigns", len(self.reports)),
            ("deliveries", sum(one["rows"] for one in self.reports)),
            ("pushes that arrived", sum(one["taken"] for one in self.reports)),
            ("lost", sum(one["audience"] - one["final"] - one["parked"] for one in self.reports)),
            ("devices with two copies", self.twice),
            ("of them with “never twice”", sum(one["twice"] for one in self.reports if one["never_twice"])),
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


@dataclass
class Chaos:
    """One run against one installation."""

    world: World
    kills: int
    roles: tuple[str, ...]
    choice: random.Random
    outcome: Outcome
    pause: tuple[float, float] = (0.4, 1.2)
    _arrived: int = 0
    _since: float = 0.0
    _last: str = ""
    _order: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Send and kill until all kills are spent and all campaigns are finished."""
        began = time.monotonic()
        self.world.start_web()
        self.world.start_workers()
        self._send()
        self._since = time.monotonic()
        while sum(self.outcome.kills.values()) < self.kills:
            self._watch(self.choice.uniform(*self.pause))
            while self._last and time.monotonic() - self._since < MOST:  # a kill should meet somebody at work
                self._watch(0.1)
            if self._done():
                self._send()
            self._strike(self._next_role())
        until = time.monotonic() + PATIENCE
        while not self._done() and time.monotonic() < until:
            self._watch(0.5)
        self.outcome.unfinished = [str(row[0]) for row in self._statuses() if row[0] != "finished"]
        self._end()
        self.outcome.seconds = time.monotonic() - began
        self.outcome.reports = self.world.ask("check", str(self.world.emulator.ledger_file))
        return self.outcome

    def _next_role(self) -> str:
        """Go through all roles in an order of chance, then again: none is left out."""
        if not self._order:
            self._order = self.choice.sample(self.roles, len(self.roles))
        return self._order.pop()

    def _send(self) -> None:
        self.world.ask("start", "no")
        self.world.ask("start", "yes")
        self._since = time.monotonic()

    def _statuses(self) -> list[tuple[Any, ...]]:
        return self.world.query("SELECT status FROM campaigns_campaign")

    def _done(self) -> bool:
        statuses = self._statuses()
        return bool(statuses) and all(row[0] == "finished" for row in statuses)

    def _watch(self, seconds: float) -> None:
        """Let time pass as a supervisor: what ended is started again, and pauses are measured."""
        until = time.monotonic() + seconds
        while True:
            self.world.start_workers()
            self.world.start_web()
            self.world.hurry()
            size = self.world.emulator.ledger_file.stat().st_size
            now = time.monotonic()
            if size != self._arrived or self._done():
                if self._last:
                    self.outcome.pauses.append((now - self._since, self._last))
                self._last = ""
                self._arrived, self._since = size, now
            if now >= until:
                return
            time.sleep(min(0.1, max(0.0, until - now)))

    def _strike(self, role: str) -> None:
        self._last, self._since = role, time.monotonic()
        if role == "database":
            if self.world.database:
                self.world.database.crash()
                time.sleep(self.choice.uniform(0.0, 1.5))
                self.world.database.start()
                self.outcome.kills[role] += 1
            return
        victims = self.world.processes("worker" if role == "freeze" else role)
        if not victims:
            return
        victim = self.choice.choice(victims)
        with suppress(psutil.Error):
            if role == "freeze":
                victim.send_signal(signal.SIGSTOP)
                time.sleep(self.choice.uniform(0.5, 3.0))
                victim.send_signal(signal.SIGCONT)
            else:
                victim.kill()
            self.outcome.kills[role] += 1

    def _end(self) -> None:
        """Stop as a deployment does, and look what is left."""
        for process in self.world.runworkers.values():
            process.send_signal(signal.SIGTERM)
        for process in self.world.runworkers.values():
            process.wait(timeout=60)
        if self.world.web:
            self.world.web.send_signal(signal.SIGTERM)
            self.world.web.wait(timeout=30)
        until = time.monotonic() + lifeline.GRACE + 2  # what a runworker that was killed just now left to itself
        while self._others() and time.monotonic() < until:
            time.sleep(0.2)
        for left in self._others():
            with suppress(psutil.Error):
                self.outcome.left.append(" ".join(left.cmdline())[:100])
        for machine in range(self.world.workers):
            self.world.ask("sweep", machine=machine)  # as the next start begins
        self.outcome.left += [path.name for path in self.world.folder.glob("machine-*/journal/*")]

    def _others(self) -> list[psutil.Process]:
        """Return the processes of the installation that should have ended."""
        return [one for one in self.world.everybody() if one.pid != self.world.emulator.process.pid]


def run(
    *, kills: int, devices: int, postgres: bool, seed: int, roles: tuple[str, ...] = ROLES, workers: int = 1
) -> Outcome:
    """Make an installation, mistreat it, and return what it showed."""
    wanted = tuple(role for role in roles if postgres or role != "database")
    with World(postgres, workers=workers) as world:
        world.ask("prepare", str(devices), json.dumps(BEHAVIOURS))
        return Chaos(world, kills, wanted, random.Random(seed), Outcome(seed)).run()


def main() -> int:
    """Run from the command line; print the table; 1 when something must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--devices", type=int, default=20_000)
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    outcome = run(
        kills=given.kills,
        devices=given.devices,
        postgres=given.database == "postgres",
        seed=given.seed,
        workers=given.machines,
    )
    sys.stdout.write(outcome.table() + "\n")
    for told in outcome.violations:
        sys.stdout.write(f"  {told}\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
