"""A real Firefox for tests, without a window and without a word to anybody outside, whose push service is the emulator.

It is driven by the Marionette protocol directly (JSON with its length before it, over TCP): the package that speaks it
brings more than a dozen others, for what is a page of code here. Every wait has a limit: START seconds for the start,
SCRIPT for everything that is asked of it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

from tests.waiting import until

START, SCRIPT = 60.0, 30.0  # seconds

# What asks for a push service, how soon it comes again (milliseconds), and notifications that need no desktop.
PUSH = {
    "alerts.useSystemBackend": False,
    "dom.push.testing.allowInsecureServerURL": True,
    "dom.push.connection.enabled": True,
    "dom.push.testing.ignorePermission": True,
    "dom.push.retryBaseInterval": 200,
    "dom.push.maxQuotaPerSubscription": 100_000,
    "permissions.default.desktop-notification": 1,
    "dom.webnotifications.requireuserinteraction": False,
}
# Firefox asks its vendor for updates, settings, experiments, lists of bad sites and whether there is an internet.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "app.update.disabledForTesting": True,
    "app.update.enabled": False,
    "browser.contentblocking.introCount": 99,
    "browser.discovery.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.newtabpage.activity-stream.feeds.asrouterfeed": False,
    "browser.ping-centre.telemetry": False,
    "browser.region.network.url": "",
    "browser.region.update.enabled": False,
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.provider.google5.updateURL": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "browser.translations.enable": False,
    "browser.urlbar.suggest.searches": False,
    "captivedetect.canonicalURL": "",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.usage.uploadEnabled": False,
    "doh-rollout.disable-heuristics": True,
    "doh-rollout.enabled": False,
    "extensions.blocklist.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.provider.network.url": "",
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "network.prefetch-next": False,
    "network.trr.mode": 5,
    "nimbus.rollouts.enabled": False,
    "security.OCSP.enabled": 0,
    "security.remote_settings.crlite_filters.enabled": False,
    "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.management.page.breach-alerts.enabled": False,
    "startup.homepage_welcome_url": "about:blank",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "data:,",
    "toolkit.telemetry.unified": False,
}


class Outside:
    """A proxy that leads nowhere and remembers for whom it was asked: the proof that nobody outside was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # the first lines of requests: "CONNECT example.org:443 HTTP/1.1"
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._listen, name="outside", daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):  # closed
            while True:
                visitor, _ = self._door.accept()
                with suppress(OSError), visitor:
                    visitor.settimeout(1)
                    self.asked.append(visitor.recv(4096).decode(errors="replace").split("\r\n")[0])
                    visitor.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


class MarionetteError(Exception):
    """What Firefox says when it cannot do what it was told."""


class Marionette:
    """The remote control of one Firefox."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=START)
        self._arrived = self._socket.makefile("rb")
        self._count = 0
        self._read()  # a greeting
        self.call("WebDriver:NewSession", {})
        self.call(
            "WebDriver:SetTimeouts", {"script": int(SCRIPT * 1000), "pageLoad": int(SCRIPT * 1000), "implicit": 0}
        )
        self._socket.settimeout(SCRIPT + 10)

    def call(self, command: str, parameters: dict[str, Any]) -> Any:
        """Return what the command returns. Raises MarionetteError, TimeoutError."""
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        while True:
            kind, number, error, result = self._read()
            if kind == 1 and number == self._count:
                break
        if error:
            raise MarionetteError(f"{command}: {error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def close(self) -> None:
        """Hang up."""
        self._arrived.close()
        self._socket.close()

    def _read(self) -> Any:
        digits = b""
        while not digits.endswith(b":"):
            octet = self._arrived.read(1)
            if not octet or len(digits) > 12:
                raise MarionetteError("Firefox hung up")
            digits += octet
        return json.loads(self._arrived.read(int(digits[:-1])))


class Firefox:
    """A Firefox of a fresh profile. It ends with ``stop``, or when this process does. Use it as a context manager.

    ``marionette`` is its remote control, ``outside`` whom it wanted to talk to beyond this machine.
    """

    def __init__(self) -> None:
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            pytest.fail("These tests need Firefox: install the package “firefox-esr”.", pytrace=False)
        began = time.monotonic()
        self._marionette: Marionette | None = None
        self.outside = Outside()
        self._folder = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
        profile = Path(self._folder.name) / "profile"
        profile.mkdir()
        (profile / "user.js").write_text(
            "".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in self._preferences())
        )
        # The kernel ends it when we die, however we die.
        lifeline = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        command = [program, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        self.log = Path(self._folder.name) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*lifeline, *command, "--profile", str(profile)],
                env={
                    **os.environ,
                    "HOME": self._folder.name,
                    "MOZ_CRASHREPORTER_DISABLE": "1",
                    "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1",  # or the preference for their server is not heard
                    "TMPDIR": self._folder.name,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            said = profile / "MarionetteActivePort"
            until(
                lambda: self._failed() or (said.exists() and said.read_text()),
                START,
                "Firefox to listen",
                saw=self._said,
            )
            if self._failed():
                raise RuntimeError(f"Firefox did not start: {self._said()}")
            self._marionette = Marionette(int(said.read_text()))
        except BaseException:
            self.stop()
            raise
        self.seconds_to_start = time.monotonic() - began

    def _preferences(self) -> list[tuple[str, object]]:
        proxy = {
            "network.proxy.type": 1,
            "network.proxy.no_proxies_on": "127.0.0.1, localhost",
            "network.proxy.failover_direct": False,
            **{f"network.proxy.{kind}": "127.0.0.1" for kind in ("http", "ssl", "socks")},
            **{f"network.proxy.{kind}_port": self.outside.port for kind in ("http", "ssl", "socks")},
        }
        # Port 0: Firefox picks one, and writes it into its profile.
        return [*{**PUSH, **QUIET, **proxy, "marionette.port": 0, "dom.push.serverURL": ""}.items()]

    def _failed(self) -> bool:
        return self.process.poll() is not None

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    @property
    def marionette(self) -> Marionette:
        """Return the remote control."""
        assert self._marionette is not None, "Firefox has ended"
        return self._marionette

    # what tests do with it

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self.marionette.call("WebDriver:Navigate", {"url": url})

    def click(self, selector: str) -> None:
        """Click on the element, as a person does: what follows has a user's gesture."""
        self.marionette.call("WebDriver:ElementClick", {"id": self._element(selector)})

    def fill(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.marionette.call("WebDriver:ElementSendKeys", {"id": self._element(selector), "text": text})

    def text(self, selector: str) -> str:
        """Return the text that is shown in an element."""
        shown: str = self.marionette.call("WebDriver:GetElementText", {"id": self._element(selector)})
        return shown

    def run(self, script: str, *arguments: object) -> Any:
        """Return what the body of an async function returns, run in the page; it may await. ``args`` are the arguments.

        Raises MarionetteError with what the script threw.
        """
        return self._run(None, script, arguments)

    def chrome(self, script: str, *arguments: object) -> Any:
        """Run a script as ``run`` does, with the rights of Firefox itself: Services, Cc and Ci are there."""
        self.marionette.call("Marionette:SetContext", {"value": "chrome"})
        try:
            return self._run("system", script, arguments)
        finally:
            self.marionette.call("Marionette:SetContext", {"value": "content"})

    def notifications(self) -> list[dict[str, Any]]:
        """Return what the service workers of the page's site show: title, body, tag, data and icon, oldest first."""
        shown: list[dict[str, Any]] = self.run(
            "const workers = await navigator.serviceWorker.getRegistrations();"
            "const shown = (await Promise.all(workers.map(worker => worker.getNotifications()))).flat();"
            "return shown.map(({title, body, tag, data, icon}) => ({title, body, tag, data, icon}));"
        )
        return shown

    def use_push_service(self, url: str) -> None:
        """Talk to the push service at this address, "http://127.0.0.1:8100"; subscriptions at another one end."""
        self.chrome("Services.prefs.setStringPref('dom.push.serverURL', args[0])", url.replace("http", "ws", 1))

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Be without a network: the connection to the push service ends, and comes back after the block."""
        self.chrome("Services.io.offline = true")
        try:
            yield
        finally:
            self.chrome("Services.io.offline = false")

    def stop(self) -> None:
        """End Firefox and all it started, and remove its profile. Safe to call again."""
        if self._marionette is not None:
            self._marionette.close()
            self._marionette = None
        everybody = descent(self.process.pid)
        for one in everybody:  # nothing of it is worth an orderly end, which takes seconds
            with suppress(psutil.Error):
                one.kill()
        self.process.wait(timeout=10)
        until(lambda: not any(map(alive, everybody)), 10, "the processes of Firefox to end")
        self.outside.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _element(self, selector: str) -> str:
        found = self.marionette.call("WebDriver:FindElement", {"using": "css selector", "value": selector})
        (reference,) = found.values()
        return str(reference)

    def _run(self, sandbox: str | None, script: str, arguments: tuple[object, ...]) -> Any:
        wrapped = (
            "const done = arguments[arguments.length - 1], args = arguments[0];"
            f"(async () => {{ {script} }})().then(value => done({{value}}), error => done({{error: String(error)}}));"
        )
        asked = {"script": wrapped, "args": [list(arguments)], "sandbox": sandbox, "newSandbox": True}
        answer = self.marionette.call("WebDriver:ExecuteAsyncScript", asked)
        if "error" in answer:
            raise MarionetteError(answer["error"])
        return answer.get("value")


def descent(pid: int) -> list[psutil.Process]:
    """Return a process and all it started that run, or nothing when it has ended."""
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that waits for its parent to hear of its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
