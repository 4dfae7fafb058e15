"""What the driver asks of the installation, each in a fresh process with the installation's own settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.conf import settings

django.setup()

from campaigns import control, sending, tasks  # noqa: E402 (after setup)
from campaigns.models import Campaign, Notification  # noqa: E402
from campaigns.reconciling import reconcile  # noqa: E402
from devices import clock  # noqa: E402
from devices.models import App, Device  # noqa: E402
from devices.secrets import digest  # noqa: E402


def prepare(devices: str, behaviours: str) -> int:
    """Make an App with so many phones; ``behaviours`` is a JSON list that is gone through again and again."""
    names = json.loads(behaviours)
    app = App.objects.create(name="Rig", slug="rig")
    host, now = settings.EMULATOR, clock.now()
    total = int(devices)
    for start in range(0, total, 5000):
        Device.objects.bulk_create(
            Device(
                app=app,
                service="mpns",
                address=f"http://{host}/throttledthirdparty/01.00/{names[number % len(names)]}.r-{number}",
                address_digest=digest(str(number)),
                secret_digest="",
                installation=f"rig-{number}",
                os_version="8.0.10517",
                seen_at=now,
            )
            for number in range(start, min(start + 5000, total))
        )
    return app.pk


def start(never_twice: str) -> int:
    """Compose and send a campaign to everybody; return its number."""
    app = App.objects.get(slug="rig")
    campaign = Campaign.objects.create(app=app, name="Rig", never_twice=never_twice == "yes")
    Notification.objects.create(campaign=campaign, message="toast", fields={"title": "Rig", "text": "Hold on"})
    control.start(campaign, None)
    return campaign.pk


def sweep() -> int:
    """Do what every tick does; return how many journals are left of senders of this machine."""
    tasks.tick()
    return len([*sending.journal_folder().glob("*")])


def check(ledger: str) -> list[dict[str, Any]]:
    """Reconcile every campaign against the ledger."""
    found = []
    for campaign in Campaign.objects.order_by("pk"):
        report = reconcile(campaign, Path(ledger))
        names = ("campaign", "audience", "final", "rows", "parked", "taken", "twice", "marked", "unknown", "violations")
        found.append({name: getattr(report, name) for name in names} | {"never_twice": campaign.never_twice})
    return found


if __name__ == "__main__":
    functions: dict[str, Callable[..., Any]] = {"prepare": prepare, "start": start, "sweep": sweep, "check": check}
    function = functions[sys.argv[1]]
    sys.stdout.write(json.dumps(function(*sys.argv[2:])) + "\n")
