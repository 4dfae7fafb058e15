"""The connections of senders: how many there were, and which key each of them speaks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame, SettingsFrame

from devices.emulator.apns.answers import Refused
from devices.emulator.apns.keys import Key
from devices.emulator.exchange import Line, Session

MINUTE = 60
MOST_MINUTES = 1440  # of which the connections are remembered
NO_PREFACE = b"HTTP/2 client preface string missing or corrupt."


async def only_second(line: Line, answer: bytes) -> None:
    """Say in HTTP/2 what its servers say to whoever speaks HTTP/1.1 (RFC 9113, section 3.4), and close."""
    told = GoAwayFrame(0, last_stream_id=0, error_code=ErrorCodes.PROTOCOL_ERROR, additional_data=NO_PREFACE)
    await line.write(SettingsFrame(0).serialize() + told.serialize())
    line.close()


@dataclass(slots=True, eq=False)
class Peer:
    """Whoever is at the other end of one connection, by the key of its first token."""

    key: Key | None = None

    def speak_for(self, key: Key) -> None:
        """Remember whose connection it is. Raises Refused for another key than that of the first token."""
        if self.key is None:
            self.key = key
        elif key.team_id != self.key.team_id:
            raise Refused("InvalidProviderToken", "the connection belongs to another team")
        elif key.key_id != self.key.key_id:
            raise Refused("UnrelatedKeyIdInToken", "the connection belongs to another key")


class Connections:
    """Every connection that has asked something of APNs, counted with its first request."""

    def __init__(self) -> None:
        self._peers: WeakKeyDictionary[Session, Peer] = WeakKeyDictionary()
        self.forget()

    def forget(self) -> None:
        """Count afresh; connections that are open count again with their next request."""
        self._peers.clear()
        self.total = 0
        self.minutes: Counter[int] = Counter()

    def peer(self, session: Session, now: float) -> Peer:
        """Return who is at the other end. ``now`` is the emulated moment in unix seconds."""
        peer = self._peers.get(session)
        if peer is None:
            peer = self._peers[session] = Peer()
            self.total += 1
            self.minutes[int(now // MINUTE) * MINUTE] += 1
            if len(self.minutes) > MOST_MINUTES:
                del self.minutes[min(self.minutes)]
        return peer
