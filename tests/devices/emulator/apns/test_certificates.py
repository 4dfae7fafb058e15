"""Client certificates in place of tokens, and where keys come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from devices.emulator import certificates
from devices.emulator.apns.keys import Keys
from devices.emulator.keys_folder import KeysFolder
from tests.devices.emulator.apns.sender import Key, Sender, reason
from tests.emulator import EmulatorProcess

APP = "org.example.demo"
Pair = tuple[Path, Path]


def issue(emulator: EmulatorProcess, folder: Path, topic: str = APP) -> Pair:
    told = emulator.control("apns/certificates", {"topic": topic})
    certificate, key = folder / "client.pem", folder / "client.key"
    certificate.write_text(told["certificate"])
    key.write_text(told["key"])
    return certificate, key


def test_a_certificate_speaks_for_its_topic(emulator: EmulatorProcess, tmp_path: Path) -> None:
    with Sender(emulator, None, own=issue(emulator, tmp_path)) as sender:
        assert reason(sender.push("ok.phone")) == (200, "")  # without a topic: it has but one
        assert reason(sender.push("ok.phone", apns_topic=APP)) == (200, "")
        assert reason(sender.push("ok.phone", apns_topic=f"{APP}.voip", apns_push_type="voip")) == (200, "")
        assert reason(sender.push("ok.other", apns_topic="org.example.other")) == (400, "TopicDisallowed")


def test_a_token_goes_before_a_certificate(emulator: EmulatorProcess, tmp_path: Path, key: Key) -> None:
    with Sender(emulator, key, own=issue(emulator, tmp_path, "org.example.other")) as sender:
        assert reason(sender.push("ok.phone")) == (200, "")
        assert reason(sender.push("ok.phone", apns_topic=None)) == (400, "MissingTopic")


def test_a_certificate_lifts_the_limit_of_streams_too(emulator: EmulatorProcess, tmp_path: Path) -> None:
    emulator.control("apns/settings", {"first_streams": 1, "streams": 70})
    with Sender(emulator, None, own=issue(emulator, tmp_path)) as sender:
        assert sender.push("ok.phone").status == 200
        sender.until(lambda: 70 in sender.settings[-1].values())


def test_a_certificate_without_a_topic_is_bad(emulator: EmulatorProcess, tmp_path: Path) -> None:
    assert emulator.authority is not None
    made = certificates.issue(emulator.authority.parent, "Somebody else", "")
    pair = (tmp_path / "client.pem", tmp_path / "client.key")
    for file, octets in zip(pair, made, strict=True):
        file.write_bytes(octets)
    with Sender(emulator, None, own=pair) as sender:
        assert reason(sender.push("ok.phone", apns_topic=APP)) == (403, "BadCertificate")
        assert reason(sender.push("ok.phone")) == (400, "MissingTopic")


def test_a_certificate_is_one_of_apns(emulator: EmulatorProcess, tmp_path: Path) -> None:
    file, key = issue(emulator, tmp_path, "org.example." + "a" * 60)
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    (user,) = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
    assert user.value == "org.example." + "a" * 60
    assert user.oid.dotted_string == "0.9.2342.19200300.100.1.1"
    private = load_pem_private_key(key.read_bytes(), None)
    assert private.public_key() == certificate.public_key()


def test_without_an_authority_of_its_own_there_is_no_certificate() -> None:
    with EmulatorProcess() as emulator, pytest.raises(HTTPError, match="400"):
        emulator.control("apns/certificates", {"topic": APP})


def test_a_certificate_needs_a_topic(emulator: EmulatorProcess) -> None:
    with pytest.raises(HTTPError, match="400"):
        emulator.control("apns/certificates", {})


def test_a_team_has_one_key(emulator: EmulatorProcess) -> None:
    told = emulator.control("apns/keys", {"team": "demo"})
    assert told == emulator.control("apns/keys", {"team": "demo"})
    assert (len(told["key_id"]), len(told["team_id"]), told["topic"]) == (10, 10, APP)
    assert told["key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert told["key_id"] != emulator.control("apns/keys", {"team": "other"})["key_id"]


def test_a_key_is_kept_over_restarts(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        with EmulatorProcess("--keys-folder", str(tmp_path / "keys")) as emulator:
            told.append(emulator.control("apns/keys", {"team": "demo"}))
    assert told[0] == told[1]
    again = Keys(KeysFolder(tmp_path / "keys"))
    assert [key.key_id for key in again] == [told[0]["key_id"]]


@pytest.mark.parametrize("broken", [7, {}, {"key_id": "a", "team_id": "b", "topic": "c", "key": 1}])
def test_a_broken_folder_is_said(broken: object) -> None:
    folder = KeysFolder()
    folder.write("apns-keys", {"demo": broken})
    with pytest.raises(ValueError, match="the key of the team demo lacks"):
        Keys(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"team": "Demo"},
        {"team": "../x"},
        {"team": 7},
        {"key_id": "short", "team_id": "TEAM000001"},
        {"key_id": "ABCDEFGHIJ", "team_id": ""},
        {"key_id": "ABCDEFGHIJ", "team_id": "TEAM000001", "public_key": "nonsense"},
        {"key_id": "ABCDEFGHIJ", "team_id": "TEAM000001", "topics": "x"},
        {"key_id": "ABCDEFGHIJ", "team_id": "TEAM000001", "environment": "x"},
    ],
)
def test_wrong_keys_are_refused(emulator: EmulatorProcess, wrong: dict[str, Any]) -> None:
    if "key_id" in wrong:
        stranger = Key("", "", ec.generate_private_key(ec.SECP256R1()))
        wrong = {"public_key": stranger.public_pem(), **wrong}
    with pytest.raises(HTTPError, match="400"):
        emulator.control("apns/keys", wrong)
