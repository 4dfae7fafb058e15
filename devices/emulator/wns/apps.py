"""Apps as Partner Center and Entra register them: a package with its secret, a client with another."""

from __future__ import annotations

import hmac
import re
import secrets
import uuid
from dataclasses import asdict, dataclass

from devices.emulator.keys_folder import KeysFolder

DOCUMENT = "wns-apps"  # in the folder for keys
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class App:
    """One app with what both ways to sign in ask for."""

    app: str
    package_sid: str
    secret: str
    tenant_id: str
    client_id: str
    client_secret: str

    def shown(self) -> dict[str, str]:
        """Return everything, as the two consoles show it."""
        return asdict(self)


class Apps:
    """Every app by its name, kept over restarts."""

    def __init__(self, keys: KeysFolder) -> None:
        self._keys = keys
        stored = keys.read(DOCUMENT).get("apps", [])
        if not isinstance(stored, list):
            raise ValueError(f"{DOCUMENT} holds no list of apps")
        self._by_name = {app.app: app for app in (App(**entry) for entry in stored)}

    def of(self, name: str) -> App:
        """Return the app of this name, a new one if need be. Raises ValueError for what is no name."""
        if name not in self._by_name:
            if not _NAME.fullmatch(name):
                raise ValueError(f"no name for an app: {name}")
            self._by_name[name] = _made(name)
            self._keys.write(DOCUMENT, {"apps": [app.shown() for app in self._by_name.values()]})
        return self._by_name[name]

    def with_package(self, package_sid: str, secret: str) -> App | None:
        """Return the app of a package SID (in any case) and its secret."""
        wanted = package_sid.lower()
        found = next((app for app in self._by_name.values() if app.package_sid == wanted), None)
        return found if found and _same(found.secret, secret) else None

    def with_client(self, tenant_id: str, client_id: str, secret: str) -> App | None:
        """Return the app of a client at its tenant and that client's secret."""
        wanted = (tenant_id.lower(), client_id.lower())
        found = next((app for app in self._by_name.values() if (app.tenant_id, app.client_id) == wanted), None)
        return found if found and _same(found.client_secret, secret) else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _made(name: str) -> App:
    numbers = "-".join(str(secrets.randbits(32)) for _ in range(7))
    return App(
        app=name,
        package_sid=f"ms-app://s-1-15-2-{numbers}",
        secret=secrets.token_urlsafe(24),
        tenant_id=str(uuid.uuid4()),
        client_id=str(uuid.uuid4()),
        client_secret=secrets.token_urlsafe(30),
    )
