"""`make run` for real: the children come up together, go down together, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
READY = "Sign in once"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A DATABASE_URL of this module's own, on the server that the tests run on; "" for SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield ""
        return
    name = f"serve_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def installation(database: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation that is set up once for all tests here."""
    var = str(tmp_path_factory.mktemp("var"))
    environment = {**os.environ, "PUSHADMIN_VAR": var, "DATABASE_URL": database}
    subprocess.run([sys.executable, "manage.py", "setup"], cwd=ROOT, env=environment, check=True, timeout=90)
    return environment


class Running:
    """manage.py serve, with its words in a file and its descendants found by their environment."""

    def __init__(self, installation: dict[str, str], folder: Path, *flags: str) -> None:
        self.port, self.wall = free_port(), free_port()
        self._mark = f"PUSHADMIN_TEST_RUN={uuid.uuid4().hex}"
        ports = {"PORT": str(self.port), "EMULATOR_PORT": str(self.wall), "EMULATOR_TLS_PORT": str(free_port())}
        variable, value = self._mark.split("=")
        self._words = folder / "words"
        with self._words.open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", *flags],
                cwd=ROOT,
                env={**installation, **ports, variable: value},
                stdout=words,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._words.read_text()

    def pids(self, *words: str) -> list[int]:
        """Return the living processes of this run whose command line has these words."""
        living = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        return [pid for pid in living if self._is_ours(pid, words)]

    def _is_ours(self, pid: int, words: tuple[str, ...]) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
        return self._mark in environment and all(word in command for word in words)

    def await_ready(self) -> None:
        until(lambda: READY in self.said() or self.process.poll() is not None, 60, READY, saw=self.said)
        assert self.process.poll() is None, self.said()

    def end(self) -> None:
        """Leave nothing behind, whatever the test found."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=10)


@pytest.fixture
def running(request: pytest.FixtureRequest, installation: dict[str, str], tmp_path: Path) -> Iterator[Running]:
    run = Running(installation, tmp_path, *getattr(request, "param", ["--no-demo"]))
    try:
        run.await_ready()
        yield run
    finally:
        run.end()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("running", [[]], indirect=True, ids=["with the demo"])
def test_everything_starts_with_one_command_and_ends_with_ctrl_c(running: Running) -> None:
    assert answers(f"http://127.0.0.1:{running.wall}/")
    until(lambda: answers(f"http://127.0.0.1:{running.port}/readyz"), 30, "/readyz", saw=running.said)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=40) == 0, running.said()
    assert running.pids() == []
    assert "Traceback" not in running.said()


def test_a_child_that_falls_takes_the_others_along_and_is_named(running: Running) -> None:
    os.kill(min(running.pids("runweb")), signal.SIGKILL)
    assert running.process.wait(timeout=40) == 1
    assert "The web server ended by itself" in running.said()
    until(lambda: running.pids() == [], 5, "the end of all", saw=running.pids)


def test_nobody_outlives_a_parent_that_was_killed(running: Running) -> None:
    running.process.kill()
    until(lambda: running.pids() == [], 40, "the end of all", saw=running.pids)


def test_a_port_that_is_taken_is_named_before_anything_starts(installation: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "manage.py", "serve"]
        environment = {**installation, "PORT": str(port)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"CommandError: Port {port} is taken. Stop what listens there, or choose another one: PORT={port + 1} make run"
    )
