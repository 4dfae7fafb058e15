"""A database that is away, or busy with somebody else: what is tried again, and how soon."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError)  # what Django raises when the database cannot do it now
# PostgreSQL's lock timeout, statement timeout, deadlock and serialization failure: the connection is sound.
BUSY = {"55P03", "57014", "40P01", "40001"}
SHORTEST, LONGEST = 0.05, 1.0  # seconds between two tries, doubled each time
TRIES = 5  # at a busy database while nothing is on the wire


def busy(error: BaseException) -> bool:
    """Return whether somebody else's lock stood in the way, and not the loss of the database."""
    return getattr(error.__cause__, "sqlstate", None) in BUSY or "is locked" in str(error)


@dataclass(slots=True)
class Outage:
    """What one sender knows of the database's absence. Times are on the monotonic clock."""

    tries: int = 0  # that failed since something was written last
    began: float = 0.0  # when the first of them did
    error: Exception | None = None  # of the last one
    _until: float = 0.0  # no try before this; 0.0: the database answered last time

    def note(self, error: Exception) -> None:
        """Take note of a failed try; a connection that may be broken is closed."""
        now = time.monotonic()
        self.tries, self.error = self.tries + 1, error
        self.began = now if self.tries == 1 else self.began
        self._until = now + min(SHORTEST * (1 << min(self.tries, 10)), LONGEST)
        logger.warning("The database does not answer (%s); trying again.", type(error).__name__)
        if not busy(error):
            connection.close()

    def over(self) -> None:
        """What was to be done is done."""
        self.tries, self.error, self._until = 0, None, 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._until > 0.0

    @property
    def hopeless(self) -> bool:
        """Whether waiting here is nobody's gain, as long as nothing is on the wire."""
        return self.error is not None and self.tries >= (TRIES if busy(self.error) else 1)

    def lifted(self) -> bool:
        """Return whether the database may be asked: it answers, or answers again. Asks it when it is time to."""
        if self.lasts and time.monotonic() >= self._until:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except AWAY as error:
                self.note(error)
            else:
                self._until = 0.0
        return not self.lasts
