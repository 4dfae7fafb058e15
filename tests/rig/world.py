"""A whole installation to be mistreated: database, emulator, workers and web server as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg

from tests.emulator import EmulatorProcess
from tests.postgres import Server

ROOT = Path(__file__).resolve().parent.parent.parent
CONCURRENCY = 16  # pushes on the wire of one sender
PATIENCE = "-c statement_timeout=20000"  # milliseconds: no question to the database waits longer
TOLD = ROOT / "tests" / "rig" / "told"  # its sitecustomize lets forked processes tell what they are for
CLOCK_TICK = 1.5  # seconds by which a process' start, counted from a boot in whole seconds, and a file's time differ
ROLES = ("worker", "main", "sentinel", "monitor", "pusher", "runworker", "web", "database", "freeze")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """One installation. Everything it starts ends with ``stop``."""

    postgres: bool
    workers: int = 1  # how many "machines": each a runworker with a folder of its own
    senders: int = 2
    concurrency: int = CONCURRENCY
    host: str = ""  # whom to push to instead of the emulator
    more: Mapping[str, str] = field(default_factory=dict)  # of the environment
    secure: bool = False  # the emulator has a door with TLS as well
    python: str = sys.executable  # what everything of the installation runs on
    _kept: Path | None = None
    folder: Path = field(init=False)
    emulator: EmulatorProcess = field(init=False)
    database: Server | None = field(init=False, default=None)
    runworkers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    web: subprocess.Popen[bytes] | None = None
    web_port: int = 0

    def __enter__(self) -> Self:
        self._keep = tempfile.TemporaryDirectory(prefix="rig-", ignore_cleanup_errors=True)
        self.folder = Path(self._keep.name)
        (self.folder / "roles").mkdir()
        tls = ["--tls-port", "0", "--tls-folder", str(self.folder / "tls")] if self.secure else []
        self.emulator = EmulatorProcess(*tls, ledger=self.folder / "ledger.jsonl")
        try:
            # A crash of this database must lose nothing that it confirmed: fsync stays off (the machine does not fall),
            # but a commit waits until the server has it.
            self.database = Server(synchronous_commit="on", full_page_writes="on") if self.postgres else None
            self.manage("setup")
        except BaseException:  # with no block to leave, nobody else would stop what has started
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def environment(self, machine: int = 0) -> dict[str, str]:
        """Return the environment of a process on ``machine``; on SQLite there is only one."""
        var = self.folder / f"machine-{machine}"
        var.mkdir(exist_ok=True)
        url = self.database.url if self.database else f"sqlite://{self.folder}/db.sqlite3"
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "pushadmin.settings",
            "DATABASE_URL": url,
            "PUSHADMIN_VAR": str(var),
            "PUSHADMIN_EMULATOR": self.host or self.emulator.url.removeprefix("http://"),
            "SECRET_KEY": "rig",
            "ENCRYPTION_KEYS": "cmlncmlncmlncmlncmlncmlncmlncmlncmlncmlncmk=",
            "SENDERS": str(self.senders if self.postgres else 1),
            "PUSH_CONCURRENCY": str(self.concurrency),
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TOLD), os.environ.get("PYTHONPATH")])),
            "RIG_TOLD": str(self.folder / "roles"),
            "SPT_NOENV": "1",  # a title leaves the environment alone, by which everybody() finds them
            **({"PUSHADMIN_EMULATOR_TLS": self.emulator.secure_url[8:]} if self.secure else {}),
            **({"PUSHADMIN_EMULATOR_AUTHORITY": str(self.emulator.authority)} if self.secure else {}),
            **self.more,
        }

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command to its end and return what it printed."""
        command = [self.python, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False, timeout=900
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def ask(self, script: str, *arguments: object, machine: int = 0) -> Any:
        """Run a function of tests.rig.inside in a process of its own; return what it printed as JSON."""
        command = [self.python, "-m", "tests.rig.inside", script, *map(json.dumps, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(machine), capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode:
            raise RuntimeError(f"{script}: {done.stderr[-4000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database directly; [] while it is away."""
        try:
            if self.database is None:
                with sqlite3.connect(self.folder / "db.sqlite3", timeout=20) as lite:
                    return lite.execute(statement).fetchall()
            with psycopg.connect(self.database.url, autocommit=True, connect_timeout=5, options=PATIENCE) as server:
                cursor = server.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
        except (sqlite3.OperationalError, psycopg.Error):
            return []

    @property
    def now(self) -> str:
        """The database's word for this moment."""
        return self.moment(0)

    def moment(self, seconds: int) -> str:
        """Return the database's words for a moment in so many seconds."""
        if self.database:
            return f"(clock_timestamp() + interval '{seconds} seconds')"
        return f"strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds')"

    def hurry(self) -> None:
        """Let nobody wait minutes: what is due later than in a quarter of one, and holds for longer, come in seconds.

        What waits for less keeps its moment, so that holds, paces and repetitions stay what they are.
        """
        later, soon = self.moment(16), self.moment(1)
        self.query(f"UPDATE campaigns_batch SET due_at = {soon} WHERE status = 'queued' AND due_at > {later}")
        self.query(f"UPDATE devices_device SET hold_until = {self.moment(5)} WHERE hold_until > {later}")
        self.query(f"UPDATE campaigns_breaker SET open_until = {self.now} WHERE open_until > {self.now}")

    def keep(self) -> Path:
        """Let the folder outlive the run, under another name; return it."""
        self._kept = self.folder.with_name(f"{self.folder.name}-kept")
        return self._kept

    def start_workers(self) -> None:
        """Start a runworker on every machine; also after it was killed, as a supervisor does."""
        for machine in range(self.workers):
            known = self.runworkers.get(machine)
            if known is None or known.poll() is not None:
                log = (self.folder / f"worker-{machine}.log").open("ab")
                self.runworkers[machine] = subprocess.Popen(
                    [self.python, "manage.py", "runworker"],
                    cwd=ROOT,
                    env=self.environment(machine),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                log.close()

    def start_web(self) -> None:
        """Start the web server; also after it was killed."""
        if self.web is None or self.web.poll() is not None:
            self.web_port = self.web_port or free_port()
            log = (self.folder / "web.log").open("ab")
            self.web = subprocess.Popen(
                [self.python, "manage.py", "runweb"],
                cwd=ROOT,
                env={**self.environment(), "PORT": str(self.web_port)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            log.close()

    def web_answers(self) -> bool:
        """Return whether the web server lives."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/healthz", timeout=2) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def processes(self, role: str) -> list[psutil.Process]:
        """Return the live processes of a role."""
        found: list[psutil.Process] = []
        for runworker in self.runworkers.values():
            if runworker.poll() is None:
                found += self._below(psutil.Process(runworker.pid), role)
        if role == "web" and self.web is not None and self.web.poll() is None:
            found.append(psutil.Process(self.web.pid))
        return found

    def _below(self, runworker: psutil.Process, role: str) -> list[psutil.Process]:
        """Return the processes of a role below one runworker; what is just being born belongs to none."""
        if role == "runworker":
            return [runworker]
        try:
            mains: list[psutil.Process] = runworker.children()
            if role == "main":
                return mains
            sentinels = [child for main in mains for child in main.children()]
            if role == "sentinel":
                return sentinels
            below = [child for sentinel in sentinels for child in sentinel.children()]
        except psutil.Error:
            return []
        return [child for child in below if self._told(child) == role]

    def _told(self, process: psutil.Process) -> str:
        """Return what a process said it is; "" when it has not yet, or when its number's earlier owner said it."""
        path = self.folder / "roles" / str(process.pid)
        with suppress(OSError, psutil.Error):
            if path.stat().st_mtime > process.create_time() - CLOCK_TICK:
                return path.read_text()
        return ""

    def machine_of(self, pid: int) -> str:
        """Return the name of the machine on which a process works; "" when it is gone."""
        with suppress(psutil.Error):
            return Path(psutil.Process(pid).environ()["PUSHADMIN_VAR"]).name
        return ""

    def everybody(self) -> list[psutil.Process]:
        """Return every process that works on this installation, orphans included."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PUSHADMIN_VAR", "").startswith(str(self.folder)):
                    found.append(process)
        return found

    def stop(self) -> None:
        """End everything. Who does not end by itself within half a minute is killed."""
        ours = [*self.runworkers.values(), *([self.web] if self.web else [])]
        with self._keep, ExitStack() as last:
            if self.database:
                last.callback(self.database.stop)
            last.callback(self.emulator.stop)
            for process in ours:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in ours:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=30)
            left = [one for one in self.everybody() if one.pid != self.emulator.process.pid]
            for one in left:
                with suppress(psutil.Error):
                    one.kill()
            psutil.wait_procs(left, timeout=10)
            for process in ours:
                process.wait(timeout=10)
            if self._kept is not None:  # renamed, not copied: SQLite takes its log away when the last reader leaves
                self.folder.rename(self._kept)
