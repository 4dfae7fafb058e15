"""A sender of FCM as plain as can be, with a signing of its own."""

from __future__ import annotations

import base64
import http.client
import json
import time
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.devices.emulator.sender import Answer
from tests.emulator import EmulatorProcess

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PROJECT = "demo-shop"
NOTE = {"notification": {"title": "T", "body": "B"}}


def post(emulator: EmulatorProcess, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def account(emulator: EmulatorProcess, project: str = PROJECT, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = emulator.control("fcm/accounts", {"project": project, **more})
    return found


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def assertion(who: dict[str, Any], head: dict[str, Any] | None = None, private_key: str = "", **claims: Any) -> str:
    """Sign the claims a service account signs; ``claims`` replaces some, or leaves out those that are None."""
    now = int(time.time())
    said = {
        "iss": who["client_email"], "scope": SCOPE, "aud": who["token_uri"], "iat": now, "exp": now + 3600, **claims,
    }  # fmt: skip
    heading = {"alg": "RS256", "typ": "JWT", "kid": who["private_key_id"], **(head or {})}
    parts = [heading, {name: value for name, value in said.items() if value is not None}]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    key = serialization.load_pem_private_key((private_key or who["private_key"]).encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return f"{signed}.{encoded(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def ask(emulator: EmulatorProcess, text: str, grant_type: str = GRANT, **more: str) -> Answer:
    """Ask for an access token."""
    form = urlencode({"grant_type": grant_type, "assertion": text, **more}).encode()
    return post(emulator, "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})


def token_of(emulator: EmulatorProcess, who: dict[str, Any] | None = None) -> str:
    """Return an access token."""
    answer = ask(emulator, assertion(who or account(emulator)))
    assert answer.status == 200, answer
    found: str = json.loads(answer.body)["access_token"]
    return found


def send(
    emulator: EmulatorProcess,
    bearer: str,
    message: object,
    project: str = PROJECT,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Answer:
    """Send one message; ``more`` stands beside it."""
    body = json.dumps({"message": message, **more}).encode()
    given = {"Content-Type": "application/json; charset=UTF-8", "Authorization": f"Bearer {bearer}", **(headers or {})}
    return post(emulator, f"/v1/projects/{project}/messages:send", body, given)


def error(answer: Answer) -> dict[str, Any]:
    """Return the error of an answer, and check that it is told as JSON."""
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    found: dict[str, Any] = json.loads(answer.body)["error"]
    assert found["code"] == answer.status
    return found


def code(answer: Answer) -> str:
    """Return FCM's own code of an error, "" without one."""
    details = error(answer).get("details", [])
    return next((one["errorCode"] for one in details if one["@type"].endswith(".FcmError")), "")


def violations(answer: Answer) -> list[dict[str, str]]:
    """Return what the error says is wrong with which field."""
    details = error(answer).get("details", [])
    return [one for detail in details for one in detail.get("fieldViolations", [])]


def messages(emulator: EmulatorProcess, token: str, kind: str = "token") -> list[dict[str, Any]]:
    """Return what a token or topic received."""
    found: list[dict[str, Any]] = emulator.control(f"fcm/messages?{kind}={quote(token, safe='')}")["messages"]
    return found
