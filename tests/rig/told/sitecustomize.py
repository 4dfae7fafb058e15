"""Lets every process that multiprocessing forks tell what it was forked for, in RIG_TOLD/<pid>; found by PYTHONPATH.

A title cannot tell it: with SPT_NOENV it has no more room than the command line, and is cut. Python imports this module
at its start; without RIG_TOLD it does nothing.
"""

from __future__ import annotations

import os

# os.path and open, because whoever starts Python should not have to import pathlib for this:
# ruff: noqa: PTH105, PTH118, PTH123


def tell(folder: str) -> None:
    """Write the name of this process' target: worker, monitor, pusher, Sentinel. Silent when it cannot."""
    from multiprocessing import current_process

    try:
        path = os.path.join(folder, str(os.getpid()))
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(getattr(getattr(current_process(), "_target", None), "__name__", ""))
        os.replace(f"{path}.new", path)
    except Exception:  # noqa: BLE001 (what is watched must not notice)
        return


def register(folder: str) -> None:
    """Let every child that multiprocessing forks from here on tell, and theirs."""
    from multiprocessing import util

    util.register_after_fork(tell, lambda kept: kept(folder))  # holds its first argument weakly: this module keeps it


if told := os.environ.get("RIG_TOLD"):
    register(told)
