"""How a record becomes lines of the log: nothing from outside breaks a line, and no sign-in link is written down."""

from __future__ import annotations

import logging
import re

from django.core.exceptions import PermissionDenied

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LINK = re.compile(r"/sign-in/[^\s\"'<>]+")
# Requests that Django refuses by themselves: the sentence says all, and a traceback for each would be a flood.
_ONE_LINE = ("django.security",)


class Line(logging.Formatter):
    """One line a record; a traceback follows indented, so that no line of it can pass for a record."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        # exc_text is what another formatter made of the traceback, and keeps in the record.
        own = {"msg": plain(record.getMessage()), "args": None, "exc_text": None}
        told = logging.makeLogRecord({**record.__dict__, **own})
        if record.name.startswith(_ONE_LINE):
            told.exc_info = told.stack_info = None
        return super().format(told)

    def formatException(self, ei: object) -> str:  # noqa: N802  # the name is logging's
        """Return the traceback, indented and plain."""
        lines = super().formatException(ei).splitlines()  # type: ignore[arg-type]
        return "\n".join(f"    {plain(line)}" for line in lines)


def plain(text: str) -> str:
    """Return ``text`` with control characters and turns of direction spelled out, and sign-in links cut short."""
    spelled = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return _LINK.sub("/sign-in/…", spelled)


class Refusals(logging.Filter):
    """Shortens what “django.request” says of a page that somebody may not open. Everything else stays as it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record; a refusal is without its traceback, and names who was refused."""
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
        if kind is not None and issubclass(kind, PermissionDenied):
            who = getattr(getattr(record, "request", None), "user", None)
            name = str(who).encode("unicode_escape").decode("ascii") if who else "Nobody"
            record.msg, record.args = f"{record.msg} (%s)", (*(record.args or ()), name)
            record.exc_info = None
        return True
