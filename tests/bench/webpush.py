"""What the bench says of Web Push beside the product's own stages: the share of the crypto, and pywebpush."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench import alone
from tests.rig import browsers
from tests.rig.world import ROOT

VARIABLE = "BENCH_PYWEBPUSH"  # in the environment: a Python that has pywebpush
SCRIPT = Path(__file__).with_name("threads.py")
TTL = 604_800  # seconds: what the product asks for when nobody chooses
ONE, TWO = "c Web Push, PostgreSQL, 1 sender", "c Web Push, PostgreSQL, 2 senders"
CRYPTO = "  encryption and VAPID alone"
DOCUMENTED, KEPT = "f pywebpush in 16 threads, as documented", "f pywebpush in 16 threads, connections kept"
Found = Mapping[str, Sequence[tuple[float, ...]]]


def missing(python: str) -> str:
    """Return why pywebpush cannot be measured with this Python ("" for none named), or "" when it can."""
    if not python:
        return f"{VARIABLE} names no Python that has it"
    try:
        done = subprocess.run(
            [python, "-c", "import pywebpush"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{python} does not run: {error}"
    return f"{python} does not have it: {done.stderr.strip()[-200:]}" if done.returncode else ""


def named() -> str:
    """Return the Python that the environment names; "" for none."""
    return os.environ.get(VARIABLE, "")


def threads(python: str, host: str, count: int, within: float, *, kept: bool) -> tuple[float, float]:
    """Return (pushes a second, microseconds of CPU a push) of pywebpush in 16 threads, with the product's own text.

    ``kept`` says whether a thread keeps its connection and the key is read once (tests/bench/threads.py).
    """
    task = {
        "endpoints": browsers.endpoint(host, "p-"),
        "keys": browsers.subscribed(),
        "text": alone.plaintext().decode(),
        "ttl": TTL,
        "private": browsers.PRIVATE,
        "contact": browsers.CONTACT,
        "total": count,
        "kept": kept,
    }
    run = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=True)
    done = run([python, str(SCRIPT)], input=json.dumps(task), timeout=within)
    found = json.loads(done.stdout)
    return count / found["seconds"], 1e6 * found["cpu"] / count


def told(found: Found, absence: str) -> list[str]:
    """Return the lines below the table: what a core does, the crypto's share, how often pywebpush fits into it."""
    lines = []
    for label in (ONE, TWO):
        if runs := found.get(label):
            core = median(1e6 / (one[1] + one[4]) for one in runs)
            lines.append(f"{label[2:]}: {core:,.0f} a second of CPU of senders and database")
    if (runs := found.get(ONE)) and (loops := found.get(CRYPTO)):
        crypto, sender = median(one[1] for one in loops), median(one[1] for one in runs)
        lines.append(f"of the sender's {sender:.0f} µs encryption and VAPID are {crypto:.0f}: {crypto / sender:.0%}")
    for theirs in (DOCUMENTED, KEPT):
        for ours in (ONE, TWO):
            if found.get(theirs) and found.get(ours):
                times = median(one[0] for one in found[ours]) / median(one[0] for one in found[theirs])
                lines.append(f"{ours[2:]}: {times:.1f} times {theirs[2:]}")
    if absence and found.get(ONE):
        lines.append(f"pywebpush: not measured: {absence}")
    return lines
