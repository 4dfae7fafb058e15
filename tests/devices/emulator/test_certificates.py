"""The emulator's own authority: what it makes, what it may vouch for, and that it is made once."""

from __future__ import annotations

import datetime
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from devices.emulator import certificates
from devices.emulator.certificates import Folder, provide
from tests.emulator import ROOT
from tests.waiting import ended


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def everything(folder: Folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.path.iterdir()}


def shake_hands(authority: Path, certificate: Path, key: Path, name: str) -> None:
    """Do a TLS handshake in memory with whoever shows ``certificate``, as a client that calls it ``name``."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate, key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(authority)).wrap_bio(down, up, server_hostname=name)
    server = theirs.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def signed_by(folder: Folder, name: str) -> tuple[Path, Path]:
    """Return a certificate for ``name``, signed with the authority's key by somebody who got hold of it."""
    authority = read(folder.authority)
    key = serialization.load_pem_private_key(folder.authority_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(authority.subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    file = folder.path / f"{name}.pem"
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file, folder.authority_key


def test_only_its_owner_can_read_the_folder(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir(mode=0o755)
    folder = provide(tmp_path / "tls")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()} == {
        "authority.pem": 0o600,
        "authority.key": 0o600,
        "server.pem": 0o600,
        "server.key": 0o600,
    }


def test_the_authority_lasts_ten_years_and_makes_no_other(tmp_path: Path) -> None:
    authority = read(provide(tmp_path).authority)
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    assert 3650 <= (authority.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days <= 3653
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_server_is_who_it_says(tmp_path: Path, name: str) -> None:
    folder = provide(tmp_path)
    shake_hands(folder.authority, folder.server, folder.server_key, name)


def test_a_strict_reader_of_the_standard_agrees(tmp_path: Path) -> None:
    folder = provide(tmp_path)
    store = verification.Store([read(folder.authority)])
    verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName("localhost"))
    assert len(verifier.verify(read(folder.server), [])) == 2


def test_the_authority_cannot_vouch_for_anybody_else(tmp_path: Path) -> None:
    folder = provide(tmp_path)
    shake_hands(folder.authority, *signed_by(folder, "localhost"), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(folder.authority, *signed_by(folder, "push.example.org"), "push.example.org")


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    before = everything(provide(tmp_path))
    assert everything(provide(tmp_path)) == before


def test_a_server_that_ends_soon_is_renewed_by_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = provide(tmp_path)
    monkeypatch.setattr(certificates, "TEN_YEARS", datetime.timedelta(days=29))
    folder.server.unlink()
    provide(tmp_path)
    before = everything(folder)
    monkeypatch.undo()
    provide(tmp_path)
    changed = {name for name, text in everything(folder).items() if text != before[name]}
    assert changed == {"server.pem", "server.key"}
    shake_hands(folder.authority, folder.server, folder.server_key, "localhost")


def test_a_new_authority_signs_a_new_server(tmp_path: Path) -> None:
    folder = provide(tmp_path)
    folder.authority.unlink()
    provide(tmp_path)
    shake_hands(folder.authority, folder.server, folder.server_key, "localhost")


def test_a_key_of_another_is_not_replaced(tmp_path: Path) -> None:
    folder = provide(tmp_path / "one")
    folder.server_key.write_bytes(provide(tmp_path / "other").server_key.read_bytes())
    with pytest.raises(ValueError, match=r"server\.key is not the private key of"):
        provide(tmp_path / "one")


def test_two_that_start_at_once_agree(tmp_path: Path) -> None:
    threads = [threading.Thread(target=provide, args=(tmp_path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    ended(*threads)
    folder = Folder(tmp_path)
    shake_hands(folder.authority, folder.server, folder.server_key, "localhost")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls-folder=x"], "--tls-folder needs --tls-port"),
        (["--tls-port=0", "--tls-folder=x", "--tls-key=y"], "--tls-folder has a certificate and a key of its own"),
    ],
)
def test_flags_that_contradict_each_other_are_explained(flags: list[str], sentence: str) -> None:
    command = [sys.executable, "-m", "devices.emulator", *flags]
    started = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert started.returncode == 2
    assert sentence in started.stderr
