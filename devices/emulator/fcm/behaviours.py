"""The behaviours a registration token can name, ``unavailable-5.android-7``; ``devices.emulator.table`` reads it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from email.utils import format_datetime

from devices.emulator import table
from devices.emulator.exchange import Early
from devices.emulator.fcm import answers
from devices.emulator.fcm.answers import Fault
from devices.emulator.fcm.devices import Act, Attempt, Turn
from devices.emulator.line_faults import LINE_FAULTS, LineFault
from devices.emulator.table import TRAP, Table, early_wait, number, only, seconds, times

ACCEPTED = Turn(taken=True)
MINUTE = 60

Make = Callable[[str], Act]
Behaviour = table.Behaviour[Act]


def _always(fault: Fault) -> Make:
    return table.always(only(Turn(fault)))


def _times(fault: Fault) -> Make:
    """Return what makes: always ``fault``, or with an argument n: ``fault`` n times and then accepted."""
    return times(Turn(fault), ACCEPTED)


def _waiting(fault: Fault, wait: str) -> Turn:
    return Turn(replace(fault, headers=(("Retry-After", wait),)))


def _retry_after(fault: Fault) -> Make:
    """Return what makes: ``fault`` with Retry-After as the argument says: seconds, or "date" (in a minute)."""

    def make(argument: str) -> Act:
        if argument == "date":
            return lambda attempt: _waiting(fault, _date(attempt))
        return only(_waiting(fault, str(number(argument, 10_000_000))) if argument else Turn(fault))

    return make


def _date(attempt: Attempt) -> str:
    moment = datetime.datetime.fromtimestamp(int(attempt.real) + MINUTE, datetime.UTC)
    return format_datetime(moment, usegmt=True)


def _slow(argument: str) -> Act:
    return only(Turn(taken=True, seconds=seconds(argument)))


def _status(argument: str) -> Act:
    status = number(argument, 599)
    if status < 200:
        raise ValueError(f"not a final status: {argument}")
    return only(Turn(Fault(status, bare=True), taken=status < 300))


def _redirect(status: int) -> Make:
    return _always(Fault(status, headers=(("Location", TRAP),), bare=True))


def _line(row: LineFault) -> Behaviour:
    def make(argument: str) -> Act:
        return only(Turn(taken=row.taken, play=row.make(argument), whole=row.whole))

    early = (lambda _: Early(reset=True)) if row.name == "reset-before" else None
    return Behaviour(row.name, row.means, make, early)


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("ok", "accepted and delivered", table.always(only(ACCEPTED))),
    Behaviour("unregistered", "404 UNREGISTERED. -n: n times, then ok", _times(answers.UNREGISTERED)),
    Behaviour("sender-id-mismatch", "403: another project's token", _always(answers.SENDER_ID_MISMATCH)),
    Behaviour("malformed-token", "400, violation of message.token", _always(answers.BAD_REGISTRATION)),
    Behaviour("third-party-auth-error", "401 THIRD_PARTY_AUTH_ERROR", _always(answers.THIRD_PARTY)),
    Behaviour("quota", "429. -n: with Retry-After: n; -date: as an HTTP-date in a minute", _retry_after(answers.QUOTA)),
    Behaviour("unauthenticated", "401 for the access token. -n: n times, then ok", _times(answers.BAD_TOKEN)),
    Behaviour("permission-denied", "403 without errorCode", _always(answers.PERMISSION_DENIED)),
    Behaviour("not-found", "404 without errorCode", _always(answers.NOT_FOUND)),
    Behaviour("internal", "500. -n: n times, then ok", _times(answers.INTERNAL)),
    Behaviour("unavailable", "503. -n: with Retry-After: n; -date", _retry_after(answers.UNAVAILABLE)),
    Behaviour("flap", "503 n times, then ok", _times(answers.UNAVAILABLE)),
    Behaviour("bad-gateway", "502. -n: n times, then ok", _times(answers.BAD_GATEWAY)),
    Behaviour("html", "502 with an HTML page in place of JSON", _always(answers.PAGE)),
    Behaviour("status", "-n: that HTTP status and no words", _status),
    Behaviour("redirect", "302 to a trap", _redirect(302)),
    Behaviour("redirect-307", "307 to a trap", _redirect(307)),
    Behaviour("redirect-308", "308 to a trap", _redirect(308)),
    Behaviour("slow", "accepted after n (1000) ms", _slow),
    Behaviour("slow-accept", "as slow; for everyone: read only after n (1000) ms", _slow, early_wait),
    *(_line(row) for row in LINE_FAULTS),
)

_TABLE = Table(BEHAVIOURS)
plan, plan_of_id, needed = _TABLE.plan, _TABLE.plan_of_id, _TABLE.needed
OK = needed("ok")
