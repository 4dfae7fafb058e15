"""Devices: what their tokens say, what each of them does, and what waits for one that is away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.emulator import table
from devices.emulator.apns.checks import Envelope
from devices.emulator.exchange import Play

SHORTEST_TOKEN, LONGEST_TOKEN = 64, 200  # characters
SANDBOX = "sandbox-"  # what the name of a sandbox device begins with
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_ID = re.compile(r"[A-Za-z0-9._~:-]+")


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What the service does about one push.

    ``reason`` is one of ``answers.REASONS``, "" when there is none to give; ``status`` is then the answer if it is not
    0. ``taken`` says whether the service keeps the message. A 410 tells of a moment ``ago`` seconds before.
    ``seconds`` pass before the answer, ``play`` replaces it on the wire, and ``leaving`` sends GOAWAY after it.
    ``gone`` sends GOAWAY in its place, which leaves out this push and all after it. ``deaf`` lets the connection
    acknowledge no PING from now on.
    """

    reason: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    taken: bool = False
    ago: int = 0
    seconds: float = 0.0
    play: Play | None = None
    leaving: bool = False
    gone: bool = False
    deaf: bool = False


Act = Callable[[int], Turn]  # from the number of the try, which counts from 1
Plan = table.Plan[Act]


class Push(NamedTuple):
    """One message that the service accepted; ``arrived`` is the emulated moment in unix seconds."""

    apns_id: str
    envelope: Envelope
    body: bytes
    headers: dict[bytes, bytes]
    arrived: float


@dataclass(slots=True, eq=False)
class Device:
    """One device. ``id`` is the text in its token: behaviour, dot and name.

    ``app`` is the bundle id of the app that the token belongs to, "" until a first message was accepted. ``kept`` holds
    the last message of each app while it is not ``online``.
    """

    token: str
    id: str
    plan: Plan
    tries: int = 0
    app: str = ""
    online: bool = True
    dead: bool = False  # it was said that nobody should push here again
    kept: dict[str, Push] = field(default_factory=dict)

    @property
    def sandbox(self) -> bool:
        """Whether it belongs to the sandbox, not to production."""
        return self.id.partition(".")[2].startswith(SANDBOX)

    def behave(self, plan: Plan) -> None:
        """Change the behaviour."""
        self.plan = plan
        self.tries = 0
        self.dead = False


class Devices:
    """Every device by its token. One whose token names a behaviour exists by itself.

    ``read`` returns the behaviour that an id begins with, None if none.
    """

    def __init__(self, read: Callable[[str], Plan | None]) -> None:
        self._read = read
        self._by_token: dict[str, Device] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._by_token.values())

    def find(self, token: str) -> Device | None:
        """Return the device with this token, None for a token that APNs never gave out."""
        device = self._by_token.get(token)
        if device is None:
            told = id_of(token)
            plan = self._read(told) if told else None
            if plan is not None:
                device = self._by_token[token] = Device(token, told, plan)
        return device


def id_of(token: str) -> str:
    """Return the text whose bytes a token has in lower-case hex, without the NULs that lengthen it; "" if none."""
    if len(token) > LONGEST_TOKEN or not _HEX.fullmatch(token):
        return ""
    told = bytes.fromhex(token).rstrip(b"\0").decode("latin-1")
    return told if _ID.fullmatch(told) else ""


def token_of(device_id: str) -> str:
    """Return the token for behaviour, dot and name. Raises ValueError when there can be none."""
    token = device_id.encode().hex().ljust(SHORTEST_TOKEN, "0")
    if id_of(token) != device_id:
        raise ValueError(f"not a name: {device_id}")
    return token
