"""Signed claims, against the vectors of RFC 7515, and keys that are none."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from devices.push import jwt
from devices.push.jwt import KeyRefused
from devices.push.vapid import encoded


def number(text: str) -> int:
    return int.from_bytes(decoded(text))


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# RFC 7515, appendix A.3: a key of P-256, and what it signed. ECDSA signs otherwise every time, so it is verified.
ES_X, ES_Y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
ES_D = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
ES_CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
ES_INPUT = f"eyJhbGciOiJFUzI1NiJ9.{ES_CLAIMS}"
ES_SIGNATURE = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"


def p256() -> ec.EllipticCurvePrivateKey:
    public = ec.EllipticCurvePublicNumbers(number(ES_X), number(ES_Y), ec.SECP256R1())
    return ec.EllipticCurvePrivateNumbers(number(ES_D), public).private_key()


def pem_of(key: Any, protection: KeySerializationEncryption | None = None, kind: Any = PrivateFormat.PKCS8) -> str:
    made: str = key.private_bytes(Encoding.PEM, kind, protection or NoEncryption()).decode()
    return made


RSA = rsa.generate_private_key(65537, 2048)


def verified(signed: str, key: ec.EllipticCurvePrivateKey) -> list[bytes]:
    """Return the parts of a JWS whose ES256 signature holds (RFC 7518, 3.4): two halves of 32 bytes."""
    said, _, signature = signed.rpartition(".")
    raw = decoded(signature)
    assert len(raw) == 64
    halves = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.public_key().verify(halves, said.encode(), ec.ECDSA(hashes.SHA256()))
    return [decoded(part) for part in said.split(".")]


def test_the_way_these_tests_verify_is_that_of_the_rfc() -> None:
    head, claims = verified(f"{ES_INPUT}.{ES_SIGNATURE}", p256())
    assert head == b'{"alg":"ES256"}'
    assert json.loads(claims)["iss"] == "joe"


def test_header_and_claims_are_spelled_as_in_the_rfc() -> None:
    """RFC 7515, appendix A.3.1: the same header in the same 20 characters."""
    assert encoded(b'{"alg":"ES256"}') == ES_INPUT.partition(".")[0]
    assert jwt._said({"alg": "ES256"}, {}) == "eyJhbGciOiJFUzI1NiJ9.e30"


@pytest.mark.parametrize("kid", ["KEY1234567", "é", '"quoted"'])
def test_es256_signs_what_it_says(kid: str) -> None:
    for _ in range(40):  # halves with leading zeros come along now and then, and are filled up
        signed = jwt.es256(pem_of(p256()), kid, {"iss": "TEAM", "iat": 1})
        head, claims = verified(signed, p256())
        assert json.loads(head) == {"alg": "ES256", "kid": kid}
        assert json.loads(claims) == {"iss": "TEAM", "iat": 1}
        assert "=" not in signed


def test_a_short_half_is_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "decode_dss_signature", lambda _: (1, 2))
    signature = decoded(jwt.es256(pem_of(p256()), "k", {}).rpartition(".")[2])
    assert signature == b"\0" * 31 + b"\1" + b"\0" * 31 + b"\2"


def test_rs256_signs_what_it_says() -> None:
    signed = jwt.rs256(pem_of(RSA), "k1", {"iss": "a@b", "exp": 2})
    said, _, signature = signed.rpartition(".")
    RSA.public_key().verify(decoded(signature), said.encode(), padding.PKCS1v15(), hashes.SHA256())
    head, claims = [json.loads(decoded(part)) for part in said.split(".")]
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims == {"iss": "a@b", "exp": 2}
    assert jwt.rs256(pem_of(RSA), "k1", {"iss": "a@b", "exp": 2}) == signed  # this kind always signs the same


def test_a_key_may_also_be_in_the_older_spelling() -> None:
    older = PrivateFormat.TraditionalOpenSSL
    assert jwt.rsa_key(pem_of(RSA, kind=older)).key_size == 2048
    assert jwt.p256_key(pem_of(p256(), kind=older)).key_size == 256
    assert jwt.p256_key("\n" + pem_of(p256()).replace("\n", "\r\n")).key_size == 256


LOCKED = BestAvailableEncryption(b"x")
BOTH = [
    ("", "no private key"),
    ("nonsense", "no private key"),
    ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no private key"),
    ("x" * 16_385, "too long"),
    ("\ud800", "no private key"),
    ("\0" * 100, "no private key"),
    (pem_of(ed25519.Ed25519PrivateKey.generate()), "key"),
    (pem_of(RSA, LOCKED), "passphrase"),
    ("\n" + pem_of(RSA, LOCKED), "passphrase"),
    (pem_of(p256(), LOCKED), "passphrase"),
    (pem_of(p256(), LOCKED, PrivateFormat.TraditionalOpenSSL), "passphrase"),
    (pem_of(ec.generate_private_key(ec.SECP384R1())), "key"),
    (pem_of(ec.generate_private_key(ec.SECP256K1())), "key"),
]


@pytest.mark.parametrize(("pem", "told"), [*BOTH, (pem_of(p256()), "RSA")])
def test_what_is_no_rsa_key_is_a_sentence(pem: str, told: str) -> None:
    with pytest.raises(KeyRefused, match=told) as refusal:
        jwt.rsa_key(pem)
    assert "BEGIN" not in str(refusal.value)


@pytest.mark.parametrize(("pem", "told"), [*BOTH, (pem_of(RSA), "P-256")])
def test_what_is_no_key_of_p256_is_a_sentence(pem: str, told: str) -> None:
    with pytest.raises(KeyRefused, match=told) as refusal:
        jwt.p256_key(pem)
    assert "BEGIN" not in str(refusal.value)


def test_a_short_rsa_key_is_refused() -> None:
    with pytest.raises(KeyRefused, match="2048 bits"):
        jwt.rsa_key(pem_of(rsa.generate_private_key(65537, 1024)))


def enormous(first: int, second: int) -> str:
    """Return a key of RSA whose primes are those of Mersenne: a file that anybody can make in a moment."""
    p, q, d = 2**first - 1, 2**second - 1, 65537
    public = rsa.RSAPublicNumbers(pow(d, -1, (p - 1) * (q - 1)), p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return pem_of(numbers.private_key(unsafe_skip_rsa_key_validation=True))


@pytest.mark.threats(36)
@pytest.mark.parametrize(("first", "second"), [(61, 4423), (4253, 4423)])
def test_a_key_that_would_keep_the_web_server_busy_is_refused_before_it_is_looked_into(first: int, second: int) -> None:
    """OpenSSL looks for 8 s whether the second one's numbers are primes, and for 42 s at 13,158 bits."""
    pem, before = enormous(first, second), time.process_time()
    with pytest.raises(KeyRefused, match=r"too long for a private key|4,096 are the most"):
        jwt.rsa_key(pem)
    assert time.process_time() - before < 0.2


def test_the_largest_key_that_is_usual_is_taken() -> None:
    largest = rsa.generate_private_key(65537, 4096)
    assert jwt.rsa_key(pem_of(largest)).key_size == 4096
