"""Service accounts as Google's console hands them out, one for each project, and those that a test brought along."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from devices.emulator.keys_folder import KeysFolder

DOCUMENT = "fcm-accounts"  # in the folder for keys
_PROJECT = re.compile(r"[a-z][a-z0-9-]{2,29}")


@dataclass(frozen=True)
class Account:
    """One service account. ``public_key`` and ``private_key`` are PEM; the latter is "" for one from elsewhere.

    ``disabled`` means that it may sign in and push nothing.
    """

    project: str
    client_email: str
    key_id: str
    public_key: str
    private_key: str = ""
    disabled: bool = False

    @cached_property
    def verifier(self) -> rsa.RSAPublicKey:
        """Return the key that its signatures are checked with."""
        return _rsa(self.public_key)

    def shown(self, token_uri: str) -> dict[str, object]:
        """Return the JSON that Google's console gives; without a private key, what is known of a foreign account."""
        number = str(int.from_bytes(hashlib.sha256(self.client_email.encode()).digest()[:9]))[:21]
        known: dict[str, object] = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.key_id,
            "private_key": self.private_key,
            "client_email": self.client_email,
            "client_id": number,
            "auth_uri": token_uri.removesuffix("/token") + "/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }
        return known if self.private_key else {name: value for name, value in known.items() if name != "private_key"}


class Accounts:
    """Every account by its e-mail address, kept over restarts."""

    def __init__(self, keys: KeysFolder) -> None:
        self._keys = keys
        stored = keys.read(DOCUMENT).get("accounts", [])
        if not isinstance(stored, list):
            raise ValueError(f"{DOCUMENT} holds no list of accounts")
        self._by_email = {account.client_email: account for account in (Account(**entry) for entry in stored)}
        self._projects = {account.project for account in self._by_email.values()}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_email.values())

    def of(self, client_email: object) -> Account | None:
        """Return the account of this address, if there is one."""
        return self._by_email.get(client_email) if isinstance(client_email, str) else None

    def has_project(self, project: str) -> bool:
        """Tell whether anybody may push for this project."""
        return project in self._projects

    def own(self, project: str, disabled: bool | None) -> Account:
        """Return the account that was handed out for ``project``, a new one if need be. Raises ValueError."""
        email = f"firebase-adminsdk-emulator@{_checked(project)}.iam.gserviceaccount.com"
        account = self._by_email.get(email) or _made(project, email)
        return self._keep(account if disabled is None else replace(account, disabled=disabled))

    def register(self, project: str, client_email: str, key_id: str, public_key: str, disabled: bool) -> Account:
        """Let an account from elsewhere sign in with the private part of ``public_key`` (PEM). Raises ValueError."""
        if not client_email or not key_id:
            raise ValueError("a foreign account needs client_email, key_id and public_key")
        _rsa(public_key)
        return self._keep(Account(_checked(project), client_email, key_id, public_key, disabled=disabled))

    def _keep(self, account: Account) -> Account:
        if self._by_email.get(account.client_email) != account:
            self._by_email[account.client_email] = account
            self._projects.add(account.project)
            self._keys.write(DOCUMENT, {"accounts": [asdict(one) for one in self]})
        return self._by_email[account.client_email]


def _checked(project: str) -> str:
    if not _PROJECT.fullmatch(project):
        raise ValueError(f"no name for a project: {project}")
    return project


def _made(project: str, email: str) -> Account:
    key = rsa.generate_private_key(65_537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Account(project, email, hashlib.sha1(public).hexdigest(), public.decode(), private.decode())  # noqa: S324


def _rsa(pem: str) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("public_key is no PEM") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("public_key is no RSA key")
    return key
