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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from types import MappingProxyType

import psutil

from devices.push.base import Target
from devices.push.services import find
from tests.bench import alone, http2, target, webpush
from tests.rig.world import ROOT, World
from tests.waiting import until

BARE, ENGINE = "  a bare loop over libcurl", "b our engine alone"

WRK = """
wrk.method = "POST"
wrk.body = {body!r}
{headers}
"""


class StageFailedError(Exception):
    """A stage did not come to its end; the message names it and tells what was seen."""


@dataclass(frozen=True)
class Stage:
    """One measurement: pushes a second, µs of CPU a push.

    Of the product also seconds to the first push, MB of memory, and µs of the database's CPU a push.
    """

    label: str
    measure: Callable[[], tuple[float, ...]]

    def run(self) -> tuple[float, ...]:
        """Measure, and print a line when it is over. Raises StageFailedError: what failed is no figure."""
        began = time.monotonic()
        try:
            figures = self.measure()
        except (AssertionError, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            passed = time.monotonic() - began
            printed = str(getattr(error, "stderr", None) or "")[-2000:]
            raise StageFailedError(f"{self.label.strip()}, after {passed:.1f} s: {error} {printed}".rstrip()) from error
        passed = time.monotonic() - began
        say(f"{self.label:50} {figures[0]:10,.0f} a second, measured in {passed:.1f} s")
        return figures


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def ceiling(host: str, seconds: int) -> tuple[float, float]:
    """Return requests a second of wrk with the same request, and 0.0 for its CPU; 0.0 without wrk."""
    if not (wrk := shutil.which("wrk")):
        return 0.0, 0.0
    service = find("mpns")
    payload = service.encode(alone.MESSAGE, "8.0")
    request = service.build(Target(alone.url(host, 1)), payload, alone.IDENTITY, None)
    headers = "\n".join(f"wrk.headers[{name!r}] = {value!r}" for name, value in request.all_headers)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "push.lua"
        script.write_text(WRK.format(body=payload.body.decode(), headers=headers))
        command = [wrk, "-t1", "-c64", f"-d{seconds}s", "-s", str(script), request.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 20).stdout
    found = re.search(r"Requests/sec:\s+([0-9.]+)", told)
    if found is None or "Non-2xx" in told:
        raise ValueError(f"wrk said: {told}")
    return float(found[1]), 0.0


def patience(count: int) -> float:
    """Return the seconds that a stage of so many pushes gets: 200 a second, a tenth of the slowest product so far."""
    return 30 + count / 200


def one_way(way: str, host: str, count: int) -> tuple[float, float]:
    """Return (pushes a second, microseconds of CPU a push) of a way in tests.bench.alone."""
    command = [sys.executable, "-m", "tests.bench.alone", way, host, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=patience(count))
    found = json.loads(done.stdout)
    return count / found["seconds"], 1e6 * found["cpu"] / count


def product(
    host: str,
    count: int,
    *,
    postgres: bool,
    senders: int,
    to: str = "prepare",
    ready: float = 30.0,
    within: float | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
    service: str = "",
) -> tuple[float, float, float, float, float]:
    """Send one campaign with history; return what its stage tells.

    That is deliveries a second, µs of CPU a delivery, seconds to the first push, MB of memory of the largest sender,
    and µs of CPU of all processes of PostgreSQL a delivery (0.0 on SQLite, which has none). ``to`` says who makes the
    devices: ``prepare``, ``prepare_browsers`` or, for a ``service``, ``prepare_provider`` of tests.rig.inside;
    ``more`` is what the installation's environment has beside its own.

    AssertionError when the senders are not there within ``ready`` seconds, or it is not finished ``within`` seconds.
    """
    with World(postgres, senders=senders, concurrency=64, host=host, more=more) as world:
        world.ask(to, count, *([["ok"]] if to == "prepare" else []), *([service] if service else []))
        world.start_workers()
        until(lambda: len(world.processes("worker")) == senders, ready, f"{senders} senders", saw=lambda: seen(world))
        time.sleep(1.0)
        before, served = _cpu(world), _cpu_of_database(world)
        world.ask("start", False)
        until(
            lambda: world.query("SELECT status FROM campaigns_campaign") == [("finished",)],
            patience(count) if within is None else within,
            "the campaign to finish",
            saw=lambda: seen(world),
            every=0.2,
        )
        after, serving = _cpu(world), _cpu_of_database(world) - served
        assert before.keys() == after.keys(), f"senders {list(before)} became {list(after)}: their CPU is not known"
        spent = sum(after.values()) - sum(before.values())
        memory = max(process.memory_info().rss for process in world.processes("worker")) / 1e6
        ((total, first, last, started),) = world.query(
            "SELECT count(*), min(at), max(at), (SELECT started_at FROM campaigns_campaign) FROM campaigns_delivery"
            " WHERE outcome = 'accepted'"
        )
        assert total == count, f"{total} accepted deliveries instead of {count}"
        seconds = _moment(last) - _moment(first)
        return count / seconds, 1e6 * spent / count, _moment(first) - _moment(started), memory, 1e6 * serving / count


def seen(world: World) -> dict[str, object]:
    """Return what a stage that failed should tell."""
    return {
        "processes": {role: len(world.processes(role)) for role in ("runworker", "main", "sentinel", "worker")},
        "campaign": world.query("SELECT status FROM campaigns_campaign"),
        "deliveries": world.query("SELECT count(*) FROM campaigns_delivery"),
        "worker's log": (world.folder / "worker-0.log").read_text()[-600:] if world.runworkers else "not started",
    }


def _moment(value: object) -> float:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    assert isinstance(value, datetime)
    return value.timestamp()


def _cpu(world: World) -> dict[int, float]:
    """Return the seconds of CPU that each sender took so far."""
    found = {}
    for process in world.processes("worker"):
        with suppress(psutil.Error):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def _cpu_of_database(world: World) -> float:
    """Return the seconds of CPU of the server and all it started, also of those that have ended; 0.0 on SQLite."""
    if world.database is None:
        return 0.0
    server = psutil.Process(world.database.process.pid)
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in server.children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def stages(place: target.Place, count: int, python: str = "", providers: str = "") -> list[Stage]:
    """Return what one round measures. The slow ways send less: their figures are steady long before.

    ``python`` is one that has pywebpush, ``providers`` one that has firebase-admin and aioapns; "" for none.
    """
    host = place.host
    found = [
        Stage("a wrk, the ceiling", partial(ceiling, host, 4)),
        Stage(BARE, partial(one_way, "libcurl", host, count)),
        Stage(ENGINE, partial(one_way, "engine", host, count)),
        Stage("d requests in 16 threads, no history", partial(one_way, "requests", host, count // 10)),
    ]
    if place.name == "nginx":  # our emulator has no tokens of WNS to give
        label = "e django-push-notifications, WNS loop, no history"
        found.append(Stage(label, partial(one_way, "dpn", host, count // 20)))
    for postgres, senders in ((True, 1), (True, 2), (False, 1)):
        label = f"c product, {'PostgreSQL' if postgres else 'SQLite'}, {senders} sender{'s' if senders > 1 else ''}"
        found.append(Stage(label, partial(product, host, count, postgres=postgres, senders=senders)))
    browsers = partial(product, host, count, postgres=True, to="prepare_browsers")
    found.append(Stage(webpush.CRYPTO, partial(one_way, "crypto", host, count)))
    found += [Stage(label, partial(browsers, senders=n)) for n, label in ((1, webpush.ONE), (2, webpush.TWO))]
    if python:
        slow = partial(webpush.threads, python, host, count // 10, patience(count))
        found.append(Stage(webpush.DOCUMENTED, partial(slow, kept=False)))
        found.append(Stage(webpush.KEPT, partial(slow, kept=True)))
    return found + (over_http2(place, count, providers) if place.secure else [])


def over_http2(place: target.Place, count: int, providers: str) -> list[Stage]:
    """Return what one round measures of FCM and APNs."""
    where = f"{place.secure},{place.authority}"
    more = {"PUSHADMIN_EMULATOR_TLS": place.secure, "PUSHADMIN_EMULATOR_AUTHORITY": place.authority}
    found = [Stage(label, partial(one_way, way, where, count)) for label, way in http2.ALONE.items()]
    ours = partial(product, place.host, count, postgres=True, to="prepare_provider", more=more)
    for (service, senders), label in http2.PRODUCT.items():
        found.append(Stage(label, partial(ours, senders=senders, service=service)))
    if providers:
        for service, label in http2.OTHERS.items():
            few = count // 10
            found.append(Stage(label, partial(http2.other, service, providers, place, few, patience(count))))
    return found


def table(found: dict[str, list[tuple[float, ...]]], absence: str = "", providers: str = "") -> str:
    """Return the medians, and their ratios to the bare loop over libcurl and to our engine.

    ``absence`` says why pywebpush was not measured, ``providers`` why firebase-admin and aioapns were not.
    """
    speeds = {label: median(one[0] for one in runs) for label, runs in found.items()}
    lines = [f"{'':50} {'a second':>10} {'µs CPU each':>12} {'database':>9} {'of bare loop':>13} {'of b':>6}"]
    for label, runs in found.items():
        spent = median(one[1] for one in runs)
        cpu = f"{spent:12.0f}" if spent else " " * 12
        database = [one[4] for one in runs if len(one) > 4 and one[4]]
        served = f"{median(database):9.0f}" if database else " " * 9
        speed = speeds[label]
        lines.append(
            f"{label:50} {speed:10,.0f} {cpu} {served} {speed / speeds[BARE]:13.2f} {speed / speeds[ENGINE]:6.2f}"
        )
    firsts = [one[2] for runs in found.values() for one in runs if len(one) > 2]
    lines += ["", f"from the click to the first answer: {median(firsts):.2f} s"]
    if memory := [one[3] for runs in found.values() for one in runs if len(one) > 3]:
        lines.append(f"memory of the largest sender: {max(memory):.0f} MB")
    return "\n".join([*lines, *webpush.told(found, absence), *http2.told(found, providers)])


def main(arguments: list[str] | None = None) -> int:
    """Run everything and print one table; 1 when a stage failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="pushes of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    found: dict[str, list[tuple[float, ...]]] = {}
    python = webpush.named()
    absence = webpush.missing(python)
    providers = os.environ.get(http2.VARIABLE, "")
    lacking = http2.missing(providers)
    try:
        with target.server() as place:
            for number in range(given.rounds):
                say(f"round {number + 1} of {given.rounds}")
                for stage in stages(place, given.count, "" if absence else python, "" if lacking else providers):
                    found.setdefault(stage.label, []).append(stage.run())
    except StageFailedError as failed:
        say(f"failed: {failed}")
        return 1
    where = f"against {place.name}, {os.cpu_count()} cores"
    say(f"\n{given.count:,} pushes each, {given.rounds} rounds, {where}; medians\n")
    say(table(found, absence, lacking))
    say(f"measured in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
