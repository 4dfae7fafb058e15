"""How the emulator is started: its flags, the same for ``python -m`` and for ``manage.py``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.settings import Latency, Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """The second, authenticated door: its port (0 = any), our certificate and key, and whose certificates we trust."""

    port: int
    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Options:
    """Everything the emulator is started with."""

    port: int
    ledger: Path | None
    phones: int
    settings: Settings
    tls: Tls | None = None
    lifeline: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    default = Settings()
    add = parser.add_argument
    add("--port", type=int, default=8100, help="port on 127.0.0.1; 0 picks a free one (default: %(default)s)")
    add("--ledger", type=Path, help="append one JSON line for every push to this file, before it is answered")
    add("--latency-ms", type=Latency.parse, default=default.latency, metavar="MS|LO-HI", help="delay of every answer")
    add("--payload-limit", type=int, default=default.payload_limit, metavar="BYTES", help="default: %(default)s")
    add("--daily-quota", type=int, default=default.daily_quota, metavar="N", help="a channel a day (%(default)s)")
    add("--queue-length", type=int, default=default.queue_length, metavar="N", help="for a phone that is away")
    add("--spelling", choices=list(SPELLINGS), default=default.spelling, help="of the status words")
    add("--lenient-class", action="store_true", help="accept a notification class that does not fit the target")
    add("--block-violators", action="store_true", help="401 to everything once the hourly rule was broken")
    add("--service-name", default="", metavar="CN", help="certificate name expected on authenticated channels")
    add("--phones", type=int, default=60, metavar="N", help="phones on the wall (default: %(default)s)")
    add("--tls-port", type=int, metavar="PORT", help="also listen with TLS, for authenticated channels")
    add("--tls-certificate", type=Path, metavar="PEM", help="certificate of the emulator")
    add("--tls-key", type=Path, metavar="PEM", help="its private key")
    add("--tls-authority", type=Path, metavar="PEM", help="who signs the certificates of senders")
    add("--lifeline-fd", type=int, metavar="FD", help="exit when this file descriptor reaches its end")


def read(parsed: argparse.Namespace) -> Options:
    """Make options of parsed flags. Raises ValueError with a sentence."""
    settings = Settings(
        latency=parsed.latency_ms,
        payload_limit=parsed.payload_limit,
        daily_quota=parsed.daily_quota,
        queue_length=parsed.queue_length,
        spelling=parsed.spelling,
        strict_class=not parsed.lenient_class,
        block_violators=parsed.block_violators,
        service_name=parsed.service_name,
    )
    return Options(parsed.port, parsed.ledger, parsed.phones, settings, _tls(parsed), parsed.lifeline_fd)


def _tls(parsed: argparse.Namespace) -> Tls | None:
    files = (parsed.tls_certificate, parsed.tls_key, parsed.tls_authority)
    if parsed.tls_port is None:
        return None
    if None in files:
        raise ValueError("--tls-port needs --tls-certificate, --tls-key and --tls-authority")
    return Tls(parsed.tls_port, *files)
