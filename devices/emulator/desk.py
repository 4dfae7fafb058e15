"""The front desk: sends a push to the service that owns its path, and serves the page and what is common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from devices.emulator.control import SAFE, as_json, is_local, obey, told
from devices.emulator.exchange import Early, Opening, Reply, Request, Session, plain
from devices.emulator.services import Running, Wishes
from devices.emulator.shared import Shared
from devices.emulator.table import TRAP

HERE = Path(__file__).parent
SCRIPT = "text/javascript; charset=utf-8"
FILES = {
    "/": (HERE / "page" / "index.html", "text/html; charset=utf-8"),
    "/style.css": (HERE / "page" / "style.css", "text/css; charset=utf-8"),
    "/script.js": (HERE / "page" / "script.js", SCRIPT),
    "/icon.svg": (HERE / "page" / "icon.svg", "image/svg+xml"),
}


class FrontDesk:
    """``http2.Desk`` for any number of services, by the name of their package. No two may own the same path."""

    def __init__(self, shared: Shared, services: Mapping[str, Running]) -> None:
        self.shared = shared
        self._services = services
        self._owners = {prefix: service for service in services.values() for prefix in service.prefixes}
        self._queries = tuple(prefix for prefix in self._owners if prefix.startswith(b"/?"))
        self._endings = tuple(prefix[1:] for prefix in self._owners if prefix.startswith(b"*"))
        self._groups = tuple(group for service in services.values() for group in service.groups)
        self._files = {
            **FILES,
            **{f"/{name}/screens.js": (HERE / name / "page" / "screens.js", SCRIPT) for name in services},
        }
        self._commands: dict[str, Callable[[Wishes], object]] = {
            "/emulator/clock": self._advance,
            "/emulator/reset": self._reset,
        }
        self._views: dict[str, Callable[[Mapping[str, str]], object]] = {
            "/emulator/state": self._state,
            "/emulator/phones": self._screens,
        }
        self._sockets: dict[str, Callable[[Request], Reply]] = {}
        for service in services.values():
            self._sockets |= service.sockets
            self._commands |= service.commands
            self._views |= service.views

    def _owner(self, target: bytes) -> Running | None:
        return self._owners.get(target[: target.find(b"/", 1) + 1]) or self._owner_elsewhere(target)

    def _owner_elsewhere(self, target: bytes) -> Running | None:
        """Find who owns a target whose path has one part, is "/", or is known by its end."""
        if target.startswith(self._queries):
            return next(self._owners[query] for query in self._queries if target.startswith(query))
        path = target.partition(b"?")[0]
        if path.endswith(self._endings):
            return next(self._owners[b"*" + ending] for ending in self._endings if path.endswith(ending))
        return self._owners.get(path)

    def greet(self, session: Session) -> Opening:
        """Count an HTTP/2 connection, and say what it is opened with."""
        self.shared.board.http2_connections += 1
        return self.shared.opening

    def early(self, target: bytes) -> Early | None:
        """Say what happens before the body of a request for ``target`` is read, if anything."""
        owner = self._owner(target)
        return owner.early(target) if owner else None

    def answer(self, request: Request) -> Reply:
        """Decide about one request."""
        owner = self._owner(request.target)
        if owner is not None:
            return owner.answer(request)
        if request.target.startswith(TRAP.encode()):
            self.shared.board.trap_hits += 1
            return Reply(plain(200))
        if not is_local(request):
            return as_json(403, {"error": "ask under the name 127.0.0.1 or localhost"})
        url = urlsplit(request.target.decode("ascii", "replace"))
        if request.headers.get(b"upgrade", b"").lower() == b"websocket" and url.path in self._sockets:
            return self._sockets[url.path](request)
        if request.method == b"GET":
            return self._show(url.path, url.query)
        command = self._commands.get(url.path)
        if request.method != b"POST" or command is None:
            return as_json(404, {"error": "no such thing"})
        return obey(command, request)

    def _show(self, path: str, query: str) -> Reply:
        if path in self._files:
            file, kind = self._files[path]
            return Reply(plain(200, file.read_bytes(), (("Content-Type", kind), *SAFE)))
        if path == "/services.js":
            return Reply(plain(200, self._modules(), (("Content-Type", SCRIPT), *SAFE)))
        view = self._views.get(path)
        if view is None:
            return as_json(404, {"error": "no such thing"})
        self._settle()
        return told(lambda: view(dict(parse_qsl(query))))

    def _modules(self) -> bytes:
        """Return the script that gathers every service's part of the wall."""
        imports = [f'import * as {name} from "/{name}/screens.js";\n' for name in self._services]
        return f"{''.join(imports)}export default [{', '.join(self._services)}];\n".encode()

    def _settle(self) -> None:
        self.shared.wall.settle(self.shared.clock.now())
        for service in self._services.values():
            service.settle()

    # views and commands

    def _state(self, query: Mapping[str, str]) -> object:
        shared = self.shared
        state = {**shared.board.shown(), "clock": shared.clock.now()}
        for service in self._services.values():
            state |= service.state()
        return {**state, "url": shared.url, "secure_url": shared.secure_url}

    def _screens(self, query: Mapping[str, str]) -> object:
        since = query.get("since", "0")
        number = int(since) if since.isdecimal() and len(since) < 16 else 0
        return self.shared.wall.shown(number, self._groups)

    def _advance(self, wishes: Wishes) -> object:
        seconds = wishes.get("advance")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise ValueError("advance must be a number of seconds")
        self.shared.clock.advance(seconds)
        self._settle()
        return {"clock": self.shared.clock.now()}

    def _reset(self, wishes: Wishes) -> object:
        self.shared.reset()
        for service in self._services.values():
            service.reset()
        return {}
