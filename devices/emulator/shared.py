"""What all services of one emulator have in common."""

from __future__ import annotations

from collections.abc import Callable

from devices.emulator.board import Board
from devices.emulator.clock import Clock
from devices.emulator.exchange import Opening
from devices.emulator.keys_folder import KeysFolder
from devices.emulator.ledger import Ledger
from devices.emulator.wall import Wall


class Shared:
    """One clock, one ledger, one board and one wall with ``places`` screens.

    ``opening`` is what HTTP/2 connections are opened with. ``url`` and ``secure_url`` are the origins under which the
    emulator listens, "" until that is known. ``keys`` is what services hand out and keep over restarts.
    """

    def __init__(self, clock: Clock, ledger: Ledger, places: int, keys: KeysFolder | None = None) -> None:
        self.clock = clock
        self.ledger = ledger
        self.keys = keys or KeysFolder()
        self._places = places
        self.opening = Opening()
        self.url = ""
        self.secure_url = ""
        self.latency: Callable[[], float] = lambda: 0.0  # seconds that every answer takes, drawn anew each time
        self.reset()

    def reset(self) -> None:
        """Forget what was counted and shown; keep clock, ledger, keys and addresses."""
        self.board = Board()
        self.wall = Wall(self._places)
