"""A limit on guessing passwords: five wrong ones per user and address in 15 minutes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest

from devices.limits import client_address

TRIES = 5
SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class Guess:
    """One try to sign in: who, from where."""

    key: str

    @classmethod
    def of(cls, request: HttpRequest) -> Guess:
        """Return the try that ``request`` makes. Only a digest of name and address is kept."""
        name = request.POST.get("username", "").strip().casefold()
        digest = hashlib.sha256(f"{name}\n{client_address(request)}".encode(errors="replace")).hexdigest()
        return cls(f"signin:{digest[:40]}")

    def claim(self) -> bool:
        """Take one of the free places and return True, or False when all are taken.

        A place is taken *before* the password is looked at, and ``add`` lets one of many callers have it: fifty
        guesses sent at once are as limited as fifty in a row.
        """
        return any(cache.add(f"{self.key}:{place}", 1, SECONDS) for place in range(TRIES))

    def forget(self) -> None:
        """Free all places: the password was right."""
        cache.delete_many([f"{self.key}:{place}" for place in range(TRIES)])
