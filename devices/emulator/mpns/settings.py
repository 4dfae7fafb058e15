"""What can be set about the emulated service, at the start or while it runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Latency:
    """How long every answer takes, in milliseconds, drawn evenly between two bounds."""

    low: float = 0.0
    high: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "20" or "10-40". Raises ValueError."""
        low, _, high = text.partition("-")
        latency = cls(float(low), float(high or low))
        if not 0 <= latency.low <= latency.high <= 3_600_000:
            raise ValueError(f"not a latency: {text}")
        return latency

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"

    def seconds(self) -> float:
        """Draw one wait, in seconds."""
        return random.uniform(self.low, self.high) / 1000 if self.high else 0.0


@dataclass(slots=True)
class Settings:
    """The switches of the emulated MPNS.

    ``payload_limit`` in bytes; ``daily_quota`` in pushes a channel a day on throttled addresses; ``queue_length`` is
    how many messages wait for a phone that is away; ``spelling`` names an entry of ``answers.SPELLINGS``;
    ``strict_class`` refuses a notification class that does not fit the target; ``block_violators`` answers 401 to
    everything once a sender has broken the hourly rule; ``service_name`` is the CN expected on authenticated channels
    that were not opened with their own ("" lets any certificate in).
    """

    latency: Latency = Latency()
    payload_limit: int = 3072
    daily_quota: int = 500
    queue_length: int = 30
    spelling: str = "compact"
    strict_class: bool = True
    block_violators: bool = False
    service_name: str = ""

    def change(self, wishes: dict[str, object], spellings: frozenset[str]) -> None:
        """Set what ``wishes`` names, all of it or nothing. Raises ValueError with a sentence."""
        kinds = {setting.name: type(getattr(self, setting.name)) for setting in fields(self)}
        accepted: dict[str, object] = {}
        for name, wish in wishes.items():
            if name not in kinds:
                raise ValueError(f"no such setting: {name}")
            value = Latency.parse(str(wish)) if name == "latency" else wish
            if type(value) is not kinds[name] or (type(value) is int and value < 0):
                raise ValueError(f"{name} must be of type {kinds[name].__name__}")
            if name == "spelling" and value not in spellings:
                raise ValueError(f"spelling must be one of {', '.join(sorted(spellings))}")
            accepted[name] = value
        for name, value in accepted.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, object]:
        """Return every setting as JSON can carry it."""
        return {
            setting.name: str(value) if isinstance(value := getattr(self, setting.name), Latency) else value
            for setting in fields(self)
        }
