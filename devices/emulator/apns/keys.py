"""The keys that sign provider tokens: those of the emulator's own teams, and public ones that were registered."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from devices.emulator.keys_folder import KeysFolder

DOCUMENT = "apns-keys"  # in the folder
ENVIRONMENTS = ("production", "sandbox")
_ID = re.compile(r"[A-Z0-9]{10}")
_TEAM = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_PARTS = ("key_id", "team_id", "key", "topic")
_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(slots=True, eq=False)
class Key:
    """One key: its id and that of its team (10 characters each), the public half, and what it may push to.

    ``topics`` are bundle ids, None: every one. ``environment`` is one of ENVIRONMENTS, "": both. ``tokens`` counts the
    distinct ones that it has signed, ``updated`` is the emulated moment of the latest change, None: there was none.
    """

    key_id: str
    team_id: str
    public: ec.EllipticCurvePublicKey
    topics: frozenset[str] | None = None
    environment: str = ""
    tokens: int = 0
    refused: int = 0
    updated: float | None = None

    def forget(self) -> None:
        """Start counting afresh."""
        self.tokens = self.refused = 0
        self.updated = None


class Keys:
    """Every key by its id. ``folder`` keeps those of the own teams.

    Raises OSError or ValueError when what it has cannot be read.
    """

    def __init__(self, folder: KeysFolder) -> None:
        self._folder = folder
        self._by_id: dict[str, Key] = {}
        self._own: dict[str, dict[str, str]] = {}
        for team, own in folder.read(DOCUMENT).items():
            self._know(team, own)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_id.values())

    def find(self, key_id: str) -> Key | None:
        """Return the key with this id."""
        return self._by_id.get(key_id)

    def of_team(self, team: str) -> dict[str, str]:
        """Return key id, team id, private key (PKCS#8, PEM) and topic of an own team, made when it is asked for first.

        Raises ValueError for what is no name of a team.
        """
        if not _TEAM.fullmatch(team):
            raise ValueError("team must be small letters, digits and dashes, at most 41")
        if team not in self._own:
            self._know(team, _made(team))
            self._folder.write(DOCUMENT, dict(self._own))
        return self._own[team]

    def register(self, key_id: str, team_id: str, public_key: str, topics: list[str] | None, environment: str) -> Key:
        """Make somebody's public key (PEM) known, in the place of one with the same id. Raises ValueError."""
        if not _ID.fullmatch(key_id) or not _ID.fullmatch(team_id):
            raise ValueError("key_id and team_id are 10 capital letters and digits each")
        if environment and environment not in ENVIRONMENTS:
            raise ValueError(f"environment must be one of {', '.join(ENVIRONMENTS)}")
        public = load_pem_public_key(public_key.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise ValueError("public_key is not on P-256")
        known = Key(key_id, team_id, public, None if topics is None else frozenset(topics), environment)
        self._by_id[key_id] = known
        return known

    def _know(self, team: str, own: object) -> None:
        if not isinstance(own, dict) or not all(isinstance(own.get(part), str) for part in _PARTS):
            raise ValueError(f"the key of the team {team} lacks one of {', '.join(_PARTS)}")
        private = load_pem_private_key(own["key"].encode(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(f"the key of the team {team} is none of ours")
        self._own[team] = {part: own[part] for part in _PARTS}
        topics = frozenset((own["topic"],))
        self._by_id[own["key_id"]] = Key(own["key_id"], own["team_id"], private.public_key(), topics)


def _made(team: str) -> dict[str, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    return {
        "key_id": "".join(secrets.choice(_ALPHABET) for _ in range(10)),
        "team_id": "".join(secrets.choice(_ALPHABET) for _ in range(10)),
        "key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "topic": f"org.example.{team}",
    }
