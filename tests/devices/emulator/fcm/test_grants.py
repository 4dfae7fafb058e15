"""Google's token endpoint and the accounts that sign in there."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.devices.emulator import h2client
from tests.devices.emulator.fcm.sender import (
    GRANT,
    NOTE,
    PROJECT,
    account,
    ask,
    assertion,
    encoded,
    error,
    post,
    send,
    token_of,
)
from tests.devices.emulator.sender import Answer
from tests.emulator import EmulatorProcess

OK = {"token": "ok.a", **NOTE}


def pair() -> tuple[str, str]:
    """Return a private and a public key as PEM."""
    key = rsa.generate_private_key(65_537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return private.decode(), public(key.public_key())


def public(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def refused(answer: Answer) -> str:
    """Return how a grant was refused."""
    assert answer.status == 400
    told: dict[str, str] = json.loads(answer.body)
    assert told["error_description"]
    return told["error"]


def grants(emulator: EmulatorProcess) -> dict[str, Any]:
    found: dict[str, Any] = emulator.control("state")["fcm"]
    return found


def test_an_account_is_what_the_console_hands_out(emulator: EmulatorProcess) -> None:
    who = account(emulator)
    assert who["type"] == "service_account"
    assert who["project_id"] == PROJECT
    assert who["token_uri"] == f"{emulator.url}/token"
    assert who["private_key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert who["client_email"].endswith(f"@{PROJECT}.iam.gserviceaccount.com")
    assert who["client_id"].isdecimal()
    assert len(who["private_key_id"]) == 40
    assert account(emulator) == who
    assert account(emulator, "another-shop")["private_key"] != who["private_key"]


@pytest.mark.parametrize("project", ["", "a", "-ab", "a/b", "A" * 10, "a" * 31])
def test_what_is_no_name_of_a_project_gets_no_account(emulator: EmulatorProcess, project: str) -> None:
    with pytest.raises(OSError, match="400"):
        account(emulator, project)


def test_accounts_are_kept_over_restarts(tmp_path: Path) -> None:
    with EmulatorProcess("--keys-folder", str(tmp_path / "keys")) as one:
        before = account(one)
        account(one, disabled=True)
    with EmulatorProcess("--keys-folder", str(tmp_path / "keys")) as other:
        after = account(other)
        assert after["private_key"] == before["private_key"]
        assert error(send(other, token_of(other, after), OK))["status"] == "PERMISSION_DENIED"
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()] == [0o600]


def test_a_token_is_granted_and_counted(emulator: EmulatorProcess) -> None:
    who = account(emulator)
    answer = ask(emulator, assertion(who))
    told = json.loads(answer.body)
    assert (answer.status, told["token_type"], told["expires_in"]) == (200, "Bearer", 3599)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    ask(emulator, assertion(who))
    assert grants(emulator)["grants"] == {who["client_email"]: 2}
    assert send(emulator, told["access_token"], OK).status == 200


@pytest.mark.parametrize(
    ("claims", "head"),
    [
        ({"iss": "nobody@example.org"}, {}),
        ({"iss": None}, {}),
        ({"iss": 7}, {}),
        ({"aud": "https://example.org/token"}, {}),
        ({"aud": None}, {}),
        ({"scope": "https://www.googleapis.com/auth/drive"}, {}),
        ({"scope": None}, {}),
        ({"iat": None}, {}),
        ({"exp": None}, {}),
        ({"exp": "soon"}, {}),
        ({"exp": True}, {}),
        ({}, {"kid": "other"}),
        ({}, {"kid": None}),
        ({}, {"alg": "RS512"}),
        ({}, {"alg": "none"}),
        ({}, {"typ": "JOSE"}),
    ],
)
def test_a_wrong_claim_is_an_invalid_grant(
    emulator: EmulatorProcess, claims: dict[str, Any], head: dict[str, Any]
) -> None:
    assert refused(ask(emulator, assertion(account(emulator), head, **claims))) == "invalid_grant"
    assert grants(emulator)["grants"] == {}
    assert grants(emulator)["refused_grants"] == 1


@pytest.mark.parametrize(
    ("issued", "expires"), [(-7200, -3600), (-10, 3601), (3600, 7200), (0, 0), (0, -5), (-4000, -400)]
)
def test_a_token_lives_an_hour_by_the_real_clock(emulator: EmulatorProcess, issued: int, expires: int) -> None:
    now = int(time.time())
    wrong = assertion(account(emulator), iat=now + issued, exp=now + expires)
    assert refused(ask(emulator, wrong)) == "invalid_grant"
    emulator.control("clock", {"advance": 86_400})
    assert ask(emulator, assertion(account(emulator))).status == 200


def test_clocks_may_differ_a_little(emulator: EmulatorProcess) -> None:
    now = int(time.time())
    assert ask(emulator, assertion(account(emulator), iat=now + 30, exp=now + 3630)).status == 200


def test_another_signature_is_refused(emulator: EmulatorProcess) -> None:
    who = account(emulator)
    text = assertion(who)
    assert refused(ask(emulator, assertion(who, private_key=pair()[0]))) == "invalid_grant"
    head, claims, signature = text.split(".")
    longer = encoded(base64.urlsafe_b64decode(claims + "==")[:-1] + b',"sub":"x"}')
    assert refused(ask(emulator, f"{head}.{longer}.{signature}")) == "invalid_grant"
    assert refused(ask(emulator, f"{head}.{claims}.")) == "invalid_grant"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "!!.e30.e30", "e30.W10.e30", "e30=.e30.e30", "bnVsbA.e30.e30"])
def test_what_is_no_assertion_is_refused(emulator: EmulatorProcess, text: str) -> None:
    assert refused(ask(emulator, text)) == "invalid_grant"


def test_the_form_is_checked(emulator: EmulatorProcess) -> None:
    text = assertion(account(emulator))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert refused(ask(emulator, text, "client_credentials")) == "invalid_grant"
    twice = f"grant_type={GRANT}&assertion={text}&assertion={text}".encode()
    assert refused(post(emulator, "/token", twice, form)) == "invalid_request"
    assert refused(post(emulator, "/token", b"{}", {"Content-Type": "application/json"})) == "invalid_request"
    assert refused(post(emulator, "/token", b"\xff=1", form)) == "invalid_request"
    assert refused(post(emulator, "/token", b"", form, "GET")) == "invalid_request"


def test_an_account_from_elsewhere_signs_with_its_own_key(emulator: EmulatorProcess) -> None:
    private, known = pair()
    email = "sender@foreign-shop.iam.gserviceaccount.com"
    who = account(emulator, "foreign-shop", client_email=email, key_id="k1", public_key=known)
    assert "private_key" not in who
    assert (who["client_email"], who["private_key_id"]) == (email, "k1")
    bearer = token_of(emulator, {**who, "private_key": private})
    assert send(emulator, bearer, OK, "foreign-shop").status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_key": "x"},
        {"key_id": ""},
        {"client_email": ""},
        {"project": "/"},
        {"disabled": 1},
        {"public_key": "ec"},
    ],
)
def test_a_foreign_account_has_to_be_whole(emulator: EmulatorProcess, wrong: dict[str, Any]) -> None:
    if wrong.get("public_key") == "ec":
        wrong = {"public_key": public(ec.generate_private_key(ec.SECP256R1()).public_key())}
    good = {"project": "whole-shop", "client_email": "a@b", "key_id": "k", "public_key": pair()[1]}
    with pytest.raises(OSError, match="400"):
        emulator.control("fcm/accounts", {**good, **wrong})


def test_a_short_life_ends_by_the_emulated_clock(emulator: EmulatorProcess) -> None:
    emulator.control("fcm/settings", {"token_seconds": 60})
    answer = ask(emulator, assertion(account(emulator)))
    bearer = json.loads(answer.body)["access_token"]
    assert json.loads(answer.body)["expires_in"] == 60
    assert send(emulator, bearer, OK).status == 200
    emulator.control("clock", {"advance": 61})
    assert error(send(emulator, bearer, OK))["status"] == "UNAUTHENTICATED"


def test_tokens_are_revoked(emulator: EmulatorProcess, bearer: str) -> None:
    assert emulator.control("fcm/revoke", {})["revoked"] >= 1
    assert send(emulator, bearer, OK).status == 401
    assert send(emulator, token_of(emulator), OK).status == 200


def test_a_token_endpoint_that_is_slow_or_down(emulator: EmulatorProcess) -> None:
    text = assertion(account(emulator))
    emulator.control("fcm/settings", {"token_delay_ms": 300, "token_status": 503})
    started = time.monotonic()
    assert ask(emulator, text).status == 503
    assert time.monotonic() - started >= 0.29


@pytest.mark.parametrize(
    "wrong", [{"token_seconds": -1}, {"token_seconds": "1"}, {"token_delay_ms": True}, {"nothing": 1}]
)
def test_settings_are_whole_numbers(emulator: EmulatorProcess, wrong: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        emulator.control("fcm/settings", {"quota_per_minute": 7, **wrong})
    assert grants(emulator)["settings"]["quota_per_minute"] == 600_000  # all of it or nothing


def test_both_addresses_of_the_endpoint_are_an_audience(tmp_path: Path) -> None:
    with EmulatorProcess("--tls-port", "0", "--tls-folder", str(tmp_path)) as emulator:
        who = account(emulator)
        assert who["token_uri"] == f"{emulator.secure_url}/token"
        assert ask(emulator, assertion(who)).status == 200  # handed out, though not what was dialled
        assert ask(emulator, assertion(who, aud=f"{emulator.url}/token")).status == 200  # as dialled
        assert (
            ask(emulator, assertion(who, aud="https://oauth2.googleapis.com/token")).status == 200
        )  # Google's library
        bearer = token_of(emulator, who)
        assert emulator.authority is not None
        port = int(emulator.secure_url.rpartition(":")[2])
        with h2client.Client(port, emulator.authority) as client:
            headers = (("content-type", "application/json"), ("authorization", f"Bearer {bearer}"))
            body = json.dumps({"message": OK}).encode()
            answer = client.answer(client.ask(f"/v1/projects/{PROJECT}/messages:send", body, *headers))
            assert answer.status == 200
            assert json.loads(answer.body)["name"].startswith(f"projects/{PROJECT}/messages/")
