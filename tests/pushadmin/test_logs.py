"""What the log must not hold, and what must not break its lines."""

from __future__ import annotations

import io
import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from pushadmin import links
from pushadmin.logs import plain


@pytest.mark.threats(39)
@pytest.mark.parametrize("trick", ["a\nb", "a\r\nERROR root: lost", "\x1b[2J", "\u202egnp", "\u2028x", "\x9b31m"])
def test_nothing_from_outside_breaks_a_line(log: io.StringIO, trick: str) -> None:
    logging.getLogger("any").warning("A name: %s", trick)
    try:
        raise ValueError(trick)
    except ValueError:
        logging.getLogger("any").exception("It failed")
    lines = log.getvalue().splitlines()
    assert len([line for line in lines if not line.startswith("    ")]) == 2
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", log.getvalue()) is None


@pytest.mark.threats(39)
@pytest.mark.django_db
def test_a_sign_in_link_is_not_logged_however_it_is_used(log: io.StringIO) -> None:
    path = links.path_for(User.objects.create_superuser("ada", password=None))
    token = path.rstrip("/").rpartition("/")[2]
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path).status_code == 403  # refused, and still good: whoever reads the log could use it
    client = Client()
    for method in (client.put, client.get, client.post, client.post):
        method(path)
    assert client.get(f"{path}x/").status_code == 404
    assert "sign-in/…" in log.getvalue()
    assert token not in log.getvalue()


@pytest.mark.threats(39, 41)
def test_a_foreign_host_costs_the_log_one_line(log: io.StringIO, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["push.example.org"]
    assert Client().get("/login/", headers={"Host": "evil.example"}).status_code == 400
    assert "Traceback" not in log.getvalue()
    assert "evil.example" in log.getvalue()


def test_plain_leaves_plain_words_alone() -> None:
    assert plain("Größe „x“ 5 % – पुणे") == "Größe „x“ 5 % – पुणे"
