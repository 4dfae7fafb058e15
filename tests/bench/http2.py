"""What the bench says of FCM and APNs, over TLS and HTTP/2: the bare loop, and what others make of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.target import Place
from tests.rig import providers
from tests.rig.world import ROOT

VARIABLE = "BENCH_PROVIDERS"  # in the environment: a Python that has firebase-admin and aioapns
SCRIPT = Path(__file__).with_name("provider.py")
BARE, ENGINE = "  a bare loop over libcurl, HTTP/2", "b our engine alone, FCM over HTTP/2"
ALONE = {BARE: "libcurl_http2", ENGINE: "engine_http2"}  # ways of tests.bench.alone
PRODUCT = {
    (service, senders): f"c {label}, PostgreSQL, {senders} sender{'s' if senders > 1 else ''}"
    for service, label in (("fcm", "FCM"), ("apns", "APNs"))
    for senders in (1, 2)
}
OTHERS = {"fcm": "g firebase-admin, send_each, no history", "apns": "g aioapns, 64 at once, no history"}
GOALS = {"fcm": 10.0, "apns": 3.0}  # times what the others do
SHARE = 0.35  # of the bare loop, with two senders
Found = Mapping[str, Sequence[tuple[float, ...]]]


def missing(python: str) -> str:
    """Return why the others cannot be measured with this Python ("" for none named), or "" when they can."""
    if not python:
        return f"{VARIABLE} names no Python that has them"
    command = [python, "-c", "import firebase_admin, aioapns"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{python} does not run: {error}"
    return f"{python} does not have them: {done.stderr.strip()[-200:]}" if done.returncode else ""


def other(service: str, python: str, place: Place, count: int, within: float) -> tuple[float, float]:
    """Return (pushes a second, microseconds of CPU a push) of a library, with the product's own text."""
    task = {
        "service": service,
        "secure": place.secure,
        "authority": place.authority,
        "credentials": providers.told(service, place.secure),
        "title": "Rig",
        "text": "Hold on",
        "total": count,
    }
    run = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(run([python, str(SCRIPT)], input=json.dumps(task), timeout=within).stdout)
    return count / found["seconds"], 1e6 * found["cpu"] / count


def told(found: Found, absence: str) -> list[str]:
    """Return the lines below the table: the share of the bare loop, and how often the others fit into ours."""
    lines = []
    for (service, senders), label in PRODUCT.items():
        if not (found.get(label) and found.get(BARE)):
            continue
        ours = median(one[0] for one in found[label])
        share = ours / median(one[0] for one in found[BARE])
        lines.append(f"{label[2:]}: {share:.2f} of the bare loop over HTTP/2{_goal(senders, share)}")
        if theirs := found.get(OTHERS[service]):
            times = ours / median(one[0] for one in theirs)
            lines.append(f"{label[2:]}: {times:.1f} times {OTHERS[service][2:]} (wished for: {GOALS[service]:.0f})")
    if absence and any(found.get(label) for label in PRODUCT.values()):
        lines.append(f"firebase-admin and aioapns: not measured: {absence}")
    return lines


def _goal(senders: int, share: float) -> str:
    return f" (wished for: {SHARE}, {'reached' if share >= SHARE else 'not reached'})" if senders == 2 else ""
