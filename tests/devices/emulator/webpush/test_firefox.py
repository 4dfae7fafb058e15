"""A real Firefox at the emulated push service: it subscribes, is sent something, shows it, and unsubscribes."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.devices.emulator.webpush.sender import Vapid, b64u, send
from tests.emulator import EmulatorProcess
from tests.firefox import Firefox, MarionetteError
from tests.waiting import ended, until

pytestmark = pytest.mark.browser

WORKER = """
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
self.addEventListener("push", event => {
  const said = event.data ? event.data.json() : {title: "nothing said"};
  event.waitUntil(self.registration.showNotification(said.title, {body: said.body, tag: said.tag}));
});
self.addEventListener("pushsubscriptionchange", event => {
  event.waitUntil(self.registration.showNotification("changed", {body: event.type}));
});
"""
PAGE = """<!doctype html><meta charset="utf-8"><title>A site</title>
<button>Subscribe</button><output></output>
<script>
  const output = document.querySelector("output");
  document.querySelector("button").onclick = async () => {
    try {
      if (await Notification.requestPermission() !== "granted") throw new Error("not granted");
      const registration = await navigator.serviceWorker.register("/worker.js");
      await navigator.serviceWorker.ready;
      const key = new URLSearchParams(location.search).get("key");
      const made = await registration.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: key});
      output.textContent = JSON.stringify(made);
    } catch (error) { output.textContent = String(error); }
  };
</script>"""
FILES = {"/": ("text/html", PAGE), "/worker.js": ("text/javascript", WORKER)}


class Site(http.server.BaseHTTPRequestHandler):
    """A page with a button and its service worker."""

    def do_GET(self) -> None:
        kind, text = FILES.get(self.path.partition("?")[0], ("text/plain", ""))
        self.send_response(200 if text else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the site for the block; yield its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, name="site", args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            ended(thread)


class Visitor:
    """A person with a Firefox at the site, and the sender with its key."""

    def __init__(self, firefox: Firefox, site: str) -> None:
        self.firefox = firefox
        self.vapid = Vapid()
        firefox.open(f"{site}/?key={self.vapid.public}")
        self.subscription: dict[str, Any] = {}

    def subscribe(self) -> str:
        """Press the button; return the endpoint."""
        self.firefox.click("button")
        until(lambda: self.firefox.text("output"), 10, "a subscription")
        said = self.firefox.text("output")
        assert said.startswith("{"), said
        self.subscription = json.loads(said)
        return str(self.subscription["endpoint"])

    def send(self, title: str, body: str = "", tag: str = "", ttl: int = 60, topic: str | None = None) -> int:
        """Push a notification; return the status of the answer."""
        plaintext = json.dumps({"title": title, "body": body, "tag": tag}).encode()
        return send(self.subscription, self.vapid, plaintext, TTL=str(ttl), Topic=topic).status

    def shown(self) -> list[tuple[str, str]]:
        """Return title and body of what is shown."""
        return [(one["title"], one["body"]) for one in self.firefox.notifications()]

    def sees(self, *expected: tuple[str, str]) -> None:
        """Wait until exactly this is shown, in any order."""
        until(lambda: sorted(self.shown()) == sorted(expected), 10, f"notifications {expected}", saw=self.shown)


@pytest.fixture
def visitor(firefox: Firefox) -> Iterator[Visitor]:
    with served() as site:
        yield Visitor(firefox, site)


def live(emulator: EmulatorProcess) -> dict[str, Any]:
    """Return what the emulator knows of browsers."""
    state: dict[str, Any] = emulator.control("state")["live_browsers"]
    return state


def test_a_firefox_shows_what_was_pushed(visitor: Visitor, emulator: EmulatorProcess) -> None:
    endpoint = visitor.subscribe()
    assert endpoint.startswith(emulator.url + "/wpush/v2/")
    assert visitor.send("Rain", "Take an umbrella – “now”.") == 201
    visitor.sees(("Rain", "Take an umbrella – “now”."))
    until(lambda: live(emulator)["outcomes"] == {"delivered": 1}, 5, "its acknowledgement", saw=lambda: live(emulator))


def test_what_firefox_cannot_decrypt_is_not_shown(visitor: Visitor, emulator: EmulatorProcess) -> None:
    visitor.subscribe()
    right = visitor.subscription["keys"]["auth"]
    visitor.subscription["keys"]["auth"] = b64u(b"x" * 16)
    assert visitor.send("Hidden") == 201
    until(lambda: live(emulator)["outcomes"] == {"undecryptable": 1}, 5, "a complaint", saw=lambda: live(emulator))
    visitor.subscription["keys"]["auth"] = right
    assert visitor.send("Shown") == 201
    visitor.sees(("Shown", ""))


def test_after_unsubscribing_the_endpoint_is_gone(visitor: Visitor) -> None:
    visitor.subscribe()
    assert visitor.send("Before") == 201
    unsubscribe = (
        "const registration = await navigator.serviceWorker.ready;"
        "return (await registration.pushManager.getSubscription()).unsubscribe();"
    )
    assert visitor.firefox.run(unsubscribe) is True
    until(lambda: visitor.send("After") == 410, 5, "410")


def test_what_was_pushed_while_it_was_away_arrives_afterwards(visitor: Visitor, emulator: EmulatorProcess) -> None:
    endpoint = visitor.subscribe()
    with visitor.firefox.offline():
        until(lambda: live(emulator)["connected"] == 0, 5, "Firefox to go away", saw=lambda: live(emulator))
        assert visitor.send("One") == 201
        assert visitor.send("Old", topic="weather") == 201
        assert visitor.send("New", topic="weather") == 201
        assert visitor.send("Now or never", ttl=0) == 201
        assert visitor.send("Soon over", ttl=30) == 201
        emulator.control("clock", {"advance": 31})
        assert visitor.shown() == []
    visitor.sees(("One", ""), ("New", ""))
    assert visitor.subscribe() == endpoint
    assert visitor.send("Two") == 201
    visitor.sees(("One", ""), ("New", ""), ("Two", ""))


def test_a_push_without_payload_wakes_the_worker(visitor: Visitor) -> None:
    visitor.subscribe()
    assert send(visitor.subscription, visitor.vapid, body=b"", Content_Encoding=None).status == 201
    visitor.sees(("nothing said", ""))


def test_a_service_that_has_forgotten_it_makes_it_subscribe_anew(visitor: Visitor, emulator: EmulatorProcess) -> None:
    endpoint = visitor.subscribe()
    emulator.control("webpush/forget", {})
    visitor.sees(("changed", "pushsubscriptionchange"))
    assert visitor.subscribe() != endpoint
    assert visitor.send("Again") == 201
    visitor.sees(("changed", "pushsubscriptionchange"), ("Again", ""))


def test_another_key_needs_another_subscription(visitor: Visitor) -> None:
    visitor.subscribe()
    visitor.vapid = Vapid()
    assert visitor.send("By somebody else") == 401


def test_what_a_script_throws_reaches_the_test(visitor: Visitor) -> None:
    with pytest.raises(MarionetteError, match="no such luck"):
        visitor.firefox.run("await null; throw new Error('no such luck')")


def test_firefox_talks_to_this_machine_alone(visitor: Visitor) -> None:
    """The proof has teeth: an address elsewhere is seen to be asked for."""
    assert visitor.firefox.outside.asked == []
    visitor.firefox.run("await fetch('http://elsewhere.invalid/', {mode: 'no-cors'}).catch(() => null)")
    assert visitor.firefox.outside.asked == ["GET http://elsewhere.invalid/ HTTP/1.1"]
    visitor.firefox.outside.asked.clear()
