"""The rig finds every role of an installation, wherever Python lies and however often a process came again."""

from __future__ import annotations

import string
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.rig.world import World
from tests.waiting import until

SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]
SENDERS = 1 if SQLITE else 2
EXPECTED = {"runworker": 1, "main": 1, "sentinel": 1, "worker": SENDERS, "monitor": 1, "pusher": 1}


def shortest_folder() -> Path:
    """Make a folder with a name of one letter where folders for a while belong."""
    for letter in string.ascii_letters:
        folder = Path(tempfile.gettempdir()) / letter
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise RuntimeError("every name of one letter is taken")


@contextmanager
def python_below(length: int) -> Iterator[str]:
    """Yield a Python whose environment lies below a path of about ``length`` characters; 0 for the shortest."""
    folder = shortest_folder()
    try:
        deep = folder / "d" / ("x" * max(0, length - len(str(folder)) - 5)) if length else folder
        deep.mkdir(parents=True, exist_ok=True)
        (deep / "v").symlink_to(sys.prefix)
        yield str(deep / "v" / "bin" / Path(sys.executable).name)
    finally:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_symlink() else path.rmdir()
        folder.rmdir()


def roles(world: World) -> dict[str, int]:
    return {role: len(world.processes(role)) for role in EXPECTED}


def killed(world: World, role: str) -> int:
    """Kill one process of a role and return its number."""
    (victim, *_) = world.processes(role)
    victim.kill()
    return int(victim.pid)


@pytest.mark.parametrize("length", [pytest.param(0, id="shortest"), pytest.param(200, id="200 characters")])
def test_every_role_is_found_wherever_python_lies_and_after_it_came_again(length: int) -> None:
    with python_below(length) as python, World(postgres=not SQLITE, senders=SENDERS, python=python) as world:
        world.start_workers()
        until(lambda: roles(world) == EXPECTED, 30, "every role once", saw=lambda: roles(world))
        for role in ("worker", "monitor"):
            gone = killed(world, role)
            until(
                lambda: roles(world) == EXPECTED and not psutil.pid_exists(gone),  # noqa: B023 (used at once)
                30,
                f"another {role}",
                saw=lambda: roles(world),
            )
        killed(world, "runworker")  # asked to stop it would take 22 s: the killed worker's lock keeps the queue shut
