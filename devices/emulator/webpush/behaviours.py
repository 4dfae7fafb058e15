"""The behaviours an endpoint can name, ``/wpush/v2/429-5.browser-7``; ``devices.emulator.table`` reads the name."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from email.utils import format_datetime

from devices.emulator import faults, table
from devices.emulator.exchange import Early, Play
from devices.emulator.table import TRAP, Table, early_wait, number, only, seconds, times
from devices.emulator.webpush.subscriptions import Act, Attempt, Turn
from devices.emulator.webpush.vendors import Fault

ACCEPTED = Turn(taken=True)
MINUTE = 60

Make = Callable[[str], Act]
Behaviour = table.Behaviour[Act]


def _always(turn: Turn) -> Make:
    return table.always(only(turn))


def _times(turn: Turn) -> Make:
    """Return what makes: always ``turn``, or with an argument n: ``turn`` n times and then accepted."""
    return times(turn, ACCEPTED)


def _waiting(turn: Turn, wait: str) -> Turn:
    """Return ``turn`` with Retry-After: seconds, or an HTTP-date, or nonsense."""
    closed = float(wait) if wait.isdecimal() else 0.0
    return Turn(turn.fault, turn.status, (("Retry-After", wait),), closed=closed)


def _retry_after(turn: Turn) -> Make:
    """Return what makes: ``turn`` with Retry-After as the argument says: seconds, "date" (in a minute), or "junk"."""

    def make(argument: str) -> Act:
        if argument == "date":
            return lambda attempt: Turn(turn.fault, turn.status, (("Retry-After", _date(attempt.real)),), closed=MINUTE)
        if argument == "junk":
            return only(_waiting(turn, "soon; or later?"))
        return only(_waiting(turn, str(number(argument, 10_000_000))) if argument else turn)

    return make


def _date(now: float) -> str:
    moment = datetime.datetime.fromtimestamp(int(now) + MINUTE, datetime.UTC)
    return format_datetime(moment, usegmt=True)


def _rate_limit(argument: str) -> Act:
    limit = number(argument or "1", 1_000_000)
    throttled = _waiting(Turn(Fault.THROTTLED), "1")

    def act(attempt: Attempt) -> Turn:
        return ACCEPTED if attempt.subscription.count_this_second(attempt.now) <= limit else throttled

    return act


def _slow(argument: str) -> Act:
    return only(Turn(taken=True, seconds=seconds(argument)))


def _granting(argument: str) -> Act:
    return only(Turn(taken=True, longest_ttl=number(argument, 2**31 - 1)))


def _status(argument: str) -> Act:
    status = number(argument, 599)
    if status < 200:
        raise ValueError(f"not a final status: {argument}")
    return only(Turn(status=status, taken=status < 300))


def _redirect(status: int) -> Make:
    return _always(Turn(status=status, headers=(("Location", TRAP),)))


def _playing(play: Play, taken: bool = True) -> Make:
    return _always(Turn(taken=taken, play=play))


def _dripping(play: Callable[[float], Play]) -> Make:
    return lambda argument: only(Turn(taken=True, play=play(max(seconds(argument), 0.001))))


def _ignoring_argument(argument: str) -> Act:
    return only(ACCEPTED)


_UNAVAILABLE = _waiting(Turn(Fault.UNAVAILABLE), "120")

BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("ok", "accepted and delivered", _always(ACCEPTED)),
    Behaviour("offline", "accepted; waits for the browser as long as its TTL lets it", _always(ACCEPTED)),
    Behaviour("ttl", "accepted; at most n seconds of TTL are granted", _granting),
    # what a sender has to live with
    Behaviour("gone", "410: unsubscribed. -n: n times, then ok", _times(Turn(Fault.GONE))),
    Behaviour("unknown", "404: no such subscription. -n: n times, then ok", _times(Turn(Fault.UNKNOWN))),
    Behaviour(
        "throttled", "too many, with Retry-After: 1. -n: n times, then ok", _times(_waiting(Turn(Fault.THROTTLED), "1"))
    ),
    Behaviour("rate-limit", "too many after n (1) pushes a second", _rate_limit),
    Behaviour(
        "429",
        "429. -n: with Retry-After: n; -date: as an HTTP-date in a minute; -junk",
        _retry_after(Turn(Fault.THROTTLED, 429)),
    ),
    Behaviour("406", "406, as 429", _retry_after(Turn(Fault.THROTTLED, 406))),
    Behaviour("retry-after", "503 with that Retry-After: -n, -date, -junk", _retry_after(Turn(Fault.UNAVAILABLE))),
    Behaviour("bad-token", "the sender's token is refused. -n: n times, then ok", _times(Turn(Fault.BAD_TOKEN))),
    Behaviour("other-key", "bound to another sender's key. -n: n times, then ok", _times(Turn(Fault.OTHER_KEY))),
    Behaviour("too-large", "413", _always(Turn(Fault.TOO_LARGE))),
    Behaviour("500", "500. -n: n times, then ok", _times(Turn(Fault.INTERNAL))),
    Behaviour("502", "502. -n: n times, then ok", _times(Turn(Fault.BAD_GATEWAY))),
    Behaviour("503", "503 with Retry-After: 120. -n: n times, then ok", _times(_UNAVAILABLE)),
    Behaviour("flap", "503 without Retry-After n times, then ok", _times(Turn(Fault.UNAVAILABLE))),
    Behaviour("status", "-n: that HTTP status and no words", _status),
    Behaviour("redirect", "302 to a trap", _redirect(302)),
    Behaviour("redirect-307", "307 to a trap", _redirect(307)),
    Behaviour("redirect-308", "308 to a trap", _redirect(308)),
    # slow and broken lines
    Behaviour("slow", "accepted after n (1000) ms", _slow),
    Behaviour("slow-accept", "read only after n (1000) ms, then ok", _ignoring_argument, early_wait),
    Behaviour("hang", "taken, never answered", _playing(faults.hang)),
    Behaviour("drip", "one byte of a header every n (1000) ms, for ever", _dripping(faults.drip)),
    Behaviour("drip-body", "one byte of the body every n (1000) ms, for ever", _dripping(faults.drip_body)),
    Behaviour("close", "closed without an answer; not taken", _playing(faults.close, taken=False)),
    Behaviour("close-after", "taken, then closed without an answer", _playing(faults.close)),
    Behaviour("reset", "RST in place of an answer; not taken", _playing(faults.reset, taken=False)),
    Behaviour("reset-before", "RST before the body is read; not taken", _always(Turn()), lambda _: Early(reset=True)),
    Behaviour("reset-after", "taken, but the answer is lost: RST", _playing(faults.reset)),
    Behaviour("reset-midway", "taken, then closed after the status line", _playing(faults.reset_midway)),
    Behaviour("truncated", "taken, answered with less of a body than was promised", _playing(faults.truncated)),
    Behaviour("garbage", "taken, answered with bytes that are no HTTP", _playing(faults.garbage)),
    Behaviour("huge", "taken, answered with a body of a gigabyte", _playing(faults.huge)),
    Behaviour("gzip-bomb", "taken, answered with 256 MB packed into 256 KB", _playing(faults.gzip_bomb)),
    Behaviour("headers-flood", "taken, answered with 100,000 headers", _playing(faults.headers_flood)),
    Behaviour("long-header", "taken, answered with a header line of 2 MB", _playing(faults.long_header)),
    Behaviour("bad-utf8", "taken, answered with bytes that are no UTF-8", _playing(faults.bad_utf8)),
)

_TABLE = Table(BEHAVIOURS)
plan, plan_of_id, needed = _TABLE.plan, _TABLE.plan_of_id, _TABLE.needed
OK = needed("ok")
