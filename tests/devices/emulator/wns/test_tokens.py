"""Both of Microsoft's token endpoints and the apps that sign in there."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.devices.emulator.sender import Answer
from tests.devices.emulator.wns.sender import app, channel, described, entra, legacy, post, push, token_of
from tests.emulator import EmulatorProcess


def refused(answer: Answer) -> str:
    """Return how a grant was refused."""
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("application/json")
    told: dict[str, str] = json.loads(answer.body)
    assert told["error_description"]
    return told["error"]


def state(emulator: EmulatorProcess) -> dict[str, Any]:
    found: dict[str, Any] = emulator.control("state")["wns"]
    return found


def test_an_app_is_what_the_consoles_hand_out(emulator: EmulatorProcess) -> None:
    who = app(emulator)
    assert re.fullmatch(r"ms-app://s-1-15-2(-\d+){7}", who["package_sid"])
    assert set(who) == {"app", "package_sid", "secret", "tenant_id", "client_id", "client_secret"}
    assert all(
        re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", who[name]) for name in ("tenant_id", "client_id")
    )
    assert app(emulator) == who
    other = app(emulator, "another")
    assert [name for name in who if who[name] == other[name]] == []


@pytest.mark.parametrize("name", ["", "a b", "/", "x" * 65])
def test_what_is_no_name_makes_no_app(emulator: EmulatorProcess, name: str) -> None:
    with pytest.raises(OSError, match="400"):
        app(emulator, name)


def test_apps_are_kept_over_restarts(tmp_path: Path) -> None:
    with EmulatorProcess("--keys-folder", str(tmp_path / "keys")) as one:
        before = app(one)
    with EmulatorProcess("--keys-folder", str(tmp_path / "keys")) as other:
        assert app(other) == before
        assert legacy(other, before).status == 200


def test_both_ways_to_sign_in_are_good_for_the_channels(emulator: EmulatorProcess) -> None:
    who = app(emulator)
    one, two = json.loads(legacy(emulator, who).body), json.loads(entra(emulator, who).body)
    assert (one["token_type"], one["expires_in"]) == ("bearer", 86_400)
    assert (two["token_type"], two["expires_in"], two["ext_expires_in"]) == ("Bearer", "86400", "86400")
    assert int(two["expires_on"]) - int(two["not_before"]) == 86_400
    assert state(emulator)["grants"] == {"shop": 2}
    for told in (one, two):
        assert push(channel(emulator, "ok.a"), told["access_token"]).status == 200


def test_a_package_sid_is_known_in_any_case(emulator: EmulatorProcess) -> None:
    who = app(emulator)
    upper = who["package_sid"].replace("s-1-15-2", "S-1-15-2")
    assert legacy(emulator, who, client_id=upper, scope="s.notify.live.net").status == 200


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"client_secret": "x"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_id": "ms-app://x"}, "invalid_client"),
        ({"client_secret": "ü"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "wns.windows.com"}, "invalid_scope"),
    ],
)
def test_a_wrong_form_is_an_oauth_error(emulator: EmulatorProcess, other: dict[str, str], error: str) -> None:
    who = app(emulator)
    assert refused(legacy(emulator, who, **other)) == error
    assert refused(entra(emulator, who, **other)) == error
    assert state(emulator)["refused_grants"] == 2
    assert state(emulator)["grants"] == {}


def test_a_client_signs_in_at_its_own_tenant(emulator: EmulatorProcess) -> None:
    assert refused(entra(emulator, app(emulator), app(emulator, "another")["tenant_id"])) == "invalid_client"
    assert refused(entra(emulator, app(emulator), "common")) == "invalid_client"


def test_the_form_is_checked(emulator: EmulatorProcess) -> None:
    url = f"{emulator.url}/accesstoken.srf"
    assert refused(post(url, b"{}", {"Content-Type": "application/json"})) == "invalid_request"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert refused(post(url, b"scope=a&scope=b", form)) == "invalid_request"
    assert refused(post(url, b"", form, "GET")) == "invalid_request"


def test_a_short_life_ends_by_the_emulated_clock(emulator: EmulatorProcess) -> None:
    emulator.control("wns/settings", {"token_seconds": 60})
    told = json.loads(legacy(emulator, app(emulator)).body)
    assert told["expires_in"] == 60
    assert push(channel(emulator, "ok.a"), told["access_token"]).status == 200
    emulator.control("clock", {"advance": 61})
    assert described(push(channel(emulator, "ok.a"), told["access_token"]))[:2] == (401, "dropped")


def test_tokens_are_revoked(emulator: EmulatorProcess, bearer: str) -> None:
    assert emulator.control("wns/revoke", {})["revoked"] >= 1
    assert push(channel(emulator, "ok.a"), bearer).status == 401
    assert push(channel(emulator, "ok.a"), token_of(emulator)).status == 200


def test_a_token_endpoint_that_is_slow_or_down(emulator: EmulatorProcess) -> None:
    emulator.control("wns/settings", {"token_delay_ms": 300, "token_status": 500})
    started = time.monotonic()
    assert legacy(emulator, app(emulator)).status == 500
    assert time.monotonic() - started >= 0.29
