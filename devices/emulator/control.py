"""What every command of the control API needs: who may ask, and JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from devices.emulator.exchange import Reply, Request, plain
from devices.emulator.services import Wishes

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
LOCAL = frozenset(("127.0.0.1", "localhost", "[::1]"))


def target_of(address: str) -> bytes:
    """Return path and query of an address, or of what stands after its host."""
    url = urlsplit(address)
    return (url.path + (f"?{url.query}" if url.query else "")).encode()


def is_local(request: Request) -> bool:
    """A page somewhere else whose name was bent to this machine must not steer the emulator (DNS rebinding)."""
    host = request.headers.get(b"host", b"").decode("latin-1").lower()
    return (host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host) in LOCAL


def told(ask: Callable[[], object]) -> Reply:
    """Answer with the JSON of what ``ask`` returns, or with 400 and its sentence when it raises ValueError."""
    try:
        return as_json(200, ask())
    except (ValueError, RecursionError) as error:
        return as_json(400, {"error": str(error)})


def obey(command: Callable[[Wishes], object], request: Request) -> Reply:
    """Give the JSON object of the request to ``command`` and answer with what it returns."""
    # A form on a foreign page can post to this machine, but not with this type.
    if request.headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        return as_json(415, {"error": "send application/json"})
    return told(lambda: command(_wishes(request.body)))


def _wishes(body: bytes) -> Wishes:
    wishes = json.loads(body or b"{}")
    if not isinstance(wishes, dict):
        raise ValueError("send a JSON object")
    return wishes


def as_json(status: int, answer: object) -> Reply:
    """Return an answer that carries JSON."""
    return Reply(plain(status, json.dumps(answer).encode(), (("Content-Type", "application/json"), *SAFE)))


def text(wishes: Wishes, name: str) -> str:
    """Return the text called ``name``, "" without one. Raises ValueError for anything but a text."""
    value = wishes.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value
