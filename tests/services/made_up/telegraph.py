"""A push service that never was: everything a service may ask for, and nothing of it outside this file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import ClassVar

from devices.push.base import (
    AddressRefused,
    Answer,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Token,
    TokenRefused,
    Verdict,
)
from devices.push.fields import Problem, asked
from devices.push.message import Message, Toast


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What only a telegraph can do."""

    ribbon: str = asked("Ribbon", "Its colour.", "colour")
    bell: bool = asked("Ring the bell", "Before it begins.", "switch", False, only=("toast",))


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account with the telegraph office."""

    office: str = asked("Office", "host:port of the office")
    secret: str = asked("Secret word", "", "secret", hidden=True)


class Telegraph(PushService):
    """Messages by wire: an address is ``office,number``, and every line has a cipher of its own."""

    slug, label, address_word = "telegraph", "Telegraph", "number"
    kinds = frozenset({"toast"})
    payload_limit = payload_advice = 1000
    hosts: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[Target, ...]] = (Target("office.example,1", (), {"cipher": "x"}),)
    credentials, options, device_keys, per_device = Credentials, Options, ("cipher",), True

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        if not re.fullmatch("[0-9]{1,9}", raw.partition(",")[2]) or raw.partition(",")[0] not in extra_hosts:
            raise AddressRefused("This is no number of a telegraph.")
        return raw

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        return []

    def variant(self, target: Target) -> str:
        return "Morse"

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        assert isinstance(message, Toast)
        ribbon = options.ribbon if isinstance(options, Options) else ""
        return Payload(f"{message.title} STOP {message.text} {ribbon}".strip().encode())

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        office, _, number = target.address.partition(",")
        body = target.keys["cipher"].encode() + b" " + payload.body
        headers = (("Authorization", f"Bearer {token}"), ("Message-Id", message_id))
        return Request(f"http://{office}/wire/{number}", headers, body, authenticated=True)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        if answer.status == 200:
            return Verdict(Outcome.ACCEPTED, "The wire took it.")
        if answer.status == 401 and authenticated:
            return Verdict(Outcome.DENIED, "The office does not know us.", stale_credential=True)
        return Verdict(Outcome.RETRY, f"The wire is down ({answer.status}).")

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        return f"telegraph:line {target.address.partition(',')[2][0]}"

    def authorize(self, credentials: object | None) -> Request | None:
        if not isinstance(credentials, Credentials):
            raise TokenRefused("The telegraph needs an account.")
        return Request(f"http://{credentials.office}/token", (("Secret", credentials.secret),), b"")

    def token(self, answer: Answer) -> Token:
        if answer.status != 200:
            raise TokenRefused(f"The office gave no token ({answer.status}).")
        return Token(json.loads(answer.body)["token"], 3600)
