"""A second push service beside those there are, with its office on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from campaigns.models import Campaign, Notification
from campaigns.pipeline import tasks
from campaigns.pipeline.sending import Sender
from devices.models import App, Credential, Device
from devices.push import services
from devices.registration import Registration, register

Wire = dict[str, str]


@dataclass
class Office:
    """What the office was asked and told; ``answers`` gives the status for a wire. Other devices are served as well."""

    address: str = ""
    tokens: int = 0
    token_status: int = 200
    wires: list[Wire] = field(default_factory=list)
    answers: Callable[[Wire], int] = lambda wire: 200

    def numbers(self) -> list[str]:
        """Return the numbers that were wired to and answered with 200, sorted."""
        return sorted(wire["number"] for wire in self.wires if wire["status"] == "200")


def _desk(office: Office) -> type[BaseHTTPRequestHandler]:
    class Desk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = 200, b""
            if self.path == "/token":
                office.tokens += 1
                status = office.token_status if self.headers["Secret"] == "sesame" else 403
                answer = json.dumps({"token": f"token-{office.tokens}"}).encode()
            elif self.path.startswith("/wire/"):
                token = self.headers["Authorization"].removeprefix("Bearer ")
                wire = {"number": self.path.removeprefix("/wire/"), "token": token, "body": body.decode()}
                status = office.answers(wire)
                office.wires.append(wire | {"status": str(status)})
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("X-NotificationStatus", "Received")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *said: Any) -> None:
            """Say nothing."""

    return Desk


@pytest.fixture
def telegraph(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the service known, as a file in devices/push/services/ would be."""
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(Path(__file__).parent / "made_up")])
    services.all_services.cache_clear()
    services._by_slug.cache_clear()
    yield
    monkeypatch.undo()
    services.all_services.cache_clear()
    services._by_slug.cache_clear()


@pytest.fixture
def office(telegraph: None, db: None, var: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The other side: the only address that is let through."""
    office = Office()
    monkeypatch.setattr(ThreadingHTTPServer, "request_queue_size", 128)  # else a connection waits for a second
    server = ThreadingHTTPServer(("127.0.0.1", 0), _desk(office))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    office.address = settings.EMULATOR = f"127.0.0.1:{server.server_port}"
    yield office
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@dataclass
class Town:
    """An App whose devices are lines of the telegraph and, if wished, windows phones."""

    app: App
    office: Office

    def lines(self, *numbers: int, **more: Any) -> list[Device]:
        """Register a line for each number."""
        return [
            register(
                self.app,
                Registration.read(
                    {
                        "service": "telegraph",
                        "address": f"{self.office.address},{number}",
                        "keys": {"cipher": f"rot{number}"},
                        **more,
                    }
                ),
            ).device
            for number in numbers
        ]

    def phones(self, count: int, **more: Any) -> list[Device]:
        """Register windows phones."""
        path = f"http://{self.office.address}/throttledthirdparty/01.00"
        said = [{"service": "mpns", "address": f"{path}/p{n}", **more} for n in range(count)]
        return [register(self.app, Registration.read(one)).device for one in said]

    def campaign(self, message: str = "toast", fields: dict[str, Any] | None = None, **more: Any) -> Campaign:
        """Compose a campaign to everybody."""
        campaign = Campaign.objects.create(app=self.app, name="Flood")
        content = {"title": "Flood", "text": "Come up"} if fields is None else fields
        Notification.objects.create(campaign=campaign, message=message, fields=content, **more)
        return campaign

    def run(self) -> None:
        """Do everything that is due."""
        tasks.note_worker("sender", doing="sending")
        sender = Sender.create()
        try:
            sender.run(lambda: False, time.monotonic() + 60)
        finally:
            sender.close()


@pytest.fixture
def town(office: Office) -> Town:
    """An App with an account at the office."""
    app = App.objects.create(name="Telegraph Hill", slug="hill")
    secret = {"office": office.address, "secret": "sesame"}
    Credential.objects.create(app=app, service="telegraph", secret=secret)  # type: ignore[misc]
    return Town(app, office)
