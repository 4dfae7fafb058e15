"""Half of a sender for APNs: signs tokens and pushes over HTTP/2. Nothing of it is the product's."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tests.devices.emulator.h2client import Answer, Client
from tests.emulator import EmulatorProcess

HELLO = json.dumps({"aps": {"alert": {"title": "Hello", "body": "World"}}}).encode()


class Key:
    """A key that signs provider tokens: key id, team id and the private half."""

    def __init__(self, key_id: str, team_id: str, private: ec.EllipticCurvePrivateKey, topic: str = "") -> None:
        self.key_id = key_id
        self.team_id = team_id
        self.private = private
        self.topic = topic

    @classmethod
    def of_team(cls, emulator: EmulatorProcess, team: str = "demo") -> Key:
        """Return the key that the emulator hands out for a team of its own."""
        told = emulator.control("apns/keys", {"team": team})
        private = load_pem_private_key(told["key"].encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return cls(told["key_id"], told["team_id"], private, told["topic"])

    @classmethod
    def registered(cls, emulator: EmulatorProcess, key_id: str, team_id: str = "TEAM000001", **more: Any) -> Key:
        """Return a fresh key whose public half the emulator knows."""
        key = cls(key_id, team_id, ec.generate_private_key(ec.SECP256R1()), "org.example.demo")
        wishes = {"key_id": key_id, "team_id": team_id, "public_key": key.public_pem(), **more}
        assert emulator.control("apns/keys", wishes) == {"key_id": key_id, "team_id": team_id}
        return key

    def public_pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def private_pem(self) -> str:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def token(self, age: float = 0, head: Any = None, claims: Any = None, sign_with: Key | None = None) -> str:
        """Return a token that was issued ``age`` seconds ago. ``head`` and ``claims`` replace what it would have."""
        head = {"alg": "ES256", "kid": self.key_id} if head is None else head
        claims = {"iss": self.team_id, "iat": int(time.time() - age)} if claims is None else claims
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        dss = (sign_with or self).private.sign(signed, ec.ECDSA(SHA256()))
        raw = b"".join(number.to_bytes(32) for number in decode_dss_signature(dss))
        return (signed + b"." + _encoded(raw)).decode()


def _encoded(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def token_of(device_id: str) -> str:
    """Return the device token for behaviour, dot and name: "unavailable-2.phone-7"."""
    return device_id.encode().hex().ljust(64, "0")


class Sender(Client):
    """A connection to the emulated APNs, with a provider token of its own."""

    def __init__(
        self, emulator: EmulatorProcess, key: Key | None, own: tuple[Path, Path] | None = None, host: str = "127.0.0.1"
    ) -> None:
        port = urlsplit(emulator.secure_url).port
        assert port is not None
        assert emulator.authority is not None
        self.host = f"{host}:{port}"
        self.key = key
        self.token = key.token() if key else ""
        super().__init__(port, emulator.authority, own=own)

    def fields(self, device: str, changed: dict[str, str | None]) -> list[tuple[str, str]]:
        """Return the head of a push. ``changed`` has other values, None for a header that is to be absent."""
        path = device if device.startswith("/") else f"/3/device/{device if '.' not in device else token_of(device)}"
        fields: dict[str, str | None] = {
            ":method": "POST", ":scheme": "https", ":authority": self.host, ":path": path,
            "authorization": f"bearer {self.token}" if self.key else None,
            "apns-topic": self.key.topic if self.key else None,
            "apns-push-type": "alert",
        }  # fmt: skip
        return [(name, value) for name, value in (fields | changed).items() if value is not None]

    def begin(self, device: str, body: bytes = HELLO, *more: tuple[str, str], **changed: str | None) -> int:
        """Send a push to a token, an id or a path and return its stream; ``apns_id="…"`` changes a header."""
        names = {name.replace("__", ":").replace("_", "-"): value for name, value in changed.items()}
        stream = self.frames.get_next_available_stream_id()
        self.frames.send_headers(stream, [*self.fields(device, names), *more], end_stream=not body)
        self.give(stream, body)
        self.flush()
        return stream

    def push(self, device: str, body: bytes = HELLO, *more: tuple[str, str], **changed: str | None) -> Answer:
        """Push and wait for the end of the answer, or of the connection."""
        return self.answer(self.begin(device, body, *more, **changed))


def reason(answer: Answer) -> tuple[int, str]:
    """Return status and reason of an answer, "" without one."""
    return answer.status, json.loads(answer.body)["reason"] if answer.body else ""
