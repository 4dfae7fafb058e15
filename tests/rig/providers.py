"""Credentials of FCM and APNs for a server that takes whoever comes, and addresses of devices behind them."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def told(service: str, secure: str) -> dict[str, str]:
    """Return the fields of the service's Credentials; ``secure`` is host:port of the server, with TLS."""
    if service == "fcm":
        return {"account": _account(secure)}
    key = _pem(ec.generate_private_key(ec.SECP256R1()))
    ids = {"team_id": "TEAM123456", "key_id": "KEY1234567", "topic": "org.example.rig"}
    return {**ids, "signing_key": key, "server": f"https://{secure}"}


def address(service: str, number: int) -> str:
    """Return the address of the device with this number."""
    return f"ok.rig-{number}:APA91b" if service == "fcm" else f"ok.rig-{number}".encode().ljust(32, b"\0").hex()


@cache
def _account(secure: str) -> str:
    told = {
        "type": "service_account",
        "project_id": "rig-project",
        "private_key_id": "rig",
        "private_key": _pem(rsa.generate_private_key(65537, 2048)),
        "client_email": "rig@rig-project.iam.gserviceaccount.com",
        "token_uri": f"https://{secure}/token",
    }
    return json.dumps(told)


def _pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
