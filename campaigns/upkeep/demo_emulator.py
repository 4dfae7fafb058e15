"""What the demo asks the emulator for: credentials as the vendors' consoles hand them out, browsers' subscriptions."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import requests

from devices.models import App, Credential
from devices.push.services import find

WAIT = 15.0  # seconds for the emulator to answer: it was started a moment ago


class Away(Exception):
    """The emulator does not answer. ``str(error)`` is a sentence."""


def ask(host: str, path: str, **wishes: Any) -> dict[str, Any]:
    """Return what the emulator at ``host`` answers; raise Away. Just started, it may take a moment to listen."""
    until = time.monotonic() + WAIT
    session = requests.Session()
    session.trust_env = False
    while True:
        try:
            answer = session.post(f"http://{host}/emulator/{path}", json=wishes, timeout=WAIT)
            answer.raise_for_status()
        except requests.RequestException as error:
            if time.monotonic() > until:
                raise Away(str(error)) from error
            time.sleep(0.1)
        else:
            told: dict[str, Any] = answer.json()
            return told


def handed_out(host: str, secure: str) -> dict[str, dict[str, str]]:
    """Return the fields of Credentials by service, the same each time; raise Away.

    ``secure`` is host:port of the emulator's door with TLS.
    """
    account = ask(host, "fcm/accounts", project="northwind-weather")
    key = ask(host, "apns/keys", team="northwind")
    app = ask(host, "wns/apps", app="northwind")
    return {
        "fcm": {"account": json.dumps(account, indent=2)},
        "apns": {
            "topic": key["topic"],
            "team_id": key["team_id"],
            "key_id": key["key_id"],
            "signing_key": key["key"],
            "server": f"https://{secure}",
        },
        "wns": {"client_id": app["package_sid"], "secret": app["secret"], "server": f"http://{host}"},
    }


def show(app: App, host: str, secure: str) -> None:
    """Store what the emulator hands out, unless somebody stored credentials of their own; raise Away."""
    stored = {row.service: row for row in app.credentials.all()}
    for slug, secret in handed_out(host, secure).items():
        shape = find(slug).credentials
        known = stored.get(slug)
        if shape is None or (known is not None and (known.secret is None or not _local(shape(**known.secret)))):
            continue
        made: Any = shape(**secret)
        columns: dict[str, Any] = {"secret": secret, "subject": made.subject, "fingerprint": made.fingerprint}
        Credential.objects.update_or_create(app=app, service=slug, defaults=columns)


def _local(credentials: Any) -> bool:
    """Return whether these go to an emulator, perhaps one at a former port."""
    return bool(urlsplit(credentials.server).hostname == "127.0.0.1")
