"""Reading settings from the environment, and keys that are made once and kept in files of mode 0600."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Return variable ``name``, or the content of the file that ``name``_FILE points to, or ``default``."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE is {path}: {error.strerror}.") from None
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    """Return a yes/no variable; anything but the usual words for yes and no is refused."""
    value = text(name).strip().lower()
    if value == "":
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; write 1 or 0.")


def number(name: str, default: int) -> int:
    """Return a whole-number variable."""
    value = text(name).strip()
    if not value:
        return default
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def kept_key(path: Path, make: Callable[[], str]) -> str:
    """Return the key stored in ``path``, or "" (which pushadmin/checks.py refuses) when there is none.

    ``manage.py setup`` and ``serve`` alone make a new one, readable by the owner alone: any other command that found
    none was started without its environment, and a fresh key would only hide that. Two processes may arrive together:
    the file appears whole under its name or not at all, and the loser reads the winner's key.
    """
    try:
        return _kept(path, make)
    except OSError as error:
        told = f"{path} cannot be read or made by this user ({error.strerror}). It belongs to the user of the services."
        raise ImproperlyConfigured(told) from None


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        if os.environ.get("PUSHADMIN_NEW_KEYS") != "1":
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def secret_key(var: Path) -> str:
    """Return SECRET_KEY from the environment or from ``var``/secret_key."""
    return text("SECRET_KEY") or kept_key(var / "secret_key", lambda: secrets.token_urlsafe(64))


def encryption_keys(var: Path) -> list[str]:
    """Return the Fernet keys for stored credentials, newest first: ENCRYPTION_KEYS or ``var``/encryption_key."""
    given = words("ENCRYPTION_KEYS")
    return given or kept_key(var / "encryption_key", lambda: Fernet.generate_key().decode()).split()


def database(var: Path) -> dict[str, Any]:
    """Return Django's database settings for DATABASE_URL: empty for SQLite in ``var``, else postgresql://…"""
    url = text("DATABASE_URL")
    if not url:
        return _sqlite(var / "db.sqlite3")
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(f"DATABASE_URL begins with {parts.scheme!r}; use postgresql:// or sqlite:///.")
    query = dict(parse_qsl(parts.query))
    try:
        port = str(parts.port or "")
    except ValueError:
        raise ImproperlyConfigured("The port in DATABASE_URL is no number of a port.") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": query.pop("port", "") or port,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "options": "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c lock_timeout=20s",
            **query,
        },
    }


def _sqlite(path: Path) -> dict[str, Any]:
    if os.environ.get("PUSHADMIN_NEW_KEYS") == "1":  # any other command finds it, or was started without environment
        path.parent.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;",
        },
        "TEST": {"NAME": path.with_name("test.sqlite3")},
    }
