"""A sender of WNS as plain as can be."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.devices.emulator.sender import Answer
from tests.emulator import EmulatorProcess

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TOAST = (
    b'<toast><visual><binding template="ToastGeneric"><text>Hello</text><text>World</text>'
    b'<text placement="attribution">via Shop</text><image src="https://img.example.org/a.jpg"/></binding></visual>'
    b'<actions><action content="Open" arguments="o"/><action content="Later" arguments="l"/></actions></toast>'
)
TILE = (
    b'<tile><visual branding="nameAndLogo" displayName="Shop"><binding template="TileMedium"><text>small</text>'
    b'</binding><binding template="TileWide"><text>Weather</text><text>Sunny, 21 degrees</text>'
    b"</binding></visual></tile>"
)
BADGE = b'<badge value="7"/>'
BODIES = {"toast": TOAST, "tile": TILE, "badge": BADGE, "raw": b"any bytes"}


def post(url: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Answer:
    """Send one request on a connection of its own; the names of the answer's headers stay as they came."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def app(emulator: EmulatorProcess, name: str = "shop") -> dict[str, str]:
    found: dict[str, str] = emulator.control("wns/apps", {"app": name})
    return found


def legacy(emulator: EmulatorProcess, who: dict[str, str], **other: str) -> Answer:
    """Ask for an access token with a package SID."""
    form = {
        "grant_type": "client_credentials", "client_id": who["package_sid"], "client_secret": who["secret"],
        "scope": "notify.windows.com", **other,
    }  # fmt: skip
    return post(f"{emulator.url}/accesstoken.srf", urlencode(form).encode(), FORM)


def entra(emulator: EmulatorProcess, who: dict[str, str], tenant: str = "", **other: str) -> Answer:
    """Ask for an access token with a client at a tenant."""
    form = {
        "grant_type": "client_credentials", "client_id": who["client_id"], "client_secret": who["client_secret"],
        "scope": "https://wns.windows.com/.default", **other,
    }  # fmt: skip
    url = f"{emulator.url}/{tenant or who['tenant_id']}/oauth2/v2.0/token"
    return post(url, urlencode(form).encode(), FORM)


def token_of(emulator: EmulatorProcess, name: str = "shop") -> str:
    """Return an access token."""
    answer = legacy(emulator, app(emulator, name))
    assert answer.status == 200, answer
    found: str = json.loads(answer.body)["access_token"]
    return found


def channel(emulator: EmulatorProcess, token: str) -> str:
    """Return the URI of the channel with this token: "ok.pc-1"."""
    return f"{emulator.url}/?token={quote(token, safe='')}"


def headers_of(kind: str, bearer: str, **other: str | None) -> dict[str, str]:
    """Return the headers of a push; ``other`` replaces some ("X_WNS_Tag"), or leaves out those that are None."""
    usual: dict[str, str | None] = {
        "Authorization": f"Bearer {bearer}",
        "X-WNS-Type": f"wns/{kind}",
        "Content-Type": "application/octet-stream" if kind == "raw" else "text/xml",
        **{name.replace("_", "-"): value for name, value in other.items()},
    }
    return {name: value for name, value in usual.items() if value is not None}


def push(url: str, bearer: str, kind: str = "toast", body: bytes | None = None, **other: str | None) -> Answer:
    """Send one notification."""
    return post(url, BODIES[kind] if body is None else body, headers_of(kind, bearer, **other))


def described(answer: Answer) -> tuple[int, str | None, str | None]:
    """Return the status, X-WNS-Status and the description of the error."""
    get = answer.headers.get
    assert get("X-WNS-STATUS") == get("X-WNS-NOTIFICATIONSTATUS")
    return answer.status, get("X-WNS-STATUS"), get("X-WNS-ERROR-DESCRIPTION")


def messages(emulator: EmulatorProcess, url: str) -> list[dict[str, Any]]:
    """Return what a channel received."""
    found: list[dict[str, Any]] = emulator.control(f"wns/messages?channel={quote(url, safe='')}")["messages"]
    return found
