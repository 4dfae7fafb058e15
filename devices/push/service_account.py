"""A service account of Google's, as the JSON file that its console gives: who sends, with the key that proves it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from devices.push import jwt
from devices.push.fields import MessageInvalid, Problem, asked

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
PROJECT = re.compile(r"[a-z][a-z0-9-]{4,61}[a-z0-9]")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,100}@[A-Za-z0-9.-]{1,150}")
LOCAL = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?/token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A service account, as the file that Google's console gives for it."""

    account: str = asked(
        "Service account",
        "The JSON file from the Firebase console: Project settings, Service accounts, Generate new private key.",
        "file",
        hidden=True,
    )
    project_id: str = asked(
        "Project ID", "The project that the app was built with; empty takes the account's own.", optional=True
    )
    told: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        try:
            account = json.loads(self.account)
        except (ValueError, RecursionError):
            account = None
        object.__setattr__(self, "told", account if isinstance(account, dict) else {})
        problems = list(self._problems())
        if problems:
            raise MessageInvalid(problems)
        object.__setattr__(self, "project_id", self.told["project_id"])

    def _problems(self) -> Iterator[Problem]:
        names = ("type", "project_id", "private_key_id", "private_key", "client_email", "token_uri")
        if "project_info" in self.told:
            yield Problem("account", "This is google-services.json, which belongs into the app. Upload the account.")
        elif self.told.get("type") != "service_account":
            yield Problem("account", "This is no service account: the file says “type”: “service_account”.")
        elif lacking := [name for name in names if not isinstance(self.told.get(name), str) or not self.told[name]]:
            yield Problem("account", f"The service account lacks {', '.join(lacking)}. Download it again.")
        else:
            yield from self._told_problems()

    def _told_problems(self) -> Iterator[Problem]:
        project, uri = self.told["project_id"], self.told["token_uri"]
        if not PROJECT.fullmatch(project):
            yield Problem("account", "The service account's project_id is not one.")
        if not EMAIL.fullmatch(self.told["client_email"]):
            yield Problem("account", "The service account's client_email is not one: the file was changed.")
        if PROJECT.fullmatch(project) and self.project_id not in ("", project):
            wrong = f"This service account belongs to the project {project}, not to {self.project_id[:62]}."
            yield Problem("project_id", f"{wrong} Download the one of the project that the app was built with.")
        if uri != TOKEN_URI and not LOCAL.fullmatch(uri):
            yield Problem("account", f"Its token_uri is not Google's ({TOKEN_URI}): the file was changed.")
        try:
            jwt.rsa_key(self.told["private_key"])
        except jwt.KeyRefused as refusal:
            yield Problem("account", f"private_key: {refusal}")

    @property
    def server(self) -> str:
        """Return where another server than Google's is told by the file: the emulator's origin, or ""."""
        uri = urlsplit(self.told["token_uri"])
        return "" if self.told["token_uri"] == TOKEN_URI else f"{uri.scheme}://{uri.netloc}"

    @property
    def subject(self) -> str:
        """Return what the App's page shows first of it."""
        return str(self.told["client_email"])

    @property
    def fingerprint(self) -> str:
        """Return what devices are bound to."""
        return self.project_id
