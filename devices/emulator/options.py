"""How the emulator is started: its flags, the same for ``python -m`` and for ``manage.py``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devices.emulator import services
from devices.emulator.certificates import Folder


@dataclass(frozen=True, slots=True)
class Tls:
    """The second, authenticated door: its port (0 = any), our certificate and key, and whose certificates we trust.

    ``folder`` is where certificate and key are made, if they are not there yet; None when they were given.
    """

    port: int
    certificate: Path
    key: Path
    authority: Path
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Everything the emulator is started with. ``settings`` are those of each service by the name of its package."""

    port: int
    ledger: Path | None
    phones: int
    settings: Mapping[str, object]
    tls: Tls | None = None
    lifeline: int | None = None
    keys_folder: Path | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags, those of the services included."""
    add = parser.add_argument
    add("--port", type=int, default=8100, help="port on 127.0.0.1; 0 picks a free one (default: %(default)s)")
    add("--ledger", type=Path, help="append one JSON line for every push to this file, before it is answered")
    add("--phones", type=int, default=60, metavar="N", help="phones on the wall (default: %(default)s)")
    add("--tls-port", type=int, metavar="PORT", help="also listen with TLS, for HTTP/2 and authenticated channels")
    add("--tls-certificate", type=Path, metavar="PEM", help="certificate of the emulator")
    add("--tls-key", type=Path, metavar="PEM", help="its private key")
    add("--tls-authority", type=Path, metavar="PEM", help="who signs the certificates of senders")
    add("--tls-folder", type=Path, metavar="DIR", help="in place of the three: make certificates here, or take them")
    add("--keys-folder", type=Path, metavar="DIR", help="keep accounts, keys and secrets that are handed out here")
    add("--lifeline-fd", type=int, metavar="FD", help="exit when this file descriptor reaches its end")
    for service in services.found().values():
        service.add_arguments(parser)


def read(parsed: argparse.Namespace) -> Options:
    """Make options of parsed flags. Raises ValueError with a sentence."""
    settings = {name: service.settings_of(parsed) for name, service in services.found().items()}
    return Options(
        parsed.port, parsed.ledger, parsed.phones, settings, _tls(parsed), parsed.lifeline_fd, parsed.keys_folder
    )


def _tls(parsed: argparse.Namespace) -> Tls | None:
    files = (parsed.tls_certificate, parsed.tls_key, parsed.tls_authority)
    if parsed.tls_folder is not None:
        if parsed.tls_port is None:
            raise ValueError("--tls-folder needs --tls-port")
        if files[:2] != (None, None):
            raise ValueError("--tls-folder has a certificate and a key of its own")
        own = Folder(parsed.tls_folder)
        return Tls(parsed.tls_port, own.server, own.server_key, parsed.tls_authority or own.authority, own.path)
    if parsed.tls_port is None:
        return None
    if None in files:
        raise ValueError("--tls-port needs --tls-folder, or --tls-certificate, --tls-key and --tls-authority")
    return Tls(parsed.tls_port, *files)
