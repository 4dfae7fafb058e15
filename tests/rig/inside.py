"""What happens inside the installation: its people and its devices, driven from outside.

python -m tests.rig.inside reads lines ``["name", argument, …]`` and answers each with a line of JSON, so that Django is
set up once; with words on the command line it does that one thing. A database that is away is an answer too.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import django
from django.conf import settings

django.setup()

from django.db import Error, connection  # noqa: E402 (after setup)

from campaigns import control  # noqa: E402
from campaigns.compose import release  # noqa: E402
from campaigns.control import NotReady  # noqa: E402
from campaigns.models import Batch, Campaign, Delivery, MoveRefused, Notification  # noqa: E402
from campaigns.monitor import stats  # noqa: E402
from campaigns.packing import pack, unpack  # noqa: E402
from campaigns.pipeline import sending  # noqa: E402
from campaigns.pipeline.recording import LEASE  # noqa: E402
from campaigns.pipeline.values import message_id  # noqa: E402
from campaigns.upkeep import demo_browsers, demo_emulator, housekeeping  # noqa: E402
from campaigns.upkeep.reconciling import Ledger, reconcile  # noqa: E402
from devices.common import clock  # noqa: E402
from devices.common.secrets import digest  # noqa: E402
from devices.models import App, Credential, Device  # noqa: E402
from devices.push.services import find  # noqa: E402
from devices.registration import Registration, forget, register  # noqa: E402
from tests.rig import browsers, providers  # noqa: E402

Status = Campaign.Status
MOVING = [Status.PREPARING, Status.SENDING]
AFTER_CANCEL = LEASE + timedelta(seconds=2)  # a push of a cancelled campaign later than this is one too many


def address(behaviour: str, name: str) -> str:
    return f"http://{settings.EMULATOR}/throttledthirdparty/01.00/{behaviour}.{name}"


def prepare(devices: int, behaviours: list[str]) -> int:
    """Make an App with so many phones; ``behaviours`` are gone through again and again."""
    app = App.objects.create(name="Rig", slug="rig")
    phones = (address(behaviours[n % len(behaviours)], f"r-{n}") for n in range(devices))
    _add(app, ({"service": "mpns", "address": uri, "os_version": "8.0.10517"} for uri in phones))
    return app.pk


def prepare_browsers(devices: int) -> int:
    """Make an App with so many browsers that take everything, and the key they subscribed with."""
    app, pairs = App.objects.create(name="Rig", slug="rig"), browsers.subscribed()
    secret: Any = {"contact": browsers.CONTACT, "private": browsers.PRIVATE}
    Credential.objects.create(app=app, service="webpush", secret=secret)
    endpoints = (browsers.endpoint(settings.EMULATOR, f"r-{n}") for n in range(devices))
    _add(app, ({"service": "webpush", "address": uri, "keys": pair} for uri, pair in zip(endpoints, cycle(pairs))))
    return app.pk


def prepare_mixed(devices: int, behaviours: dict[str, list[str]]) -> int:
    """Make an App with devices of every service in turn; ``behaviours`` by service are gone through again and again."""
    app = App.objects.create(name="Rig", slug="rig")
    demo_emulator.show(app, settings.EMULATOR, settings.EMULATOR_TLS)
    demo_browsers.make(app, settings.EMULATOR, [(1, "en", "UTC", "")], devices // len(behaviours))
    names = list(behaviours)
    rows = ((names[n % len(names)], n) for n in range(devices - devices // len(names)))
    _add(app, ({"service": slug, "address": _emulated(slug, behaviours[slug], n)} for slug, n in rows))
    return app.pk


def _emulated(slug: str, behaviours: list[str], number: int) -> str:
    behaviour = behaviours[number // 7 % len(behaviours)]
    return find(slug).emulated_address(f"{behaviour}.r-{number}", settings.EMULATOR)


def prepare_provider(devices: int, service: str) -> int:
    """Make an App with so many devices of FCM or APNs, and the credentials for the server with TLS."""
    app = App.objects.create(name="Rig", slug="rig")
    secret: Any = providers.told(service, settings.EMULATOR_TLS)
    Credential.objects.create(app=app, service=service, secret=secret)
    _add(app, ({"service": service, "address": providers.address(service, n)} for n in range(devices)))
    return app.pk


def _add(app: App, rows: Iterable[dict[str, Any]]) -> None:
    """Add devices with these columns, a few thousand at once."""
    now, numbered = clock.now(), enumerate(rows)
    while some_rows := list(islice(numbered, 5000)):
        Device.objects.bulk_create(
            Device(
                app=app,
                address_digest=digest(row["address"]),
                secret_digest="",
                installation=f"rig-{n}",
                seen_at=now,
                **row,
            )
            for n, row in some_rows
        )


# People. Each does one thing at a random place and returns how many it concerned; a refusal is an answer.


def start(never_twice: bool, per_minute: int | None = None, ends_after: float | None = None) -> int:
    """Compose and send a campaign to everybody; return its number. ``ends_after`` is in seconds."""
    app = App.objects.get(slug="rig")
    campaign = Campaign.objects.create(app=app, name="Rig", never_twice=never_twice, per_minute=per_minute)
    Notification.objects.create(campaign=campaign, message="toast", fields={"title": "Rig", "text": "Hold on"})
    release.start(campaign, None)
    if ends_after is not None:
        Campaign.objects.filter(pk=campaign.pk).update(expires_at=clock.now() + timedelta(seconds=ends_after))
    return campaign.pk


def trickle(count: int) -> int:
    """Start a campaign of batches with one device each, due in an hour; return its number."""
    app = App.objects.get(slug="rig")
    campaign = Campaign.objects.create(app=app, name="Trickle", status=Status.SENDING, audience=count)
    Notification.objects.create(campaign=campaign, message="toast", fields={"title": "Rig", "text": "Drop"})
    devices = Device.objects.order_by("pk").values_list("pk", flat=True)[:count]
    due_at = clock.now() + timedelta(hours=1)
    Batch.objects.bulk_create(
        Batch(campaign=campaign, service="mpns", due_at=due_at, ids=pack([device]), size=1) for device in devices
    )
    return campaign.pk


def one(seed: int, *statuses: str) -> Campaign | None:
    rows = list(Campaign.objects.filter(status__in=statuses).order_by("pk"))
    return random.Random(seed).choice(rows) if rows else None


def pause(seed: int) -> int:
    """Pause one that is being sent."""
    if campaign := one(seed, *MOVING):
        control.pause(campaign)
    return int(campaign is not None)


def resume(seed: int) -> int:
    """Let everything that is paused go on; what has passed its end, for another day."""
    paused = list(Campaign.objects.filter(status=Status.PAUSED))
    for campaign in paused:
        over = stats.time_over(campaign, clock.now())
        control.resume(campaign, None, timedelta(days=1) if over else None)
    return len(paused)


def cancel(seed: int) -> int:
    """Cancel one that is being sent or paused."""
    if campaign := one(seed, *MOVING, Status.PAUSED):
        control.cancel(campaign)
    return int(campaign is not None)


def again(seed: int) -> int:
    """Send a finished one again, to the failed or to the unknown."""
    campaign = one(seed, Status.FINISHED)
    offered = stats.repeatable(campaign, stats.progress(campaign)) if campaign else {}
    return control.send_again(campaign, random.Random(seed).choice(sorted(offered))) if campaign and offered else 0


def unpark(seed: int) -> int:
    """Let parked devices be tried again."""
    parked = {batch.campaign for batch in Batch.objects.filter(status=Batch.Status.PARKED).select_related("campaign")}
    return sum(control.try_parked(row, timedelta(days=1)) for row in parked if row.status != Status.CANCELLED)


# Devices


def some(seed: int, most: int, **condition: Any) -> list[Device]:
    keys = list(Device.objects.filter(**condition).order_by("pk").values_list("pk", flat=True))
    return list(Device.objects.filter(pk__in=random.Random(seed).sample(keys, min(most, len(keys)))))


def hold(seed: int) -> int:
    """Let one device in twenty be on hold for a few seconds, as a 412 does for an hour."""
    choice = random.Random(seed)
    chosen = some(seed, Device.objects.count() // 20, status=Device.Status.ACTIVE)
    now = clock.now()
    for seconds in (3, 7, 15):
        mine = [device.pk for device in chosen if choice.random() < 0.5]
        Device.objects.filter(pk__in=mine).update(hold_until=now + timedelta(seconds=seconds))
    return len(chosen)


def move(seed: int) -> int:
    """Let some register with a new address, also such as are retired."""
    app, moved = App.objects.get(slug="rig"), some(seed, 20)
    for device in moved:
        behaviour = device.address.rpartition("/")[2].partition(".")[0].replace("expired", "ok")
        behaviour = behaviour if device.service == "mpns" else "ok"  # it changes its service
        said = {
            "service": "mpns",
            "address": address(behaviour, f"m-{seed}-{device.pk}"),
            "installation": device.installation,
        }
        register(app, Registration.read(said))
    return len(moved)


def retire(seed: int) -> int:
    """Let some be retired, as by hand."""
    chosen = [device.pk for device in some(seed, 5, status=Device.Status.ACTIVE)]
    return Device.objects.filter(pk__in=chosen).update(status=Device.Status.RETIRED, retired_reason="By hand.")


def erase(seed: int) -> int:
    """Let some be erased for good."""
    chosen = some(seed, 5)
    for device in chosen:
        forget(device)
    return len(chosen)


# The reckoning


def sweep() -> int:
    """Do what every tick does; return how many journals are left of senders of this machine."""
    housekeeping.tick()
    return len([*sending.journal_folder().glob("*")])


def check(ledger: str) -> list[dict[str, Any]]:
    """Reconcile every campaign against the ledger."""
    found, book, last = [], Ledger(Path(ledger)), last_arrivals(Path(ledger))
    for campaign in Campaign.objects.order_by("pk"):
        report = reconcile(campaign, book)
        names = ("campaign", "audience", "final", "rows", "parked", "taken", "twice", "marked", "unknown", "violations")
        row = {name: getattr(report, name) for name in names}
        found.append(row | {"never_twice": campaign.never_twice, "status": campaign.status})
        if report.under_way:
            row["violations"].append("It is still under way.")
        if campaign.status == Status.CANCELLED and (late := after_cancel(campaign, last)):
            row["violations"].append(f"{late} pushes arrived more than {AFTER_CANCEL} after it was cancelled.")
    return found


def last_arrivals(ledger: Path) -> dict[str, float]:
    """Return when the last push with each message id arrived, in unix seconds."""
    with ledger.open(encoding="utf-8") as file:
        return {entry["id"]: entry["wall"] for entry in map(json.loads, file)}


def after_cancel(campaign: Campaign, last: dict[str, float]) -> int:
    """Return to how many devices a push of a cancelled campaign arrived too late after that."""
    assert campaign.finished_at is not None
    over = (campaign.finished_at + AFTER_CANCEL).timestamp()
    devices = set(Delivery.objects.filter(campaign=campaign).values_list("device_id", flat=True))
    for batch in Batch.objects.filter(campaign=campaign):
        devices.update(unpack(batch.ids))
    return sum(last.get(message_id(campaign.pk, device), 0.0) > over for device in devices)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(prepare, prepare_browsers, prepare_provider, prepare_mixed),
        *(start, trickle, pause, resume, cancel, again, unpark, hold, move, retire, erase, sweep, check),
    )
}


def answered(name: str, *given: Any) -> Any:
    """Return what a function says, or {"refused": …} when it was not possible just now."""
    try:
        return FUNCTIONS[name](*given)
    except (Error, MoveRefused, NotReady) as error:
        connection.close()
        return {"refused": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(FUNCTIONS[sys.argv[1]](*map(json.loads, sys.argv[2:]))) + "\n")
    else:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(answered(*json.loads(line))) + "\n")
            sys.stdout.flush()
