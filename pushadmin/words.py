"""How a state is shown everywhere: one icon, one word and one tone for each, so that colour is never alone."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """``icon`` names a symbol of static/pushadmin/icons.svg, ``tone`` a class tone-… of parts.css."""

    label: str
    icon: str
    tone: str


# Campaign.Status, Outcome and Device.Status; no word means two things.
LOOKS: dict[str, Look] = {
    "draft": Look("Draft", "edit", "calm"),
    "scheduled": Look("Scheduled", "clock", "info"),
    "preparing": Look("Preparing", "hourglass", "info"),
    "sending": Look("Sending", "send", "info"),
    "paused": Look("Paused", "pause", "warn"),
    "finished": Look("Finished", "flag", "calm"),  # how it went, its outcomes tell
    "cancelled": Look("Cancelled", "ban", "calm"),
    "accepted": Look("Accepted", "check", "good"),
    "retry": Look("To be repeated", "repeat", "info"),
    "dropped": Look("Suppressed", "muted", "calm"),
    "gone": Look("Address gone", "gone", "calm"),
    "rejected": Look("Message refused", "cross", "bad"),
    "denied": Look("Credential refused", "lock", "bad"),
    "unknown": Look("Not known", "question", "warn"),
    "expired": Look("Ran out of time", "clock", "warn"),
    "skipped": Look("Left out", "ban", "calm"),
    "waiting": Look("Waiting", "hourglass", "calm"),
    "active": Look("Active", "check", "good"),
    "hold": Look("On hold", "pause", "warn"),
    "retired": Look("Retired", "gone", "calm"),
}


def look(word: str) -> Look:
    """Return how ``word`` is shown; an unknown word is shown as it is."""
    return LOOKS.get(str(word)) or Look(str(word).replace("_", " ").capitalize(), "question", "calm")
