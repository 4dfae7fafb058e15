"""How a state is shown everywhere: one icon, one word and one tone for each, so that colour is never alone."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext, gettext_noop


class Look(NamedTuple):
    """``icon`` names a symbol of static/pushadmin/icons.svg, ``tone`` a class tone-… of parts.css."""

    label: str
    icon: str
    tone: str


# Campaign.Status, Outcome and Device.Status; no word means two things.
LOOKS: dict[str, Look] = {
    "draft": Look(gettext_noop("Draft"), "edit", "calm"),
    "scheduled": Look(gettext_noop("Scheduled"), "clock", "info"),
    "preparing": Look(gettext_noop("Preparing"), "hourglass", "info"),
    "sending": Look(gettext_noop("Sending"), "send", "info"),
    "paused": Look(gettext_noop("Paused"), "pause", "warn"),
    "finished": Look(gettext_noop("Finished"), "flag", "calm"),  # how it went, its outcomes tell
    "cancelled": Look(gettext_noop("Cancelled"), "ban", "calm"),
    "accepted": Look(gettext_noop("Accepted"), "check", "good"),
    "retry": Look(gettext_noop("To be repeated"), "repeat", "info"),
    "dropped": Look(gettext_noop("Suppressed"), "muted", "calm"),
    "gone": Look(gettext_noop("Address gone"), "gone", "calm"),
    "rejected": Look(gettext_noop("Message refused"), "cross", "bad"),
    "denied": Look(gettext_noop("Credential refused"), "lock", "bad"),
    "unknown": Look(gettext_noop("Not known"), "question", "warn"),
    "expired": Look(gettext_noop("Ran out of time"), "clock", "warn"),
    "skipped": Look(gettext_noop("Left out"), "ban", "calm"),
    "waiting": Look(gettext_noop("Waiting"), "hourglass", "calm"),
    "active": Look(gettext_noop("Active"), "check", "good"),
    "hold": Look(gettext_noop("On hold"), "pause", "warn"),
    "retired": Look(gettext_noop("Retired"), "gone", "calm"),
}


def look(word: str) -> Look:
    """Return how ``word`` is shown; an unknown word is shown as it is."""
    known = LOOKS.get(str(word))
    if known is None:
        return Look(str(word).replace("_", " ").capitalize(), "question", "calm")
    return known._replace(label=gettext(known.label))
