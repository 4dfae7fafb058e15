"""make bench: how fast the whole product is beside its parts and beside other ways, in one run on one machine.

Everything goes to one local server that accepts every push; the figures are medians, and the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil

from devices.push.base import Target
from devices.push.services import find
from tests.bench import alone, target
from tests.rig.world import ROOT, World

WRK = """
wrk.method = "POST"
wrk.body = {body!r}
{headers}
"""


def ceiling(host: str, seconds: int) -> float:
    """Return requests a second of wrk with the same request; 0.0 without wrk."""
    if not (wrk := shutil.which("wrk")):
        return 0.0
    service = find("mpns")
    payload = service.encode(alone.MESSAGE, "8.0")
    request = service.build(Target(alone.url(host, 1)), payload, alone.IDENTITY, None)
    headers = "\n".join(f"wrk.headers[{name!r}] = {value!r}" for name, value in request.headers)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "push.lua"
        script.write_text(WRK.format(body=payload.body.decode(), headers=headers))
        command = [wrk, "-t1", "-c64", f"-d{seconds}s", "-s", str(script), request.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    found = re.search(r"Requests/sec:\s+([0-9.]+)", told)
    return float(found[1]) if found else 0.0


def one_way(way: str, host: str, count: int) -> tuple[float, float]:
    """Return (pushes a second, microseconds of CPU a push) of a way in tests.bench.alone."""
    command = [sys.executable, "-m", "tests.bench.alone", way, host, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    found = json.loads(done.stdout)
    return count / found["seconds"], 1e6 * found["cpu"] / count


def product(host: str, count: int, *, postgres: bool, senders: int) -> tuple[float, float, float]:
    """Send one campaign with history; return (deliveries a second, µs of CPU a delivery, seconds to the first push)."""
    with World(postgres, senders=senders, concurrency=64, host=host) as world:
        world.ask("prepare", str(count), '["ok"]')
        world.start_workers()
        while len(world.processes("worker")) < senders:
            time.sleep(0.2)
        time.sleep(1.0)
        before = _cpu(world)
        world.ask("start", "no")
        until = time.monotonic() + 300
        while world.query("SELECT status FROM campaigns_campaign") != [("finished",)] and time.monotonic() < until:
            time.sleep(0.2)
        spent = _cpu(world) - before
        ((first, last, started),) = world.query(
            "SELECT min(at), max(at), (SELECT started_at FROM campaigns_campaign) FROM campaigns_delivery"
        )
        seconds = _moment(last) - _moment(first)
        return count / seconds, 1e6 * spent / count, _moment(first) - _moment(started)


def _moment(value: object) -> float:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    assert isinstance(value, datetime)
    return value.timestamp()


def _cpu(world: World) -> float:
    """Return the seconds of CPU that the senders took so far."""
    total = 0.0
    for process in world.processes("worker"):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    """Run everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="pushes of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with target.server() as (host, name):
        found: dict[str, list[tuple[float, ...]]] = {}
        for _ in range(given.rounds):
            found.setdefault("a wrk, the ceiling", []).append((ceiling(host, 4), 0.0))
            found.setdefault("  a bare loop over libcurl", []).append(one_way("libcurl", host, given.count))
            found.setdefault("b our engine alone", []).append(one_way("engine", host, given.count))
            found.setdefault("d requests in 16 threads, no history", []).append(
                one_way("requests", host, given.count // 10)
            )
            if name == "nginx":  # our emulator has no tokens of WNS to give
                found.setdefault("e django-push-notifications, WNS loop, no history", []).append(
                    one_way("dpn", host, given.count // 20)
                )
            for postgres, senders in ((True, 1), (True, 2), (False, 1)):
                label = (
                    f"c product, {'PostgreSQL' if postgres else 'SQLite'}, {senders} sender{'s' if senders > 1 else ''}"
                )
                found.setdefault(label, []).append(product(host, given.count, postgres=postgres, senders=senders))
    base = median(one[0] for one in found["b our engine alone"])
    cores = os.cpu_count()
    sys.stdout.write(f"{given.count:,} pushes each, {given.rounds} rounds, against {name}, {cores} cores; medians\n\n")
    sys.stdout.write(f"{'':50} {'a second':>10} {'µs CPU each':>12} {'of b':>6}\n")
    for label, runs in found.items():
        speed, spent = median(one[0] for one in runs), median(one[1] for one in runs)
        cpu = f"{spent:12.0f}" if spent else " " * 12
        sys.stdout.write(f"{label:50} {speed:10,.0f} {cpu} {speed / base:6.2f}\n")
    firsts = [one[2] for runs in found.values() for one in runs if len(one) > 2]
    sys.stdout.write(f"\nfrom the click to the first answer: {median(firsts):.2f} s\n")


if __name__ == "__main__":
    main()
