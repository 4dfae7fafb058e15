"""The Firefox of the tests ends with all it started, however its tests end, and says why it did not start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import firefox as rig
from tests.firefox import Firefox, MarionetteError, alive, descent
from tests.waiting import ending, line_of, until

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


def test_nothing_is_left_of_it() -> None:
    with Firefox() as firefox:
        firefox.open("about:blank")
        started, folder = descent(firefox.process.pid), Path(firefox._folder.name)
        assert len(started) > 1
        assert firefox.seconds_to_start < rig.START
        outside = firefox.outside.port
    firefox.stop()  # a second time is no harm
    assert not any(map(alive, started))
    assert not folder.exists()
    listening = {one.laddr.port for one in psutil.Process().net_connections("tcp") if one.status == "LISTEN"}
    assert outside not in listening


def test_it_ends_with_a_test_run_that_is_killed() -> None:
    lines = ["running = Firefox()", "print(running.process.pid, flush=True)", "time.sleep(60)"]
    script = "\n".join(["import time", "from tests.firefox import Firefox", *lines])
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with ending(run):
        started = descent(int(line_of(run, within=60)))
        folder = Path(started[0].environ()["HOME"])
        run.kill()
    until(
        lambda: not any(map(alive, started)),
        10,
        "Firefox to end",
        saw=lambda: [one.pid for one in started if alive(one)],
    )
    shutil.rmtree(folder)  # what a killed run cannot do


@pytest.mark.parametrize(("does", "seconds"), [("echo no display; exit 1", 30.0), ("sleep 100", 0.5)])
def test_one_that_does_not_start_says_so_in_time(
    does: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "firefox-esr"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(rig, "START", seconds)
    before, began = {one.pid for one in psutil.Process().children()}, time.monotonic()
    with pytest.raises((RuntimeError, AssertionError), match=r"no display|Firefox to listen"):
        Firefox()
    assert time.monotonic() - began < 10
    assert {one.pid for one in psutil.Process().children()} <= before


def test_a_machine_without_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.fail.Exception, match="install the package “firefox-esr”"):
        Firefox()


def test_a_script_has_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "SCRIPT", 0.5)
    with Firefox() as firefox:
        with pytest.raises(MarionetteError, match="timeout"):
            firefox.run("await new Promise(() => {})")
        assert firefox.run("return args[0] + args[1]", 2, 3) == 5
