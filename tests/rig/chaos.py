"""Kills at random, by role, with a printed seed, while people and devices go about their business; then a reckoning.

python -m tests.rig.chaos --kills 500 --devices 20000 --database postgres --machines 2
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from campaigns.pipeline import journal
from devices.common import lifeline
from tests.rig.outcome import Outcome
from tests.rig.world import CONCURRENCY, ROLES, ROOT, World
from tests.waiting import line_of, until

BEHAVIOURS = [
    *["ok"] * 60,
    *["temp-disconnected", "suppressed", "expired", "queue-full-1", "flap-1", "slow-30", "unavailable-1"],
    *["inactive-1", "daily-limit-2", "status-400", "forbidden-1"],
]
LINES = ["slow-30", "reset-after", "flap-1"]
MIXED = {  # devices of every push service but browsers, which are made beside
    "fcm": [*["ok"] * 60, *LINES, "unregistered", "internal-1", "sender-id-mismatch", "hang"],
    "apns": [*["ok"] * 60, "slow-30", "unregistered", "too-many-requests-1", "internal-1", "refused-1", "rst"],
    "wns": [*["ok"] * 60, *LINES, "gone", "dropped", "throttled-1", "unknown"],
    "mpns": BEHAVIOURS,
}
# What happens beside the kills, and how often in comparison.
ACTS = {"pause": 4, "resume": 6, "cancel": 1, "again": 3, "hold": 5, "move": 4, "retire": 2, "erase": 2, "unpark": 1}
MOST = 45.0  # seconds without a push after a kill until the next one follows all the same
PATIENCE = 300.0  # seconds the campaigns get to finish after the last kill
VICTIM = 40.0  # seconds that a role gets to have somebody to be killed
TOLD_EVERY = 20.0  # seconds between two lines of a long run
DAY = 86_400.0  # seconds the emulator's clock is moved on each time: quotas and the hour after a 406 or 412 pass
AT_WORK = 5.0  # of them it is waited for somebody who has a batch, to be frozen
LONG_FREEZES = 0.15  # of all freezes, where there are two machines
BEYOND_LEASE = 24.0  # seconds of a long freeze: then another machine takes the batches (recording.LEASE)
HARMLESS = {"web", "database"}  # no sender ends by these
DUE = """
SELECT 1 FROM campaigns_batch b JOIN campaigns_campaign c ON c.id = b.campaign_id
WHERE (c.paced_until IS NULL OR c.paced_until <= {now})
AND (b.status = 'sending' OR (c.status IN ('preparing', 'sending') AND b.status = 'queued' AND b.due_at <= {now}))
UNION ALL SELECT 1 FROM campaigns_campaign WHERE status = 'preparing' LIMIT 1
"""
OPEN = """
SELECT c.id, c.status, c.paused_because, b.id, b.status, b.attempt, b.claims, b.size, length(b.ids) / 8, b.due_at,
b.lease_until, b.claimed_by FROM campaigns_campaign c LEFT JOIN campaigns_batch b
ON b.campaign_id = c.id AND b.status IN ('queued', 'sending') WHERE c.status NOT IN ('finished', 'cancelled')
OR b.status = 'sending' ORDER BY 1, 4 LIMIT 40
"""


class People:
    """Those who use the installation meanwhile: one process that does what it is told (tests/rig/inside.py)."""

    def __init__(self, world: World) -> None:
        self._process = subprocess.Popen(
            [world.python, "-m", "tests.rig.inside"],
            cwd=ROOT,
            env=world.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(world.folder / "people.log").open("ab"),
            text=True,
        )

    def ask(self, name: str, *given: object) -> Any:
        """Return what came of it; {"refused": why} when it was not possible just then."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *given]) + "\n")
        self._process.stdin.flush()
        return json.loads(line_of(self._process, within=90))

    def go(self) -> None:
        """End."""
        self._process.kill()
        self._process.communicate(timeout=10)


@dataclass
class Chaos:
    """One run against one installation."""

    world: World
    kills: int
    choice: random.Random
    outcome: Outcome
    acts: dict[str, int] = field(default_factory=dict)
    pause: tuple[float, float] = (0.4, 1.2)
    tell: Callable[[str], object] = field(default=lambda line: None)
    watched: Callable[[], object] = field(default=lambda: None)  # called whenever somebody looks
    long_freezes: float = LONG_FREEZES
    _arrived: int = 0
    _since: float = 0.0
    _last: str = ""
    _order: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _day: float = 0.0

    def run(self) -> Outcome:
        """Send and kill until all kills are spent and all campaigns have ended."""
        self.world.start_web()
        self.world.start_workers()
        self.people = People(self.world)
        try:
            self._send()
            while sum(self.outcome.kills.values()) < self.kills and not self.outcome.missed:
                self._round()
            self._bring_home()
        finally:
            self.people.go()
        self._end()
        self.outcome.seconds = time.monotonic() - self._began
        self.tell(f"{self.outcome.seconds:6.0f} s  all have ended; reconciling")
        self.outcome.reports = self.world.ask("check", str(self.world.emulator.ledger_file))
        if self.outcome.violations:
            self.outcome.kept = str(self.world.keep())
        return self.outcome

    def _round(self) -> None:
        """One kill, in the middle of everything else."""
        self._watch(self.choice.uniform(*self.pause))
        until = time.monotonic() + MOST
        while self._last and time.monotonic() < until:  # a kill should meet somebody at work
            self._watch(0.1)
        if self.acts and self.choice.random() < 0.7:
            self._act(self.choice.choices(list(self.acts), list(self.acts.values()))[0])
        if self._idle():
            if self.acts:
                self._act("resume")
            self._send()
        self._strike(self._next_role())

    def _bring_home(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._done() and time.monotonic() < until:
            if self.acts:
                self._act("resume")
                self._act("unpark")
            self._watch(2.0)
        if not self._done():
            self.outcome.unfinished = [str(row) for row in self.world.query(OPEN)]

    def _next_role(self) -> str:
        """Go through all roles in an order of chance, then again: none is left out."""
        if not self._order:
            self._order = self.choice.sample(self.outcome.roles, len(self.outcome.roles))
        return self._order.pop()

    def _send(self) -> None:
        """Start campaigns; phones that are away have read what waited for them (a real queue holds 30)."""
        self.world.emulator.control("read", {})
        kinds: list[tuple[object, ...]] = [(False,), (True,)]
        if self.acts:
            never_twice = self.choice.random() < 0.5
            kinds.append((never_twice, 60_000))  # at a pace
            kinds.append((not never_twice, None, self.choice.uniform(2.0, 15.0)))  # with an end that passes
        for kind in kinds:
            while isinstance(answer := self.people.ask("start", *kind), dict):  # the database is away
                self.outcome.refused[f"start: {answer['refused']}"[:60]] += 1
                self._watch(0.5)
                assert self.outcome.refused.total() < 1000, answer
        self._since = time.monotonic()

    def _act(self, name: str) -> None:
        answer = self.people.ask(name, self.choice.randrange(10**6))
        if isinstance(answer, dict):
            self.outcome.refused[name] += 1
        elif answer:
            self.outcome.acts[name] += 1

    def _idle(self) -> bool:
        """Return whether the database answers and nobody has anything to send at this moment."""
        return bool(self.world.query("SELECT 1")) and not self.world.query(DUE.format(now=self.world.now))

    def _done(self) -> bool:
        """Return whether every campaign has ended and nothing of it is on the wire."""
        statuses = [row[0] for row in self.world.query("SELECT status FROM campaigns_campaign")]
        held = self.world.query("SELECT count(*) FROM campaigns_batch WHERE status = 'sending'")
        return bool(statuses) and set(statuses) <= {"finished", "cancelled"} and held == [(0,)]

    def _watch(self, seconds: float) -> None:
        """Let time pass as a supervisor: what ended is started again, and pauses are measured."""
        until = time.monotonic() + seconds
        while True:
            self.world.start_workers()
            self.world.start_web()
            self.world.hurry()
            size = self.world.emulator.ledger_file.stat().st_size
            now = time.monotonic()
            if size != self._arrived:
                if self._last:
                    self.outcome.pauses.append((now - self._since, self._last))
                self._last, self._arrived, self._since = "", size, now
            elif self._idle():
                self._last, self._since = "", now
            self._chat(now)
            self.watched()
            if now >= until:
                return
            time.sleep(min(0.1, max(0.0, until - now)))

    def _chat(self, now: float) -> None:
        """Move the emulator's day on, and say now and then how it goes."""
        if now - self._day > 5.0:
            self.world.emulator.control("clock", {"advance": DAY})
            self._day = now
        if now - self._told > TOLD_EVERY:
            self.outcome.seconds, self._told = now - self._began, now
            self.outcome.pushes = self.world.emulator.ledger_file.read_bytes().count(b"\n")
            self.tell(self.outcome.progress())

    def _victim(self, role: str) -> psutil.Process | None:
        """Return somebody of a role, waiting until there is one; None when that takes too long."""
        began = time.monotonic()
        until = began + VICTIM
        while True:
            victims = self.world.processes("worker" if role == "freeze" else role)
            if role == "freeze" and time.monotonic() < began + AT_WORK:  # who has no batch loses none by it
                victims = [one for one in victims if str(one.pid) in self._holders()]
            if victims:
                return self.choice.choice(victims)
            if time.monotonic() > until:
                self.outcome.missed[role] += 1
                return None
            self._watch(0.2)

    def _holders(self) -> set[str]:
        """Return the numbers of the processes that have a batch just now."""
        rows = self.world.query("SELECT claimed_by FROM campaigns_batch WHERE status = 'sending'")
        return {str(row[0]).rpartition(" ")[2] for row in rows}

    def _strike(self, role: str) -> None:
        if role == "database":
            assert self.world.database is not None
            self.world.database.crash()
            time.sleep(self.choice.uniform(0.0, 1.5))
            self.world.database.start()
            self._struck(role)
            return
        victim = self._victim(role)
        if victim is None:
            return
        with suppress(psutil.Error):
            if role == "freeze":
                self._freeze(victim)
            else:
                victim.kill()
                if role == "worker":
                    self.outcome.on_the_wire += self._on_the_wire(victim)
                elif role not in HARMLESS:  # the watchdog ends the whole group
                    self.outcome.on_the_wire += CONCURRENCY * self.world.senders
            self._struck(role)

    def _struck(self, role: str) -> None:
        if self._last:  # nothing has arrived since the kill before: that is its pause, and a long one
            self.outcome.pauses.append((time.monotonic() - self._since, self._last))
        self.outcome.kills[role] += 1
        self._last, self._since = role, time.monotonic()

    def _freeze(self, victim: psutil.Process) -> None:
        """Stop a sender for a while, sometimes for longer than its lease: then another machine takes its batches."""
        long = self.world.workers > 1 and self.choice.random() < self.long_freezes
        seconds = BEYOND_LEASE if long else self.choice.uniform(0.5, 3.0)
        victim.send_signal(signal.SIGSTOP)
        try:
            # Nobody asks the database meanwhile: on SQLite the frozen one may hold it, and each question waits 20 s.
            self._watch(seconds) if long else time.sleep(seconds)
        finally:
            victim.send_signal(signal.SIGCONT)
        self.outcome.on_the_wire += CONCURRENCY if long else 0

    def _on_the_wire(self, victim: psutil.Process) -> int:
        """Return how many pushes a sender that was just killed had out, as its journals tell."""
        until(lambda: _dead(victim), 10, "the end of a sender that was killed", every=0.01)
        count = 0
        for path in self.world.folder.glob(f"machine-*/journal/*-{victim.pid}-*.log"):
            try:
                count += sum(len(claimed.doubtful) for claimed in journal.read(path))
            except FileNotFoundError:  # somebody was quicker to adopt it
                count += CONCURRENCY
        return count

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


def _dead(victim: psutil.Process) -> bool:
    """Return whether a process has ended, whether or not its parent has taken notice."""
    try:
        return bool(victim.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def run(
    *,
    kills: int,
    devices: int,
    postgres: bool,
    seed: int,
    roles: tuple[str, ...] = ROLES,
    workers: int = 1,
    long_freezes: float = LONG_FREEZES,
    mixed: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> Outcome:
    """Make an installation, mistreat it, and return what it showed."""
    wanted = tuple(role for role in roles if postgres or role != "database")
    with World(postgres, workers=workers, secure=mixed) as world:
        world.ask("prepare_mixed" if mixed else "prepare", devices, MIXED if mixed else BEHAVIOURS)
        chaos = Chaos(world, kills, random.Random(seed), Outcome(seed, wanted), ACTS, tell=tell)
        chaos.long_freezes = long_freezes
        return chaos.run()


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run from the command line; print the table; 1 when something must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--devices", type=int, default=20_000)
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--mixed", action="store_true", help="devices of all push services, over HTTP/2 as well")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES)
    parser.add_argument("--long-freezes", type=float, default=LONG_FREEZES, help="how many of all, 0 to 1")
    given = parser.parse_args()
    tell(f"seed {given.seed}")
    outcome = run(
        kills=given.kills,
        devices=given.devices,
        postgres=given.database == "postgres",
        seed=given.seed,
        roles=tuple(given.roles),
        workers=given.machines,
        long_freezes=given.long_freezes,
        mixed=given.mixed,
        tell=tell,
    )
    tell(outcome.table())
    for told in outcome.violations:
        tell(f"  {told}")
    if outcome.kept:
        tell(f"Everything is kept in {outcome.kept}.")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
