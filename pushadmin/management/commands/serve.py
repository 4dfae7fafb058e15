"""manage.py serve: the whole product as children of one command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from devices.common import lifeline
from pushadmin import environment as env

SHUTDOWN_SECONDS = 25.0  # seconds the children get to end by themselves
BEAT = 0.2


@dataclass(slots=True)
class ProcessGroup:
    """Child processes, each in a process group of its own, that end when we end."""

    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _pipe: tuple[int, int] = field(default_factory=os.pipe)

    def start(self, name: str, *command: str, **more: str) -> None:
        """Start a child that inherits the reading end of our lifeline."""
        reading = self._pipe[0]
        os.set_inheritable(reading, True)
        variables = {**os.environ, **more, lifeline.VARIABLE: str(reading)}
        self.children[name] = subprocess.Popen(
            command, env=variables, pass_fds=[reading], start_new_session=True, stdin=subprocess.DEVNULL
        )

    @property
    def lifeline(self) -> int:
        """The reading end of the pipe that closes with us."""
        return self._pipe[0]

    def fallen(self) -> str:
        """Return the name of a child that has ended, or ""."""
        return next((name for name, child in self.children.items() if child.poll() is not None), "")

    def stop(self) -> None:
        """Ask all to end, wait, and end whoever is left, with everything below it."""
        os.close(self._pipe[1])
        for child in self.children.values():
            self._signal(child, signal.SIGTERM)
        until = time.monotonic() + SHUTDOWN_SECONDS
        while time.monotonic() < until and any(child.poll() is None for child in self.children.values()):
            time.sleep(0.05)
        for child in self.children.values():
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        os.close(self._pipe[0])

    def _signal(self, child: subprocess.Popen[bytes], number: int) -> None:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)


class Command(BaseCommand):
    """Set up, then run emulator, worker and web server until Ctrl-C."""

    help = "Run dashboard, worker, emulator and demo. Ports: PORT (8000), EMULATOR_PORT, EMULATOR_TLS_PORT."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether there is to be a demo."""
        parser.add_argument("--no-demo", action="store_true", help="neither the emulator nor the demo App")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start everything in order, watch it, stop it."""
        port, emulator_port = env.number("PORT", 8000), env.number("EMULATOR_PORT", 9100)
        demo = not options["no_demo"]
        secure_port = env.number("EMULATOR_TLS_PORT", emulator_port + 1)
        emulated = [(emulator_port, "EMULATOR_PORT"), (secure_port, "EMULATOR_TLS_PORT")]
        for number, variable in [(port, "PORT"), *(emulated if demo else [])]:
            refuse_if_taken(number, variable)
        self.told = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        host = f"127.0.0.1:{emulator_port}"
        call_command("setup")
        group = ProcessGroup()
        try:
            if demo:
                settings.EMULATOR = os.environ["PUSHADMIN_EMULATOR"] = host
                settings.EMULATOR_TLS = os.environ["PUSHADMIN_EMULATOR_TLS"] = f"127.0.0.1:{secure_port}"
                folder = settings.EMULATOR_AUTHORITY.rpartition("/")[0]
                flags = ["--port", str(emulator_port), "--tls-port", str(secure_port), "--tls-folder", folder]
                flags += ["--keys-folder", f"{folder}/keys", "--lifeline-fd", str(group.lifeline)]
                group.start("emulator", *manage("pushemulator", *flags))
                call_command("demo", stdout=self.stdout)
            group.start("worker", *manage("runworker"))
            group.start("web server", *manage("runweb"), PORT=str(port), BIND="")
            self._await(group, f"http://127.0.0.1:{port}/healthz")
            self._tell(port, host if demo else "")
            self._watch(group)
        finally:
            group.stop()
        self.stdout.write(_("Stopped."))

    def _await(self, group: ProcessGroup, url: str) -> None:
        until = time.monotonic() + 60
        while not self.told and not answers(url):
            if fallen := group.fallen():
                raise CommandError(_("The %(child)s did not start; its own words are above.") % {"child": fallen})
            if time.monotonic() > until:
                raise CommandError(_("The web server did not answer within a minute."))
            time.sleep(BEAT)

    def _tell(self, port: int, host: str) -> None:
        base = f"http://127.0.0.1:{port}"
        self.stdout.write("\n" + _("  Dashboard      %(url)s") % {"url": f"{base}/"})
        if host:
            self.stdout.write(_("  Wall of phones %(url)s") % {"url": f"http://{host}/"})
        self.stdout.write(_("  Sign in once   "), ending="")
        call_command("signinlink", base_url=base, stdout=self.stdout)
        self.stdout.write("\n" + _("The link is good for one hour and one sign-in. Ctrl-C stops everything.") + "\n")
        self.stdout.flush()

    def _watch(self, group: ProcessGroup) -> None:
        while not self.told:
            if fallen := group.fallen():
                told = _("The %(child)s ended by itself, so everything was stopped. Its own words are above.")
                raise CommandError(told % {"child": fallen})
            time.sleep(BEAT)

    def _told_to_stop(self, number: int, frame: object) -> None:
        self.told = True


def manage(*arguments: str) -> list[str]:
    """Return the command line of another management command of this project."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def refuse_if_taken(port: int, variable: str) -> None:
    """Raise CommandError when somebody listens on ``port`` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            told = _("Port %(port)d is taken. Stop what listens there, or choose another one: %(command)s")
            raise CommandError(told % {"port": port, "command": f"{variable}={port + 1} make run"}) from None


def answers(url: str) -> bool:
    """Return whether a GET of ``url`` gives 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
