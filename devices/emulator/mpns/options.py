"""The flags of the emulated MPNS, and what they make."""

from __future__ import annotations

import argparse

from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.mpns.settings import Latency, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    default = Settings()
    add = parser.add_argument
    add("--latency-ms", type=Latency.parse, default=default.latency, metavar="MS|LO-HI", help="delay of every answer")
    add("--payload-limit", type=int, default=default.payload_limit, metavar="BYTES", help="default: %(default)s")
    add("--daily-quota", type=int, default=default.daily_quota, metavar="N", help="a channel a day (%(default)s)")
    add("--queue-length", type=int, default=default.queue_length, metavar="N", help="for a phone that is away")
    add("--spelling", choices=list(SPELLINGS), default=default.spelling, help="of the status words")
    add("--lenient-class", action="store_true", help="accept a notification class that does not fit the target")
    add("--block-violators", action="store_true", help="401 to everything once the hourly rule was broken")
    add("--service-name", default="", metavar="CN", help="certificate name expected on authenticated channels")


def settings_of(parsed: argparse.Namespace) -> Settings:
    """Make settings of parsed flags."""
    return Settings(
        latency=parsed.latency_ms,
        payload_limit=parsed.payload_limit,
        daily_quota=parsed.daily_quota,
        queue_length=parsed.queue_length,
        spelling=parsed.spelling,
        strict_class=not parsed.lenient_class,
        block_violators=parsed.block_violators,
        service_name=parsed.service_name,
    )
