"""What the log says of refusals: one line with who and what, where Django writes the traceback of an exception."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied


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
