"""A limit ends everything that it was set for, says what, and leaves the codes of others alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests import waiting

ROOT = Path(__file__).resolve().parents[2]


def bounded(seconds: str, *command: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tests.bounded", seconds, "--", *command]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_limit_ends_the_command_its_children_and_who_left_the_group() -> None:
    done = bounded("1", "sh", "-c", "sleep 1031 & setsid sleep 1032 & wait")
    assert done.returncode == 124
    assert "Not over within 1 s" in done.stderr
    assert "sleep 1031" in done.stderr
    assert "sleep 1032" in done.stderr
    left = [
        one.pid for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[1:] in (["1031"], ["1032"])
    ]
    assert left == []


@pytest.mark.parametrize(("ending", "code"), [("exit 7", 7), ("exit 0", 0), ("kill -9 $$", 137)])
def test_a_command_that_ends_by_itself_keeps_its_code(ending: str, code: int) -> None:
    done = bounded("30", "sh", "-c", ending)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_wait_says_what_it_waited_for_and_what_it_saw() -> None:
    with pytest.raises(AssertionError, match=r"more than 0\.1 s, for: the moon; saw 'clouds'"):
        waiting.until(lambda: False, 0.1, "the moon", saw=lambda: "clouds")
    assert waiting.until(lambda: True, 0.1, "nothing") < 0.1


def test_a_thread_that_does_not_end_is_a_failure() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(30,), daemon=True, name="sleeper")
    thread.start()
    with pytest.raises(AssertionError, match="sleeper"):
        waiting.ended(thread, within=0.1)
    over.set()
    waiting.ended(thread)


def test_a_program_that_says_nothing_is_a_failure_and_is_killed() -> None:
    silent = subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, text=True)
    with pytest.raises(AssertionError, match="printed no line within"), waiting.ending(silent):
        waiting.line_of(silent, within=0.2)
    assert silent.poll() == -9
