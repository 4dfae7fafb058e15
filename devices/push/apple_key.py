"""Who sends to Apple devices: a signing key with its ids, or a certificate; and the app that it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import NameOID

from devices.push import jwt
from devices.push.fields import MessageInvalid, Problem, asked

LOCAL = re.compile(r"https://(?:127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
SERVER_HELP = "Leave it empty: it is Apple's. Only the emulator on this machine can stand here, https://127.0.0.1:…"


def topic_of(certificate: str) -> str:
    """Return the bundle ID that a certificate (PEM) is for, by its subject's user ID; "" when it names none."""
    try:
        subject = x509.load_pem_x509_certificate(certificate.encode()).subject
        named = subject.get_attributes_for_oid(NameOID.USER_ID)
    except ValueError:
        return ""
    return str(named[0].value) if named else ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who sends: a key (.p8) with its ids, or a certificate; and the app that it is for."""

    topic: str = asked("Bundle ID", "Of the app: org.example.shop. A certificate names it itself.", optional=True)
    team_id: str = asked("Team ID", "Ten characters, from Apple's developer account.", optional=True)
    key_id: str = asked("Key ID", "Ten characters; they stand in the file's name, AuthKey_….p8.", optional=True)
    signing_key: str = asked("Key (.p8)", "The file as Apple gave it, once.", "file", hidden=True, optional=True)
    certificate: str = asked("or certificate", "PEM or PFX with its key.", "certificate", hidden=True, optional=True)
    server: str = asked("Server", SERVER_HELP, optional=True)
    key: str = field(default="", repr=False)  # the certificate's

    def __post_init__(self) -> None:
        if self.certificate and not self.topic:
            object.__setattr__(self, "topic", topic_of(self.certificate))
        problems = [*self._common(), *(self._of_certificate() if self.certificate else self._of_key())]
        if problems:
            raise MessageInvalid(problems)

    def _common(self) -> Iterator[Problem]:
        if self.certificate and self.signing_key:
            yield Problem("certificate", "Give a key or a certificate, not both.")
        if not re.fullmatch(r"[A-Za-z0-9.-]{3,155}", self.topic):
            yield Problem("topic", "Write the app's bundle ID, for example org.example.shop.")
        if self.server and not LOCAL.fullmatch(self.server):
            yield Problem("server", "Only an address of this machine can stand here, https://127.0.0.1:…")

    def _of_certificate(self) -> Iterator[Problem]:
        named = topic_of(self.certificate)
        if named and named != self.topic:
            told_topics = f"This certificate is for {named}, not for {self.topic}."
            yield Problem("certificate", f"{told_topics} Make one for this app in Apple's developer account.")

    def _of_key(self) -> Iterator[Problem]:
        for name, called in (("team_id", "team ID"), ("key_id", "key ID")):
            if not re.fullmatch("[A-Z0-9]{10}", getattr(self, name)):
                yield Problem(name, f"The {called} has ten capital letters and digits.")
        try:
            jwt.p256_key(self.signing_key)
        except jwt.KeyRefused as refusal:
            yield Problem("signing_key", str(refusal))

    @property
    def subject(self) -> str:
        """Return what the App's page shows first of it."""
        return f"certificate for {self.topic}" if self.certificate else f"key {self.key_id} of team {self.team_id}"

    @property
    def fingerprint(self) -> str:
        """Return what devices are bound to."""
        return self.topic[:100]  # of 155; what a fingerprint has room for
