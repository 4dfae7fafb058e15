"""An authority of the emulator's own, and the certificate it signs for this machine's names (RFC 5280)."""

from __future__ import annotations

import datetime
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TEN_YEARS = datetime.timedelta(days=3652)
BEFORE = datetime.timedelta(days=1)  # that a certificate is already valid, for clocks that are late
RENEWED = datetime.timedelta(days=30)  # before its end
NAME, ADDRESS = "localhost", "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the four PEM files lie, each readable by its owner alone."""

    path: Path

    @property
    def authority(self) -> Path:
        """Return the file of the authority's certificate, which clients are to trust."""
        return self.path / "authority.pem"

    @property
    def authority_key(self) -> Path:
        """Return the file of the authority's private key."""
        return self.path / "authority.key"

    @property
    def server(self) -> Path:
        """Return the file of the server's certificate."""
        return self.path / "server.pem"

    @property
    def server_key(self) -> Path:
        """Return the file of its private key."""
        return self.path / "server.key"


def provide(path: Path) -> Folder:
    """Make what is absent from the folder or soon ends, and the folder itself, with mode 0700 and 0600.

    Raises OSError when it cannot be written, ValueError when a file in it is none of ours.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    folder = Folder(path)
    with _locked(path):
        authority = _stored(folder.authority, folder.authority_key)
        server = _stored(folder.server, folder.server_key)
        if authority is None:
            authority, server = _authority(), None
            _store(folder.authority, folder.authority_key, *authority)
        if server is None:
            _store(folder.server, folder.server_key, *_server(*authority))
    return folder


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority() -> Pair:
    """Return an authority that can vouch for this machine's own names only, and for no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PushAdmin emulator authority")])
    own_names = [x509.DNSName(NAME), x509.IPAddress(ip_network(f"{ADDRESS}/32"))]
    builder = (
        _builder(name, name, key, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(own_names, None), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _server(authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address(ADDRESS))])
    builder = (
        _builder(authority.subject, name, key, authority_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
    )
    return builder.sign(authority_key, hashes.SHA256()), key


def issue(path: Path, common_name: str, user: str) -> tuple[bytes, bytes]:
    """Return certificate and key, both as PEM, of a client whose subject has this CN and UID (RFC 4519, 2.39).

    ``path`` is the folder of ``provide``, whose authority signs. A name that could be one of a host cannot be
    certified: the authority may not vouch for it. Raises ValueError without an authority.
    """
    folder = Folder(path)
    authority = _stored(folder.authority, folder.authority_key)
    if authority is None:
        raise ValueError("there is no authority whose key is known")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, user), x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(authority[0].subject, name, key, authority[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    certificate = builder.sign(authority[1], hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + TEN_YEARS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _stored(certificate: Path, key: Path) -> Pair | None:
    """Read a pair. None when a file is absent, or the certificate has less than 30 days left."""
    if not (certificate.exists() and key.exists()):
        return None
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
        raise ValueError(f"{key} is not the private key of {certificate}")
    return (found, private) if found.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + RENEWED else None


def _store(certificate: Path, key: Path, made: x509.Certificate, private: ec.EllipticCurvePrivateKey) -> None:
    _write(key, _pem(private))
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, text: bytes) -> None:
    """Write a whole file or none, with mode 0600 from its first byte on."""
    new = file.with_suffix(file.suffix + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(text)
    new.replace(file)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let two emulators that start at once take turns."""
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
