"""make bench-scale: how long somebody waits when there are a million devices and ten million deliveries.

On a PostgreSQL of its own. It fails only when a page does: whether a goal is met is what the table says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import django
import psycopg

from tests.bench.row import Row
from tests.postgres import Server

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 2400  # seconds that growing and measuring get together


def environment(url: str, var: str) -> dict[str, str]:
    """Return the environment of the installation that is measured."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pushadmin.settings",
        "DATABASE_URL": url,
        "PUSHADMIN_VAR": var,
        "SECRET_KEY": "bench",
        "ENCRYPTION_KEYS": "YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoYmU=",
        "LOG_LEVEL": "ERROR",
    }


def table(rows: Iterable[Row]) -> str:
    """Return one line for each row, with its goal and whether it is met, and how many are."""
    rows = list(rows)
    lines = [f"{'':42} {'median':>9} {'first':>9} {'goal':>9}"]
    for row in rows:
        times = " ".join(f"{1000 * seconds:6,.0f} ms" for seconds in (row.seconds, row.first, row.goal))
        lines.append(f"{row.label:42} {times}  {'met' if row.met else 'MISSED'}{row.told}")
    met = sum(row.met for row in rows)
    lines += ["", f"{met} of {len(rows)} goals are met. First: with nothing in the cache."]
    return "\n".join(lines)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Grow an installation, measure it in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--deliveries", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5, help="of which the median is taken")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with Server(shared_buffers="256MB") as server, tempfile.TemporaryDirectory(prefix="scale-") as var:
        surroundings = environment(server.url, var)
        command = [sys.executable, "manage.py", "setup"]
        subprocess.run(command, cwd=ROOT, env=surroundings, check=True, timeout=300, stdout=subprocess.DEVNULL)
        numbers = [str(number) for number in (given.devices, given.deliveries, given.runs)]
        command = [sys.executable, "-m", "tests.bench.scale", "--inside", *numbers]
        done = subprocess.run(
            command, cwd=ROOT, env=surroundings, check=False, timeout=LONGEST, stdout=subprocess.PIPE, text=True
        )
        with psycopg.connect(server.url, connect_timeout=5) as connection:
            version = connection.info.parameter_status("server_version")
    if done.returncode:
        say("failed: see above")
        return 1
    told, *measured = [json.loads(line) for line in done.stdout.splitlines()]
    say("\n" + table(Row(**row) for row in measured))
    counted = ", ".join(f"{count:,} {name}" for name, count in told.items())
    say(f"{counted}; PostgreSQL {version}, {os.cpu_count()} cores; {time.monotonic() - began:.0f} s in all")
    return 0


def inside(devices: int, deliveries: int, runs: int) -> None:
    """Do the work where Django is: grow, measure, and print what was found as lines of JSON; errors tell of the way."""
    django.setup()
    from tests.bench import grown, pages

    began = time.monotonic()
    grown.campaigns(grown.devices(devices), deliveries)
    grown.settle()
    sys.stderr.write(f"grown in {time.monotonic() - began:.0f} s\n")
    say(json.dumps(grown.counts()))
    for row in pages.measure(runs):
        sys.stderr.write(f"{row.label:42} {1000 * row.seconds:6,.0f} ms, at first {1000 * row.first:6,.0f} ms\n")
        say(json.dumps(asdict(row)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*map(int, sys.argv[2:]))
    else:
        sys.exit(main())
