"""The control API and the page, for this machine only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from devices.emulator.exchange import Early, Reply, Request, plain
from devices.emulator.mpns import behaviours
from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.mpns.channels import Channel, is_address
from devices.emulator.mpns.service import Mpns

Wishes = dict[str, object]
PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/script.js": ("script.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
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


class FrontDesk:
    """Sends pushes to the service, everything else to the control API or the page. ``wire.Desk`` is what it is."""

    def __init__(self, mpns: Mpns) -> None:
        self.mpns = mpns
        self.url = ""  # http://127.0.0.1:port, once it is known
        self.secure_url = ""
        self._commands: dict[str, Callable[[Wishes], object]] = {
            "/emulator/channels": self._open_channel,
            "/emulator/behaviour": self._behave,
            "/emulator/read": self._read,
            "/emulator/clock": self._advance,
            "/emulator/settings": self._change_settings,
            "/emulator/reset": self._reset,
        }

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a request for ``target`` is read, if anything."""
        return self.mpns.early(target) if is_address(target) else None

    def answer(self, request: Request) -> Reply:
        """Decide about one request."""
        if is_address(request.target):
            return self.mpns.answer(request)
        if request.target.startswith(behaviours.TRAP.encode()):
            self.mpns.board.trap_hits += 1
            return Reply(plain(200))
        if not _is_local(request):
            return _json(403, {"error": "ask under the name 127.0.0.1 or localhost"})
        url = urlsplit(request.target.decode("ascii", "replace"))
        if request.method == b"GET":
            return self._show(url.path, url.query)
        command = self._commands.get(url.path)
        if request.method != b"POST" or command is None:
            return _json(404, {"error": "no such thing"})
        return _obey(command, request)

    def _show(self, path: str, query: str) -> Reply:
        if path in FILES:
            name, kind = FILES[path]
            return Reply(plain(200, (PAGE / name).read_bytes(), (("Content-Type", kind), *SAFE)))
        self.mpns.wall.settle(self.mpns.clock.now())
        if path == "/emulator/state":
            return _json(200, self._state())
        if path == "/emulator/phones":
            since = parse_qs(query).get("since", ["0"])[0]
            return _json(200, self.mpns.wall.shown(int(since) if since.isdecimal() and len(since) < 16 else 0))
        if path == "/emulator/behaviours":
            return _json(200, [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS])
        return _json(404, {"error": "no such thing"})

    def _state(self) -> dict[str, object]:
        mpns = self.mpns
        return {
            **mpns.board.shown(),
            "channels": len(mpns.channels),
            "clock": mpns.clock.now(),
            "everyone": mpns.everyone.name if mpns.everyone else None,
            "blocked": mpns.blocked,
            "settings": mpns.settings.shown(),
            "url": self.url,
            "secure_url": self.secure_url,
        }

    # commands: each takes the JSON object of the request and returns the JSON of the answer, or raises ValueError

    def _open_channel(self, wishes: Wishes) -> object:
        tier = _text(wishes, "tier") or "/throttledthirdparty/01.00"
        behaviour = _text(wishes, "behaviour")
        plan = behaviours.needed(behaviour) if behaviour else None
        service_name = _text(wishes, "service_name") or None
        channel = self.mpns.channels.open(tier, plan, _text(wishes, "device"), service_name)
        base = self.secure_url if channel.throttled is False or wishes.get("secure") is True else self.url
        return {"uri": (base or self.url) + channel.target, "channel": channel.target}

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            name = _text(wishes, "everyone")
            self.mpns.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        channel = self._channel(_text(wishes, "channel"))
        plan = behaviours.needed(_text(wishes, "behaviour"))
        for content in channel.behave(plan):
            self.mpns.wall.deliver(
                channel.target, channel.name or channel.id, plan.name, content, self.mpns.clock.now()
            )
        return {"channel": channel.target, "behaviour": plan.name}

    def _read(self, wishes: Wishes) -> object:
        phones = messages = 0
        for channel, waited in self.mpns.channels.read():
            phones, messages = phones + 1, messages + len(waited)
            for content in waited:
                name = channel.name or channel.id
                self.mpns.wall.deliver(channel.target, name, channel.plan.name, content, self.mpns.clock.now())
        return {"phones": phones, "messages": messages}

    def _channel(self, address: str) -> Channel:
        """Find a channel by its URI or the path of it."""
        url = urlsplit(address)
        target = url.path + (f"?{url.query}" if url.query else "")
        channel = self.mpns.channels.find(target.encode())
        if channel is None:
            raise ValueError(f"no such channel: {address}")
        return channel

    def _advance(self, wishes: Wishes) -> object:
        seconds = wishes.get("advance")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise ValueError("advance must be a number of seconds")
        self.mpns.clock.advance(seconds)
        self.mpns.wall.settle(self.mpns.clock.now())
        return {"clock": self.mpns.clock.now()}

    def _change_settings(self, wishes: Wishes) -> object:
        self.mpns.settings.change(wishes, frozenset(SPELLINGS))
        return self.mpns.settings.shown()

    def _reset(self, wishes: Wishes) -> object:
        self.mpns.reset()
        return {}


def _is_local(request: Request) -> bool:
    """A page somewhere else whose name was bent to this machine must not steer the emulator (DNS rebinding)."""
    host = request.headers.get(b"host", b"").decode("latin-1").lower()
    return (host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host) in LOCAL


def _obey(command: Callable[[Wishes], object], request: Request) -> Reply:
    # A form on a foreign page can post to this machine, but not with this type.
    if request.headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        return _json(415, {"error": "send application/json"})
    try:
        wishes = json.loads(request.body or b"{}")
        if not isinstance(wishes, dict):
            raise ValueError("send a JSON object")
        return _json(200, command(wishes))
    except (ValueError, RecursionError) as error:
        return _json(400, {"error": str(error)})


def _json(status: int, answer: object) -> Reply:
    return Reply(plain(status, json.dumps(answer).encode(), (("Content-Type", "application/json"), *SAFE)))


def _text(wishes: Wishes, name: str) -> str:
    value = wishes.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    return value
