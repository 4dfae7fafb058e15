"""A house to send from: an App with phones at the emulator, and a sender that runs in the test's own process."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from campaigns.compose import release
from campaigns.models import Campaign, Delivery, Notification
from campaigns.pipeline import tasks
from campaigns.pipeline.sending import Sender
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Device
from devices.versions import rank
from tests.emulator import EmulatorProcess

STORM = {"title": "Storm on Saturday", "text": "Gusts up to 110 km/h.", "link": "/Warnings.xaml"}
numbers = itertools.count(1)


def never() -> bool:
    return False


@dataclass
class House:
    """One App at one emulator. Addresses are this house's own, so that houses can share the emulator."""

    app: App
    emulator: EmulatorProcess
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:10])

    def phones(self, *behaviours: str, os_version: str = "8.0.10517", **more: Any) -> list[Device]:
        """Make one phone for each behaviour, named in its address."""
        made = []
        for behaviour in behaviours:
            address = self.emulator.uri(f"{behaviour}.{self.mark}-{next(numbers)}")
            made.append(
                Device(
                    app=self.app,
                    service="mpns",
                    address=address,
                    address_digest=digest(address),
                    secret_digest=digest(address),
                    installation=address.rpartition("/")[2],
                    os_version=os_version,
                    os_rank=rank(os_version),
                    seen_at=clock.now(),
                    **more,
                )
            )
        return Device.objects.bulk_create(made)

    def campaign(self, message: str = "toast", content: dict[str, Any] | None = None, **more: Any) -> Campaign:
        """Compose a campaign to everybody."""
        campaign = Campaign.objects.create(**{"app": self.app, "name": "Storm", **more})
        Notification.objects.create(campaign=campaign, message=message, fields=STORM if content is None else content)
        return campaign

    def person(self, *permissions: str) -> User:
        """Return somebody new who may do these things with campaigns ("send", "view", …)."""
        person = User.objects.create_user(f"person-{next(numbers)}")
        names = [f"{permission}_campaign" for permission in permissions]
        person.user_permissions.set(Permission.objects.filter(codename__in=names))
        return person

    def send(self, message: str = "toast", content: dict[str, Any] | None = None, **more: Any) -> Campaign:
        """Compose, start and run until nothing is due."""
        campaign = self.campaign(message, content, **more)
        release.start(campaign, None)
        self.run()
        campaign.refresh_from_db()
        return campaign

    def run(self) -> int:
        """Do everything that is due; return how many batches that were."""
        tasks.note_worker("sender", doing="sending")
        sender = Sender.create()
        try:
            return sender.run(never, time.monotonic() + 60)
        finally:
            sender.close()

    def ledger(self) -> list[dict[str, Any]]:
        """Return what reached the emulator for phones of this house."""
        return [line for line in self.emulator.ledger() if f".{self.mark}-" in line["channel"]]

    def copies(self) -> Counter[str]:
        """Return how many copies the emulator took, by channel."""
        return Counter(line["channel"] for line in self.ledger() if line["taken"])


@pytest.fixture
def house(db: None, var: Path, emulator: EmulatorProcess, settings: Any) -> House:
    """An App without phones yet."""
    settings.EMULATOR = emulator.url.removeprefix("http://")
    return House(App.objects.create(name="Weather", slug=f"weather-{uuid.uuid4().hex[:8]}"), emulator)


def outcomes(campaign: Campaign) -> dict[str, int]:
    """Return how many deliveries ended how, all attempts."""
    return dict(Counter(Delivery.objects.filter(campaign=campaign).values_list("outcome", flat=True)))
