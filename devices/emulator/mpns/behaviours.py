"""The behaviours an address can name: ``/throttledthirdparty/01.00/queue-full-2.dev-7``.

An id begins with a behaviour, a dash and an argument if it takes one, then a dot and anything that tells devices
apart. One row of BEHAVIOURS is one behaviour: its name, what it means, and what makes it from the argument.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from email.utils import format_datetime
from functools import lru_cache

from devices.emulator import faults, table
from devices.emulator.exchange import Early, Play
from devices.emulator.mpns.answers import CONNECTED, ROWS, Answer
from devices.emulator.mpns.channels import Act, Push, Turn
from devices.emulator.table import TRAP, Table, early_wait, number, only, seconds, times

RECEIVED, RECEIVED_AWAY = Turn(ROWS[1], taken=True), Turn(ROWS[2], taken=True)
FULL_AWAY = Turn(ROWS[4])
UNAVAILABLE = Turn(ROWS[17])
TOO_MANY = Turn(ROWS[14])

Make = Callable[[str], Act]  # from the argument, "" when there is none; ValueError when it makes no sense
Behaviour = table.Behaviour[Act]


def _always(turn: Turn) -> Make:
    return table.always(only(turn))


def _times(turn: Turn) -> Make:
    """Return what makes: always ``turn``, or with an argument n: ``turn`` n times and then accepted."""
    return times(turn, RECEIVED, lambda push: push.channel.tries)


def _playing(play: Play) -> Make:
    return _always(Turn(ROWS[1], taken=True, play=play))


def _dripping(play: Callable[[float], Play]) -> Make:
    def make(argument: str) -> Act:
        return only(Turn(ROWS[1], taken=True, play=play(max(seconds(argument), 0.001))))

    return make


def _away(argument: str) -> Act:
    """The phone is away: messages wait for it, up to the argument or the service's own maximum."""
    most = number(argument, 1_000_000) if argument else None

    def act(push: Push) -> Turn:
        waiting = push.channel.waiting
        if waiting is None:
            waiting = push.channel.waiting = []
        if len(waiting) >= (push.queue_length if most is None else most):
            return FULL_AWAY
        waiting.append(push.content)
        return RECEIVED_AWAY

    return act


def _suppressed(argument: str) -> Act:
    if argument not in ("", "toast", "tile", "raw"):
        raise ValueError(f"not a kind: {argument}")
    turn = Turn(ROWS[5])
    return lambda push: turn if argument in ("", push.content.kind) else RECEIVED


def _daily_limit(argument: str) -> Act:
    limit = number(argument or "500", 1_000_000)
    return lambda push: RECEIVED if push.channel.taken_today(push.now) < limit else TOO_MANY


def _rate_limit(argument: str) -> Act:
    limit = number(argument or "1", 1_000_000)
    return lambda push: RECEIVED if push.channel.count_this_second(push.now) <= limit else TOO_MANY


def _slow(argument: str) -> Act:
    return only(Turn(ROWS[1], taken=True, seconds=seconds(argument)))


def _row(argument: str) -> Act:
    row = ROWS.get(number(argument, 99))
    if row is None:
        raise ValueError(f"no such row: {argument}")
    return only(Turn(row, taken=row.notification == "Received"))


def _status(argument: str) -> Act:
    status = number(argument, 599)
    if status < 200:
        raise ValueError(f"not a final status: {argument}")
    return only(Turn(Answer(status), taken=status < 300))


def _retry_after(argument: str) -> Act:
    """503 with Retry-After: the argument itself, or "date" (a minute from now), or "junk"."""
    if argument == "date":
        return lambda push: _unavailable_until(int(time.time()) + 60)
    return only(_unavailable("soon; or later?" if argument == "junk" else argument or "30"))


def _unavailable(retry_after: str) -> Turn:
    return Turn(Answer(503, headers=(("Retry-After", retry_after),)))


@lru_cache(maxsize=4)
def _unavailable_until(moment: int) -> Turn:
    return _unavailable(format_datetime(datetime.datetime.fromtimestamp(moment, datetime.UTC), usegmt=True))


def _redirect(status: int) -> Make:
    return _always(Turn(Answer(status, headers=(("Location", TRAP),))))


def _ignoring_argument(turn: Turn) -> Make:
    return lambda argument: only(turn)


_COOKIE = Answer(200, "Received", CONNECTED, "Active", headers=(("Set-Cookie", "device=1; Path=/"),))
_UNKNOWN = Answer(200, "Pondered", "Hibernating", "Paused")

BEHAVIOURS: tuple[Behaviour, ...] = (
    # what the service was documented to answer
    Behaviour("ok", "accepted; the phone is connected", _always(RECEIVED)),
    Behaviour("temp-disconnected", "accepted; waits for the phone. -n: n messages fit, then QueueFull", _away),
    Behaviour("queue-full", "QueueFull. -n: n times, then ok", _times(Turn(ROWS[3]))),
    Behaviour("suppressed", "the user does not want it. -toast, -tile, -raw: only that kind", _suppressed),
    Behaviour("expired", "404: the subscription is gone. -n: n times, then ok", _times(Turn(ROWS[10]))),
    Behaviour("inactive", "412: unreachable for long. -n: n times, then ok", _times(Turn(ROWS[16]))),
    Behaviour("daily-limit", "406 after n (500) pushes a day", _daily_limit),
    Behaviour("rate-limit", "406 after n (1) pushes a second", _rate_limit),
    Behaviour("unauthorized", "401. -n: n times, then ok", _times(Turn(ROWS[8]))),
    Behaviour("forbidden", "403. -n: n times, then ok", _times(Turn(ROWS[9]))),
    Behaviour("unavailable", "503. -n: n times, then ok", _times(UNAVAILABLE)),
    Behaviour("flap", "503 n times, then ok", _times(UNAVAILABLE)),
    Behaviour("retry-after", "503 with that Retry-After: -30 (the default), -date, -junk, --1, …", _retry_after),
    Behaviour("row", "-n: row n of the vendor's table", _row),
    Behaviour("status", "-n: that HTTP status and no words", _status),
    # what it might have said and nobody documented
    Behaviour("unknown-words", "200 with words nobody documented", _always(Turn(_UNKNOWN, taken=True))),
    Behaviour("no-words", "200 without any X- header", _always(Turn(Answer(200, bare=True), taken=True))),
    Behaviour("cookie", "accepted, with a Set-Cookie", _always(Turn(_COOKIE, taken=True))),
    Behaviour("redirect", "302 to a trap", _redirect(302)),
    Behaviour("redirect-307", "307 to a trap", _redirect(307)),
    # slow and broken lines
    Behaviour("slow", "accepted after n (1000) ms", _slow),
    Behaviour("slow-accept", "read only after n (1000) ms, then ok", _ignoring_argument(RECEIVED), early_wait),
    Behaviour("hang", "taken, never answered", _playing(faults.hang)),
    Behaviour("drip", "one byte of a header every n (1000) ms, for ever", _dripping(faults.drip)),
    Behaviour("drip-body", "one byte of the body every n (1000) ms, for ever", _dripping(faults.drip_body)),
    Behaviour("reset", "taken, then closed without an answer", _playing(faults.close)),
    Behaviour(
        "reset-before", "RST before the body is read; not taken", _always(UNAVAILABLE), lambda _: Early(reset=True)
    ),
    Behaviour("reset-after", "taken, then RST", _playing(faults.reset)),
    Behaviour("reset-midway", "taken, then closed after the status line", _playing(faults.reset_midway)),
    Behaviour("garbage", "taken, answered with bytes that are no HTTP", _playing(faults.garbage)),
    Behaviour("huge", "taken, answered with a body of a gigabyte", _playing(faults.huge)),
    Behaviour("gzip-bomb", "taken, answered with 256 MB packed into 256 KB", _playing(faults.gzip_bomb)),
    Behaviour("headers-flood", "taken, answered with 100,000 headers", _playing(faults.headers_flood)),
    Behaviour("long-header", "taken, answered with a header line of 2 MB", _playing(faults.long_header)),
    Behaviour("bad-utf8", "taken, answered with bytes that are no UTF-8", _playing(faults.bad_utf8)),
)

_TABLE = Table(BEHAVIOURS)
plan, plan_of_id, needed = _TABLE.plan, _TABLE.plan_of_id, _TABLE.needed
