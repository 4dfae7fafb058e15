"""An App with credentials for every push service that wants some, and devices of each at one emulator over TLS."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from campaigns.models import Campaign, Delivery
from devices import bearer
from devices.common import clock
from devices.common.secrets import digest
from devices.models import App, Credential, Device
from devices.push.services import find
from devices.trying import credentials_of
from tests.campaigns.conftest import House
from tests.emulator import EmulatorProcess

PROJECT, TOPIC = "fleet-shop", "org.example.fleet"


@dataclass
class Fleet(House):
    """A house whose devices are of any service. The emulator hands out its credentials."""

    made: set[str] = field(default_factory=set)  # what the ledger calls them

    def show(self, service: str, **changed: str) -> Credential:
        """Store what the emulator hands out for ``service``, with fields that are ``changed``."""
        secret = {**handed_out(self.emulator, service), **changed}
        shape = find(service).credentials
        assert shape is not None
        made = shape(**secret)
        columns = {"secret": secret, "subject": made.subject, "fingerprint": made.fingerprint}
        return Credential.objects.update_or_create(app=self.app, service=service, defaults=columns)[0]

    def devices(self, service: str, *behaviours: str, sandbox: bool = False, **more: Any) -> list[Device]:
        """Make one device of a service for each behaviour."""
        host = self.emulator.url.removeprefix("http://")
        rows = []
        for behaviour in behaviours:
            name = f"{behaviour}.{'sandbox-' if sandbox else ''}{uuid.uuid4().hex[:12]}"
            address = ("sandbox:" if sandbox else "") + find(service).emulated_address(name, host)
            said = {"app": self.app, "service": service, "address": address, "address_digest": digest(address), **more}
            self.made.add(address.removeprefix("sandbox:").removeprefix(self.emulator.url))
            rows.append(Device(**said, secret_digest=digest(address), installation=name, seen_at=clock.now()))
        return Device.objects.bulk_create(rows)

    def run_once_for_token(self, service: str) -> str:
        """Let a token be there for a service; return it."""
        return bearer.obtain(find(service), credentials_of(self.app.pk, find(service))[0])

    def ledger_of(self, service: str) -> list[dict[str, Any]]:
        """Return what the emulator wrote down of pushes by one service to devices of this fleet."""
        return [line for line in self.emulator.ledger() if line["service"] == service and line["channel"] in self.made]


def handed_out(emulator: EmulatorProcess, service: str) -> dict[str, str]:
    """Return the fields of a service's Credentials, as the emulator's console gives them."""
    if service == "fcm":
        return {"account": json.dumps(emulator.control("fcm/accounts", {"project": PROJECT}))}
    if service == "apns":
        given = emulator.control("apns/keys", {"team": "fleet"})
        fields = {"team_id": given["team_id"], "key_id": given["key_id"], "signing_key": given["key"]}
        return {**fields, "topic": given["topic"], "server": emulator.secure_url}
    given = emulator.control("wns/apps", {"app": "fleet"})
    return {"client_id": given["package_sid"], "secret": given["secret"], "server": emulator.url}


def fleet_of(app: App, emulator: EmulatorProcess, settings: Any) -> Fleet:
    """Return the fleet, with the settings that let the emulator through."""
    settings.EMULATOR = emulator.url.removeprefix("http://")
    settings.EMULATOR_TLS = emulator.secure_url.removeprefix("https://")
    settings.EMULATOR_AUTHORITY = str(emulator.authority)
    fleet = Fleet(app, emulator)
    for service in ("fcm", "apns", "wns"):
        fleet.show(service)
    return fleet


def outcomes_of(campaign: Campaign) -> Counter[tuple[str, str]]:
    """Return how many devices of which service ended how."""
    rows = Delivery.objects.filter(campaign=campaign, latest=True).values_list("device__service", "outcome")
    return Counter(rows)


@contextmanager
def set_to(fleet: Fleet, path: str, **settings: Any) -> Iterator[None]:
    """Let the emulator behave otherwise for a while."""
    before = fleet.emulator.control(path, {})
    fleet.emulator.control(path, settings)
    try:
        yield
    finally:
        fleet.emulator.control(path, {name: before[name] for name in settings})
