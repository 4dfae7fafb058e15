"""The behaviours that a device token names; ``devices.emulator.table`` reads the name."""

from __future__ import annotations

from collections.abc import Callable

from h2.errors import ErrorCodes

from devices.emulator import faults, http2_faults, table
from devices.emulator.apns.answers import REASONS
from devices.emulator.apns.devices import Act, Turn
from devices.emulator.exchange import Play
from devices.emulator.table import TRAP, Table, number, only, seconds, times

ACCEPTED = Turn(taken=True)

Make = Callable[[str], Act]
Behaviour = table.Behaviour[Act]


def _always(turn: Turn) -> Make:
    return table.always(only(turn))


def _times(turn: Turn) -> Make:
    """Return what makes: always ``turn``, or with an argument n: ``turn`` n times and then accepted."""
    return times(turn, ACCEPTED, int)


def _playing(play: Play, taken: bool = True) -> Make:
    return _always(Turn(taken=taken, play=play))


def _unregistered(argument: str) -> Act:
    return only(Turn("Unregistered", ago=number(argument or "0", 2_000_000_000)))


def _reason(argument: str) -> Act:
    if argument not in REASONS:
        raise ValueError(f"no such reason: {argument}")
    return only(Turn(argument))


def _status(argument: str) -> Act:
    status = number(argument, 599)
    if status < 200:
        raise ValueError(f"not a final status: {argument}")
    return only(Turn(status=status, taken=status < 300))


def _slow(argument: str) -> Act:
    return only(Turn(taken=True, seconds=seconds(argument)))


_REFUSED = Turn(play=http2_faults.reset_stream(ErrorCodes.REFUSED_STREAM))

BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("ok", "accepted and delivered", _always(ACCEPTED)),
    # about the device
    Behaviour("bad-device-token", "400 BadDeviceToken", _always(Turn("BadDeviceToken"))),
    Behaviour("not-for-topic", "400 DeviceTokenNotForTopic", _always(Turn("DeviceTokenNotForTopic"))),
    Behaviour("unregistered", "410 Unregistered since now. -n: since n seconds ago", _unregistered),
    Behaviour("expired-token", "410 ExpiredToken", _always(Turn("ExpiredToken"))),
    Behaviour("too-many-requests", "429 TooManyRequests. -n: n times, then ok", _times(Turn("TooManyRequests"))),
    # about the sender
    Behaviour(
        "too-many-updates",
        "429 TooManyProviderTokenUpdates. -n: n times, then ok",
        _times(Turn("TooManyProviderTokenUpdates")),
    ),
    Behaviour("forbidden", "403 Forbidden", _always(Turn("Forbidden"))),
    Behaviour("invalid-token", "403 InvalidProviderToken", _always(Turn("InvalidProviderToken"))),
    Behaviour(
        "expired-provider-token", "403 ExpiredProviderToken. -n: n times, then ok", _times(Turn("ExpiredProviderToken"))
    ),
    Behaviour("bad-certificate", "403 BadCertificate", _always(Turn("BadCertificate"))),
    Behaviour("topic-disallowed", "400 TopicDisallowed", _always(Turn("TopicDisallowed"))),
    Behaviour("bad-topic", "400 BadTopic", _always(Turn("BadTopic"))),
    Behaviour("reason", "-R: that reason of the table, with its status: reason-BadPath", _reason),
    Behaviour("status", "-n: that HTTP status and no reason", _status),
    Behaviour("redirect", "307 to a trap", _always(Turn(status=307, headers=(("Location", TRAP),)))),
    # about the service
    Behaviour("internal", "500 InternalServerError. -n: n times, then ok", _times(Turn("InternalServerError"))),
    Behaviour("unavailable", "503 ServiceUnavailable. -n: n times, then ok", _times(Turn("ServiceUnavailable"))),
    Behaviour("shutdown", "503 Shutdown, then GOAWAY. -n: n times, then ok", _times(Turn("Shutdown", leaving=True))),
    Behaviour("idle-timeout", "400 IdleTimeout, then GOAWAY", _always(Turn("IdleTimeout", leaving=True))),
    # slow and broken lines
    Behaviour("slow", "accepted after n (1000) ms", _slow),
    Behaviour("hang", "taken, never answered", _playing(faults.hang)),
    Behaviour("goaway", "not taken: GOAWAY below its stream. -n: n times, then ok", _times(Turn(gone=True))),
    Behaviour("refused", "not taken: RST_STREAM, REFUSED_STREAM. -n: n times, then ok", _times(_REFUSED)),
    Behaviour(
        "rst",
        "taken, but RST_STREAM with INTERNAL_ERROR",
        _playing(http2_faults.reset_stream(ErrorCodes.INTERNAL_ERROR)),
    ),
    Behaviour("reset", "not taken: the connection breaks", _playing(http2_faults.reset_connection, taken=False)),
    Behaviour("reset-after", "taken, then the connection breaks", _playing(http2_faults.reset_connection)),
    Behaviour(
        "no-ping-ack", "accepted; its connection acknowledges no PING any more", _always(Turn(taken=True, deaf=True))
    ),
    Behaviour("garbage", "taken, answered with a head whose :status is none", _playing(faults.garbage)),
)

_TABLE = Table(BEHAVIOURS)
plan, plan_of_id, needed = _TABLE.plan, _TABLE.plan_of_id, _TABLE.needed
