"""What a phone makes of a payload, and what it shows on the wall."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from devices.emulator.apns.devices import Push
from devices.emulator.wall import Screen

NOTES = 3  # notifications that a phone shows at once
LONGEST = 1000  # characters of each text
MOST_BADGE = 2**31 - 1


class Notice(NamedTuple):
    """What a phone does with one message.

    ``kind`` is "alert" for what is seen or heard, "background" for what only wakes the app, "nothing" for the rest.
    ``badge`` is None when it stays as it is. ``why`` says what is wrong with the message, "" when nothing is.
    """

    kind: str
    app: str
    collapse_id: str = ""
    title: str = ""
    subtitle: str = ""
    body: str = ""
    badge: int | None = None
    why: str = ""


def read(push: Push) -> Notice:
    """Return what a phone makes of ``push``. APNs itself takes any body; the phone shows what it can."""
    app, collapse_id, push_type = push.envelope.app, push.envelope.collapse_id, push.envelope.push_type
    try:
        told = json.loads(push.body)
    except (ValueError, RecursionError):
        return Notice("nothing", app, why="the payload is no JSON")
    aps = told.get("aps") if isinstance(told, dict) else None
    if not isinstance(aps, dict):
        return Notice("nothing", app, why="the payload has no aps dictionary")
    title, subtitle, body = _alert(aps.get("alert"))
    badge = aps.get("badge")
    if not isinstance(badge, int) or isinstance(badge, bool) or not 0 <= badge <= MOST_BADGE:
        badge = None
    seen = bool(title or subtitle or body or badge is not None or aps.get("sound"))
    if push_type == "background" or (not seen and aps.get("content-available") == 1):
        return Notice("background", app, badge=badge, why=_background_fault(aps, push_type, seen))
    if not seen:
        why = "" if push_type not in ("", "alert") else "aps has neither alert, badge nor sound"
        return Notice("nothing", app, why=why)
    why = "" if push_type else "without apns-push-type newer systems may show nothing"
    return Notice("alert", app, collapse_id, title, subtitle, body, badge, why)


def _background_fault(aps: dict[str, object], push_type: str, seen: bool) -> str:
    if aps.get("content-available") != 1:
        return "a background push without content-available: 1"
    if seen:
        return "a background push with alert, badge or sound"
    return "" if push_type == "background" else "content-available alone asks for the push type background"


def _alert(alert: object) -> tuple[str, str, str]:
    """Return title, subtitle and body. A text that the app is to look up stands as its key, with its arguments."""
    if isinstance(alert, str):
        return "", "", alert[:LONGEST]
    if not isinstance(alert, dict):
        return "", "", ""
    title, subtitle, body = (_text(alert, name, prefix) for name, prefix in _TEXTS)
    return title, subtitle, body


_TEXTS = (("title", "title-loc-"), ("subtitle", "subtitle-loc-"), ("body", "loc-"))


def _text(alert: dict[str, object], name: str, prefix: str) -> str:
    value = alert.get(name)
    if not isinstance(value, str):
        value = alert.get(f"{prefix}key")
        arguments = alert.get(f"{prefix}args")
        if isinstance(value, str) and isinstance(arguments, list) and arguments:
            value = f"{value} ({', '.join(str(one) for one in arguments)})"
    return value[:LONGEST] if isinstance(value, str) else ""


def notifications(pushes: list[Push]) -> list[Notice]:
    """Return what stands in the notification centre after these messages, the oldest first."""
    shown: list[Notice] = []
    for push in pushes:
        shown = with_next(shown, read(push))
    return shown


def with_next(shown: list[Notice], notice: Notice) -> list[Notice]:
    """Return what is shown after ``notice``, which takes the place of one with its app and collapse id."""
    if not (notice.title or notice.subtitle or notice.body):
        return shown
    place = (notice.app, notice.collapse_id)
    return [old for old in shown if not notice.collapse_id or (old.app, old.collapse_id) != place] + [notice]


@dataclass(slots=True)
class Phone(Screen):
    """One phone on the wall."""

    group: ClassVar[str] = "iphones"
    notes: deque[Notice] = field(default_factory=lambda: deque(maxlen=NOTES))
    app: str = ""
    badge: int = 0
    quiet: str = ""  # a line about the latest message that showed nothing
    latest: str = ""

    def take(self, content: Notice) -> None:
        """Show what arrived."""
        self.received += 1
        self.app, self.latest = content.app, content.kind
        if content.badge is not None:
            self.badge = content.badge
        self.notes = deque(with_next(list(self.notes), content), maxlen=NOTES)
        if content.kind == "alert":
            self.quiet = content.why
        else:
            self.quiet = content.why or (
                "woken in the background" if content.kind == "background" else "handed to the app"
            )

    def shown(self) -> dict[str, object]:
        """Return the phone as JSON can carry it, the newest notification last."""
        return {
            **Screen.shown(self),
            "app": self.app,
            "badge": self.badge,
            "quiet": self.quiet,
            "latest": self.latest,
            "notifications": [shown(note) for note in self.notes],
        }


def shown(notice: Notice) -> dict[str, object]:
    """Return a notification as JSON can carry it."""
    return {name: getattr(notice, name) for name in ("app", "title", "subtitle", "body", "collapse_id")}
