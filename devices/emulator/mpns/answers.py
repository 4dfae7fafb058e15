"""Every answer the service was documented to give, and how it was spelled.

Source: Microsoft, "Push Notification Service Response Codes for Windows Phone" (7.x, March 2012) and the edition for
Windows Phone 8. Where a row has no word, the header is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from devices.emulator.exchange import date, status_line

RECEIVED, QUEUE_FULL, SUPPRESSED, DROPPED = "Received", "QueueFull", "Suppressed", "Dropped"
CONNECTED, AWAY, OFF, INACTIVE = "Connected", "TempDisconnected", "Disconnected", "Inactive"
ACTIVE, EXPIRED = "Active", "Expired"
NO_ID = b"00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One answer: the status and the words of X-NotificationStatus, X-DeviceConnectionStatus, X-SubscriptionStatus."""

    status: int
    notification: str = ""
    device: str = ""
    subscription: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    bare: bool = False  # without X-MessageID too

    @property
    def label(self) -> str:
        """Name the answer for the ledger and the counts: "200 Received"."""
        return f"{self.status} {self.notification}".rstrip()


# The rows of the vendor's table, counted from the top; 9 is field reports, 18 stands for "any other 5xx".
ROWS: dict[int, Answer] = {
    1: Answer(200, RECEIVED, CONNECTED, ACTIVE),
    2: Answer(200, RECEIVED, AWAY, ACTIVE),
    3: Answer(200, QUEUE_FULL, CONNECTED, ACTIVE),
    4: Answer(200, QUEUE_FULL, AWAY, ACTIVE),
    5: Answer(200, SUPPRESSED, CONNECTED, ACTIVE),
    6: Answer(200, SUPPRESSED, AWAY, ACTIVE),
    7: Answer(400),
    8: Answer(401),
    9: Answer(403),
    10: Answer(404, DROPPED, CONNECTED, EXPIRED),
    11: Answer(404, DROPPED, AWAY, EXPIRED),
    12: Answer(404, DROPPED, OFF, EXPIRED),
    13: Answer(405, headers=(("Allow", "POST"),)),
    14: Answer(406, DROPPED, CONNECTED, ACTIVE),
    15: Answer(406, DROPPED, AWAY, ACTIVE),
    16: Answer(412, DROPPED, INACTIVE),
    17: Answer(503),
    18: Answer(502),
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the words whose spelling changed over the years are written on the wire."""

    away: str
    inactive: str
    lower: bool = False

    def word(self, word: str) -> str:
        """Return ``word`` as it goes on the wire."""
        written = {AWAY: self.away, INACTIVE: self.inactive}.get(word, word)
        return written.lower() if self.lower else written


SPELLINGS: dict[str, Spelling] = {
    "compact": Spelling("TempDisconnected", "Inactive"),  # what client enums parse
    "enum": Spelling("TempDisconnected", "InActive"),  # the other client enums
    "documented-7": Spelling("Temporarily Disconnected", "Inactive"),
    "documented-8": Spelling("Temp Disconnected", "Disconnected"),
    "lower": Spelling("TempDisconnected", "Inactive", lower=True),  # late deployments
}


@lru_cache(maxsize=1024)
def _head(answer: Answer, spelling: str) -> bytes:
    spelled = SPELLINGS[spelling]
    words = (
        ("X-NotificationStatus", answer.notification),
        ("X-DeviceConnectionStatus", answer.device),
        ("X-SubscriptionStatus", answer.subscription),
    )
    lines = [(name, spelled.word(word)) for name, word in words if word] + list(answer.headers)
    written = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return status_line(answer.status) + written.encode("latin-1") + b"Content-Length: 0\r\nDate: "


def render(answer: Answer, spelling: str, message_id: bytes) -> bytes:
    """Return ``answer`` as bytes. The message id is echoed, or is all zeros when the sender gave none."""
    head = _head(answer, spelling)
    if answer.bare:
        return b"%s%s\r\n\r\n" % (head, date())
    return b"%s%s\r\nX-MessageID: %s\r\n\r\n" % (head, date(), message_id or NO_ID)
