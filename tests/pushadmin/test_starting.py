"""What has to be true before anything starts: keys that are there and shared, nobody else who reads, no open door."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client

from campaigns.management.commands.runworker import Command as RunWorker
from devices import keys
from devices.models import App, Credential, KeyFingerprint
from pushadmin import environment, second_factor
from pushadmin.checks import refuse_unsafe

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"SECRET_KEY": "s" * 60, "ENCRYPTION_KEYS": Fernet.generate_key().decode()}


def run(*command: str, **variables: str) -> tuple[int, str]:
    """Run a command of the project with these variables and no others of ours; return its code and its words."""
    plain = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}}
    line, environment = [sys.executable, *command], {**plain, **variables}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def modes(folder: Path) -> dict[str, int]:
    """Return who may read what below ``folder``, apart from the static files, which everybody gets."""
    found = [folder, *folder.rglob("*")]
    kept = [path for path in found if path == folder or path.relative_to(folder).parts[0] != "static"]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in kept}


def a_secret(key: str) -> Any:
    """Return what a push service is shown."""
    return {"key": key}


@pytest.fixture
def app(db: None) -> App:
    """An App."""
    return App.objects.create(name="Weather", slug="weather")


@pytest.mark.threats(13)
def test_only_setup_makes_keys_and_all_that_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    var = tmp_path / "var"
    for command in ("check", "runworker"):
        code, said = run("manage.py", command, PUSHADMIN_VAR=str(var))
        assert (code, "There is no secret key" in said, "There is no encryption key" in said) == (1, True, True)
        assert not list(var.glob("*key*"))
    assert run("manage.py", "setup", PUSHADMIN_VAR=str(var))[0] == 0
    assert modes(var) == {"var": 0o700, "db.sqlite3": 0o600, "secret_key": 0o600, "encryption_key": 0o600}
    for path in (var, var / "db.sqlite3"):
        path.chmod(0o755)
    code, said = run("manage.py", "check", PUSHADMIN_VAR=str(var))
    assert "Others can read db.sqlite3, var" in said
    assert run("manage.py", "setup", PUSHADMIN_VAR=str(var))[0] == 0
    assert modes(var)["db.sqlite3"] == 0o600


@pytest.mark.threats(13, 40)
def test_the_web_server_refuses_what_manage_py_refuses(tmp_path: Path) -> None:
    code, said = run("-c", "import pushadmin.wsgi", PUSHADMIN_VAR=str(tmp_path), DEBUG="1", ALLOWED_HOSTS="a.example")
    assert code == 1
    for told in ("There is no secret key", "There is no encryption key", "names hosts beyond", "HTTPS is off"):
        assert told in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.threats(13, 40)
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"ALLOWED_HOSTS": ["a.example"], "DEBUG": True, "HTTPS": True}, "names hosts beyond"),
        ({"ALLOWED_HOSTS": ["a.example"]}, "HTTPS is off"),
        ({"ALLOWED_HOSTS": ["*"]}, "HTTPS is off"),
        ({"ALLOWED_HOSTS": ["a.example"], "HTTPS": True}, ""),
        ({"ALLOWED_HOSTS": ["a.example"], "INSECURE_HTTP": True}, ""),
        ({"SECRET_KEY": "o" * 60}, "all its machines share one"),
        ({"ENCRYPTION_KEYS": ["x"]}, "not a Fernet key"),
        ({"EMULATOR": "10.0.0.1:80"}, "must be a loopback address"),
    ],
)
def test_what_the_web_server_refuses(db: None, settings: Any, changes: dict[str, Any], told: str) -> None:
    keys.remember()
    for name, value in changes.items():
        setattr(settings, name, value)
    if not told:
        refuse_unsafe()
        return
    with pytest.raises(ImproperlyConfigured, match=told):
        refuse_unsafe()


def test_a_machine_with_keys_of_its_own_is_refused_until_somebody_says_that_the_old_ones_are_lost(
    db: None, settings: Any
) -> None:
    call_command("setup", verbosity=0)
    assert set(KeyFingerprint.objects.values_list("name", flat=True)) == {"SECRET_KEY", "ENCRYPTION_KEYS"}
    settings.ENCRYPTION_KEYS = [KEYS["ENCRYPTION_KEYS"]]
    worker = RunWorker(stdout=io.StringIO())
    worker.stopping = True
    for start in (lambda: call_command("setup", verbosity=0), worker._database_is_ready):
        with pytest.raises(CommandError, match="ENCRYPTION_KEYS of this machine"):
            start()
    call_command("setup", verbosity=0, accept_keys=True)
    assert keys.strangers() == []


def test_the_secret_key_is_changed_with_fallbacks(db: None, settings: Any) -> None:
    call_command("setup", verbosity=0)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = KEYS["SECRET_KEY"], [settings.SECRET_KEY]
    assert keys.strangers() == []
    call_command("setup", verbosity=0)
    settings.SECRET_KEY_FALLBACKS = []
    assert keys.strangers() == []


def test_the_encryption_key_is_changed_without_uploading_anything_again(app: App, settings: Any) -> None:
    secret: Any = {"certificate": "one", "key": "two"}
    row = Credential.objects.create(app=app, service="mpns", secret=secret)
    ada = User.objects.create_superuser("ada", password=None)
    codes = second_factor.new_codes(ada)
    call_command("setup", verbosity=0)
    old, new = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    out = io.StringIO()
    call_command("reencrypt", stdout=out)
    assert out.getvalue().startswith("2 secrets")
    settings.ENCRYPTION_KEYS = [new]
    assert keys.strangers() == []
    row.refresh_from_db()
    assert row.secret == secret
    assert second_factor.right_code(ada, codes[0])
    settings.ENCRYPTION_KEYS = [old]
    call_command("setup", verbosity=0, accept_keys=True)
    with pytest.raises(CommandError, match="2 can be read with none"):
        call_command("reencrypt", stdout=out)


@pytest.mark.parametrize("command", ["reencrypt", "signinlink"])
def test_a_machine_with_keys_of_its_own_neither_makes_them_those_of_all_nor_hands_out_a_void_link(
    db: None, settings: Any, command: str
) -> None:
    call_command("setup", verbosity=0)
    settings.ENCRYPTION_KEYS = [KEYS["ENCRYPTION_KEYS"]]
    settings.SECRET_KEY = KEYS["SECRET_KEY"]
    with pytest.raises(CommandError, match="of this machine"):
        call_command(command, stdout=io.StringIO())
    assert keys.strangers()


def test_setup_says_in_a_sentence_that_the_database_does_not_answer(tmp_path: Path) -> None:
    code, said = run(
        "manage.py", "setup", PUSHADMIN_VAR=str(tmp_path), DATABASE_URL="postgresql://p:q@127.0.0.1:1/nothing", **KEYS
    )
    assert code == 1
    assert "Traceback" not in said
    assert "CommandError: The database does not answer" in said


def test_a_command_without_its_environment_makes_no_folder(tmp_path: Path) -> None:
    code, said = run("manage.py", "tick", PUSHADMIN_VAR=str(tmp_path / "var"))
    assert code == 1
    assert "There is no secret key" in said
    assert not (tmp_path / "var").exists()


def test_a_secret_that_cannot_be_read_names_the_cause(
    app: App, settings: Any, caplog: pytest.LogCaptureFixture, admin_client: Client
) -> None:
    Credential.objects.create(app=app, service="mpns", secret=a_secret("one"))
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with caplog.at_level(logging.ERROR):
        shown = admin_client.get(f"/devices/app/{app.pk}/change/").content.decode()
    assert "cannot be read" in shown
    assert "none of ENCRYPTION_KEYS" in caplog.text


@pytest.mark.threats(13)
def test_a_dump_tells_no_secret_and_loads_again(app: App, tmp_path: Path) -> None:
    row = Credential.objects.create(app=app, service="mpns", secret=a_secret("canary-in-the-dump"))
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "devices.credential", output=str(dump))
    assert "canary" not in dump.read_text()
    assert json.loads(dump.read_text())[0]["fields"]["secret"]
    row.delete()
    call_command("loaddata", str(dump), verbosity=0)
    assert Credential.objects.get().secret == a_secret("canary-in-the-dump")


@pytest.mark.threats(13, 26)
def test_with_https_cookies_are_bound_to_the_host_and_browsers_come_back_by_https_alone(tmp_path: Path) -> None:
    told = "import os, pushadmin.wsgi; from django.conf import settings as s; "
    told += "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS); "
    told += "print(os.umask(0))"
    code, said = run("-c", told, PUSHADMIN_VAR=str(tmp_path), HTTPS="1", LOG_LEVEL="ERROR", **KEYS)
    assert (code, said.split()[:5]) == (0, ["__Host-sessionid", "__Host-csrftoken", "True", "31536000", str(0o077)])


@pytest.mark.threats(26)
def test_the_cookies_meet_what_their_prefix_promises(admin_client: Client, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31536000
    answer = Client().get("/login/", secure=True)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookie = answer.cookies["__Host-csrftoken"]
    assert (cookie["secure"], cookie["path"], cookie["domain"], cookie["samesite"]) == (True, "/", "", "Lax")


def test_a_database_that_is_away_is_no_reason_not_to_start(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    from django.db import OperationalError

    def away() -> list[str]:
        raise OperationalError("away")

    monkeypatch.setattr(keys, "strangers", away)
    refuse_unsafe()
    assert django_settings.SECRET_KEY


@pytest.mark.django_db
def test_a_migration_may_take_longer_than_a_page() -> None:
    from django.db import connection

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such limit")
    from pushadmin.apps import without_time_limit

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '1s'")
        without_time_limit(None, "default")
        cursor.execute("SELECT pg_sleep(1.2)")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE is /nowhere: No such file"),
        ({"DATABASE_URL": "postgresql://u:p@h:99999/x"}, "The port in DATABASE_URL"),
    ],
)
def test_a_setting_that_is_wrong_is_a_sentence_and_no_traceback(
    variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    code, said = run("manage.py", "check", PUSHADMIN_VAR=str(tmp_path), **{**KEYS, **variables})
    assert code == 1
    assert said.startswith(told)
    assert said.count("\n") == 1


def test_a_key_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "secret_key").mkdir()  # root reads everything but this
    with pytest.raises(ImproperlyConfigured, match="belongs to the user of the services"):
        environment.kept_key(tmp_path / "secret_key", lambda: "x")
