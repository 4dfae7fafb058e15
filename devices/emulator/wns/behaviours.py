"""The behaviours a channel can name, ``/?token=busy-5.pc-7``; ``devices.emulator.table`` reads the name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from devices.emulator import table
from devices.emulator.exchange import Early
from devices.emulator.line_faults import LINE_FAULTS, LineFault
from devices.emulator.table import TRAP, Table, early_wait, number, only, seconds, times
from devices.emulator.wns import answers
from devices.emulator.wns.answers import Answer
from devices.emulator.wns.channels import Act, Attempt, Turn

ACCEPTED, ACCEPTED_AWAY = Turn(answers.OK, taken=True), Turn(answers.AWAY, taken=True)

Make = Callable[[str], Act]
Behaviour = table.Behaviour[Act]


def _always(answer: Answer) -> Make:
    return table.always(only(Turn(answer)))


def _times(answer: Answer) -> Make:
    """Return what makes: always ``answer``, or with an argument n: ``answer`` n times and then received."""
    return times(Turn(answer), ACCEPTED)


def _waiting(answer: Answer, header: str, default: str = "") -> Make:
    """Return what makes: ``answer`` with this header: the argument in seconds, else ``default``; none for "none"."""

    def make(argument: str) -> Act:
        wait = "" if argument == "none" and default else argument or default
        if not wait:
            return only(Turn(answer))
        return only(Turn(replace(answer, headers=((header, str(number(wait, 10_000_000))),))))

    return make


def _offline_toast(attempt: Attempt) -> Turn:
    return Turn(answers.OFFLINE_TOAST) if attempt.kind == "toast" else ACCEPTED_AWAY


def _no_cache(attempt: Attempt) -> Turn:
    return ACCEPTED_AWAY if attempt.cached else Turn(answers.NO_CACHE)


def _slow(argument: str) -> Act:
    return only(Turn(answers.OK, taken=True, seconds=seconds(argument)))


def _status(argument: str) -> Act:
    status = number(argument, 599)
    if status < 200:
        raise ValueError(f"not a final status: {argument}")
    return only(Turn(Answer(status), taken=status < 300))


def _redirect(status: int) -> Make:
    return _always(Answer(status, headers=(("Location", TRAP),)))


def _ignoring_argument(argument: str) -> Act:
    return only(ACCEPTED)


def _line(row: LineFault) -> Behaviour:
    def make(argument: str) -> Act:
        return only(Turn(answers.OK, taken=row.taken, play=row.make(argument)))

    early = (lambda _: Early(reset=True)) if row.name == "reset-before" else None
    return Behaviour(row.name, row.means, make, early)


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("ok", "received; the device is connected", table.always(only(ACCEPTED))),
    Behaviour("dropped", "200 dropped: the user switched notifications off", _always(answers.OFF)),
    Behaviour("offline-toast", "the device is away: toasts are dropped, the rest waits", table.always(_offline_toast)),
    Behaviour(
        "no-cache", "the device is away: dropped unless X-WNS-Cache-Policy lets it wait", table.always(_no_cache)
    ),
    Behaviour("throttled", "200 channelthrottled. -n: n times, then ok", _times(answers.CHANNEL_THROTTLED)),
    Behaviour(
        "continue-after",
        "200 channelthrottled with X-WNS-CONTINUE-AFTER: n (60)",
        _waiting(answers.CHANNEL_THROTTLED, "X-WNS-CONTINUE-AFTER", "60"),
    ),
    Behaviour("gone", "410: the channel has expired or was revoked. -n: n times, then ok", _times(answers.REVOKED)),
    Behaviour("unknown", "404: no such channel. -n: n times, then ok", _times(answers.NO_CHANNEL)),
    Behaviour("other-app", "403: the channel belongs to another app", _always(answers.OTHER_APP)),
    Behaviour(
        "busy", "406 with Retry-After: 1. -n: that many seconds; -none", _waiting(answers.BUSY, "Retry-After", "1")
    ),
    Behaviour("quota", "429: the month is used up. -n: with Retry-After: n", _waiting(answers.QUOTA, "Retry-After")),
    Behaviour("unauthorized", "401 for the access token. -n: n times, then ok", _times(answers.BAD_TOKEN)),
    Behaviour("bad-request", "400", _always(answers.bad_request("A header is missing or wrong"))),
    Behaviour("domain-blocked", "410 Domain Blocked: the sender was shut out", _always(answers.DOMAIN_BLOCKED)),
    Behaviour("internal", "500. -n: n times, then ok", _times(answers.INTERNAL)),
    Behaviour("unavailable", "503. -n: with Retry-After: n", _waiting(answers.UNAVAILABLE, "Retry-After")),
    Behaviour("flap", "503 n times, then ok", _times(answers.UNAVAILABLE)),
    Behaviour("status", "-n: that HTTP status and no words", _status),
    Behaviour("redirect", "302 to a trap", _redirect(302)),
    Behaviour("redirect-307", "307 to a trap", _redirect(307)),
    Behaviour("redirect-308", "308 to a trap", _redirect(308)),
    Behaviour("slow", "accepted after n (1000) ms", _slow),
    Behaviour("slow-accept", "read only after n (1000) ms, then ok", _ignoring_argument, early_wait),
    *(_line(row) for row in LINE_FAULTS),
)

_TABLE = Table(BEHAVIOURS)
plan, plan_of_id, needed = _TABLE.plan, _TABLE.plan_of_id, _TABLE.needed
