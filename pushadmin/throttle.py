"""Limits on guessing passwords: by name from one address, by address, by name, and for the whole installation."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from django.http import HttpRequest

from devices.common.limits import Limit, client_network

SECONDS = 15 * 60
PER_NAME_AND_ADDRESS = Limit("sign-in-name-address", 5, SECONDS)
PER_ADDRESS = Limit("sign-in-address", 20, SECONDS)
PER_NAME = Limit("sign-in-name", 20, SECONDS)
# A crowd of addresses: 25 of them have to use up their own limit before it is met.
OVERALL = Limit("sign-in", 500, SECONDS)


@dataclass(frozen=True, slots=True)
class Guess:
    """One try to sign in: who, from where."""

    name: str
    address: str

    @classmethod
    def of(cls, request: HttpRequest) -> Guess:
        """Return the try that ``request`` makes, its name in the one spelling that all spellings of it share."""
        return cls(normal_name(request.POST.get("username", "")), client_network(request))

    def claim(self) -> bool:
        """Count the try and return True, or False when it is one too many.

        It is counted *before* the password is looked at: fifty guesses sent at once are as limited as fifty in a row.
        The narrow limits come first, so that one address cannot use up what all share.
        """
        return not any(limit.exceeded(who) for limit, who in self._limits())

    def forget(self) -> None:
        """Take the try back: the password was right. The wrong ones before it stay counted, except for this pair."""
        (own, who), *shared = self._limits()
        own.forget(who)
        for limit, whom in shared:
            limit.give_back(whom)

    def _limits(self) -> list[tuple[Limit, str]]:
        pair = f"{self.name}\n{self.address}"
        return [(PER_NAME_AND_ADDRESS, pair), (PER_ADDRESS, self.address), (PER_NAME, self.name), (OVERALL, "")]


def normal_name(typed: str) -> str:
    """Return a user name as all its spellings: Django's form folds by NFKC before it looks for the user."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()
