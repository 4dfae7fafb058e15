"""What manage.py check says about an installation that would be open or unreadable to the wrong people."""

from __future__ import annotations

import ipaddress
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils.translation import gettext as _

from devices import keys

logger = logging.getLogger(__name__)
LOCAL = {"localhost", "127.0.0.1", "[::1]", "testserver"}


def refuse_unsafe() -> None:
    """Raise ImproperlyConfigured with everything that keeps ``manage.py`` from starting: for the web server.

    A database that does not answer is no reason not to start; the keys are compared at the next one.
    """
    found = [str(message.msg) for message in run_checks() if message.is_serious()]
    try:
        found = found or keys.strangers()
    except DatabaseError as error:
        logger.warning("The keys could not be compared with the database: %s", error)
    if found:
        raise ImproperlyConfigured(" ".join(found))


def foreign_hosts() -> set[str]:
    """Return the names by which others reach the dashboard."""
    return set(settings.ALLOWED_HOSTS) - LOCAL


@register(Tags.security)
def keys_are_there(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to run without keys, or with an encryption key that is none."""
    why = _(
        "This command was started without the environment of the installation: set %(name)s, or %(name)s_FILE, or "
        "PUSHADMIN_VAR to the folder that has it. On a new installation, run manage.py setup first."
    )
    found: list[CheckMessage] = []
    try:
        settings.SECRET_KEY  # noqa: B018  # Django itself refuses an empty one when it is asked for
    except ImproperlyConfigured:
        told = f"{_('There is no secret key.')} {why % {'name': 'SECRET_KEY'}}"
        found.append(Error(told, id="pushadmin.E003"))
    if not settings.ENCRYPTION_KEYS:
        told = f"{_('There is no encryption key.')} {why % {'name': 'ENCRYPTION_KEYS'}}"
        found.append(Error(told, id="pushadmin.E004"))
    for number, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            told = _("Key %(number)d of ENCRYPTION_KEYS is not a Fernet key: 32 bytes in URL-safe base64.")
            found.append(Error(told % {"number": number}, id="pushadmin.E005"))
    return found


@register(Tags.security)
def passwords_travel_sealed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse plain http on a public name, unless an operator says that it is meant."""
    if settings.HTTPS or settings.INSECURE_HTTP or not foreign_hosts():
        return []
    told = _(
        "ALLOWED_HOSTS names %(hosts)s and HTTPS is off: passwords would be readable. Set HTTPS=1 behind a proxy with "
        "TLS; INSECURE_HTTP=1 says that the network is your own and plain http meant."
    )
    return [Error(told % {"hosts": ", ".join(sorted(foreign_hosts()))}, id="pushadmin.E006")]


@register(Tags.security)
def debug_only_at_home(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse DEBUG where others can reach the dashboard: its error pages tell everything."""
    if settings.DEBUG and foreign_hosts():
        told = _("DEBUG is on and ALLOWED_HOSTS names hosts beyond this machine.")
        return [Error(told, hint=_("Unset DEBUG."), id="pushadmin.E001")]
    return []


@register(Tags.security)
def emulator_stays_here(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an emulator elsewhere: PUSHADMIN_EMULATOR takes its host out of every rule about addresses."""
    found: list[CheckMessage] = []
    doors = {"PUSHADMIN_EMULATOR": settings.EMULATOR, "PUSHADMIN_EMULATOR_TLS": settings.EMULATOR_TLS}
    for name, door in doors.items():
        host, colon, port = door.rpartition(":")
        try:
            loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            loopback = False
        if door and not (loopback and colon and port.isdecimal()):
            told = _("%(name)s is %(host)r; it must be a loopback address with a port.")
            hint = _("For example 127.0.0.1:9100.")
            found.append(Error(told % {"name": name, "host": door}, hint=hint, id="pushadmin.E002"))
    return found


@register(Tags.security)
def keys_are_private(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn when others on this machine can read what is kept in PUSHADMIN_VAR."""
    open_to_others = [path.name for path in private_paths() if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if not open_to_others:
        return []
    told = _("Others can read %(names)s in %(folder)s.")
    parts = {"names": ", ".join(sorted(open_to_others)[:5]), "folder": settings.VAR}
    return [Warning(told % parts, hint=_("manage.py setup mends it."), id="pushadmin.W001")]


def private_paths() -> Iterator[Path]:
    """Yield what only the owner may read: the folder of the installation, its keys, its database and its journals."""
    var = Path(settings.VAR)
    if var.is_dir():
        yield var
    for pattern in ("secret_key", "encryption_key", "db.sqlite3*", "last_beat", "journal", "journal/*"):
        yield from var.glob(pattern)
