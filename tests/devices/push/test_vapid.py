"""Who sends, told to a push service: tokens, keys that are brought along, contacts that somebody can reach."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from devices.push import vapid
from devices.push.fields import MessageInvalid
from devices.push.services.webpush import Credentials
from tests.devices.push.vector import AS_PRIVATE, UA_PUBLIC, claims, private, raw

# The key of these tests. It signs nothing anywhere else.
CREDENTIALS = Credentials("mailto:ops@example.org", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE")


def test_a_token_says_for_whom_until_when_and_who() -> None:
    now = 1_800_000_000.0
    made = vapid.authorization(CREDENTIALS.private, CREDENTIALS.contact, "https://push.example.net", now)
    head, told, key = claims(made)
    assert head == {"typ": "JWT", "alg": "ES256"}
    assert told["aud"] == "https://push.example.net"
    assert told["sub"] == "mailto:ops@example.org"
    assert key == CREDENTIALS.public
    assert len(raw(made.partition(", k=")[0].rpartition(".")[2])) == 64
    with pytest.raises(InvalidSignature):
        claims(made.replace(".", ".A", 1)[:-1] + made[-1])


def test_a_token_is_kept_until_half_its_life_is_over_and_never_lives_for_over_12_hours() -> None:
    def made(now: float, origin: str = "https://a.example.net", key: str = CREDENTIALS.private) -> str:
        return vapid.authorization(key, CREDENTIALS.contact, origin, now)

    start = 1_800_000_000.0 // 21_600 * 21_600
    assert made(start) == made(start + 21_599)
    assert made(start) != made(start + 21_600)
    assert made(start) != made(start, "https://b.example.net")
    assert made(start) != made(start, key=vapid.new_key())
    for late in (0, 1, 10_000, 21_599, 21_600):
        left = claims(made(start + late))[1]["exp"] - (start + late)
        assert 6 * 3600 < left <= 12 * 3600


def test_the_token_of_the_rfc_is_verified_by_what_verifies_ours() -> None:
    token = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1"
        "YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjv"
        "W2L9OkSSHzvoD1oA"
    )
    key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
    assert claims(f"vapid t={token}, k={key}")[1]["aud"] == "https://push.example.net"


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_a_key_can_be_brought_along_as_the_usual_libraries_print_it() -> None:
    key = private(AS_PRIVATE)
    sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    der = base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
    for typed in (AS_PRIVATE, AS_PRIVATE + "=", f"  {AS_PRIVATE}\n", pem(key), sec1, der):
        assert vapid.read_key(typed) == AS_PRIVATE
    for typed in (f'"{AS_PRIVATE}"', pem(key).replace("\n", "\\n")):  # as a file of settings has them
        assert vapid.read_key(typed) == AS_PRIVATE
    assert vapid.read_key(vapid.pem(AS_PRIVATE)) == AS_PRIVATE
    assert vapid.pem(AS_PRIVATE) == pem(key)
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert raw(vapid.public_key(AS_PRIVATE)) == public


@pytest.mark.parametrize(
    "typed",
    [
        'WEBPUSH_SETTINGS = {\n "VAPID_PUBLIC_KEY": "%(public)s",\n "VAPID_PRIVATE_KEY":"%(private)s",\n "X": "a@b"\n}',
        '{"publicKey":"%(public)s","privateKey":"%(private)s"}',
        "=====\n\nPublic Key:\n%(public)s\n\nPrivate Key:\n%(private)s\n\n=====",
        "VAPID_PRIVATE_KEY=%(private)s\n",
    ],
)
def test_settings_that_have_the_key_can_be_pasted_whole(typed: str) -> None:
    public = vapid.public_key(AS_PRIVATE)
    assert vapid.read_key(typed % {"private": AS_PRIVATE, "public": public}) == AS_PRIVATE
    if "public" in typed:
        with pytest.raises(vapid.KeyRefused, match="no pair"):
            vapid.read_key(typed % {"private": AS_PRIVATE, "public": UA_PUBLIC})
        with pytest.raises(vapid.KeyRefused, match="no private key but the public one"):
            vapid.read_key(
                typed.partition('"VAPID_PRIV')[0].partition(',"priv')[0].partition("Priv")[0] % {"public": public}
            )


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "P-256"),
        (pem(rsa.generate_private_key(65537, 2048)), "P-256"),
        ("A" * 43, "no private key"),  # zero
        ("_" * 43, "no private key"),  # above the order
        (UA_PUBLIC, "no private key but the public one"),
        ("", "no private key"),
        ("ключ", "no private key"),
        ("A" * 5000, "too long"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no private key"),
    ],
)
def test_another_key_gets_a_sentence(typed: str, told: str) -> None:
    with pytest.raises(MessageInvalid, match=told) as refusal:
        Credentials("ops@example.org", typed)
    assert [problem.field for problem in refusal.value.problems] == ["private"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ops@example.org", "mailto:ops@example.org"),
        (" mailto:ops+push@mail.example.co.uk ", "mailto:ops+push@mail.example.co.uk"),
        ("https://example.org/contact?x=1", "https://example.org/contact?x=1"),
    ],
)
def test_a_contact_is_a_mail_address_or_a_page(typed: str, kept: str) -> None:
    assert vapid.clean_contact(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("", "ops", "localhost", "ops@localhost", "mailto:ops@localhost", "mailto: ops@example.org", "ops@example"),
        *(
            "mailto:<ops@example.org>",
            "https://localhost/",
            "https://printer.local/",
            "http://example.org",
            "ops@10.0.0.1",
        ),
        *(
            "ops@example.org,b@example.org",
            "ops@server.internal",
            "ops@example.org\nBcc: x",
            "a" * 300 + "@example.org",
        ),
    ],
)
def test_a_contact_that_apple_would_refuse_is_refused_here(typed: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Credentials(typed, AS_PRIVATE)
    assert [problem.field for problem in refusal.value.problems] == ["contact"]


def test_no_secret_shows_in_a_repr() -> None:
    assert CREDENTIALS.private not in repr(CREDENTIALS)
