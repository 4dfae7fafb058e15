"""Tokens: what is verified, what is refused, and what is remembered of it."""

from __future__ import annotations

from typing import Any

import pytest

from devices.emulator.webpush.vapid import Tokens, Unauthorized, is_plausible
from tests.devices.emulator.webpush.sender import Vapid, unb64u

# RFC 8292, section 2.4: signed for https://push.example.net, expired on 23 January 2016
TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1"
    "haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1"
    "oA"
)
KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
SAMPLE = f"vapid t={TOKEN}, k={KEY}"
ORIGIN, EXPIRES = "https://push.example.net", 1453523768


def read(authorization: str, now: float = EXPIRES - 60, tokens: Tokens | None = None) -> Any:
    return (tokens or Tokens()).read(authorization.encode("latin-1"), ORIGIN, now)


def test_the_sample_of_the_standard_is_read() -> None:
    sender = read(SAMPLE)
    assert (sender.key, sender.octets, sender.subject) == (KEY, unb64u(KEY), "mailto:push@example.com")


@pytest.mark.parametrize(
    "spelled", ["VAPID  t={t},k={k}", "vapid k={k}, t={t}", "vapid t={t} , k={k}=", ' vapid t="{t}", k="{k}" ']
)
def test_every_allowed_spelling_is_read(spelled: str) -> None:
    assert read(spelled.format(t=TOKEN, k=KEY)).key == KEY


def test_a_token_is_valid_for_less_than_a_day_and_until_it_expires() -> None:
    assert read(SAMPLE, EXPIRES - 86_400)
    assert read(SAMPLE, EXPIRES - 1)
    for now, why in ((EXPIRES - 86_401, "24 hours"), (EXPIRES, "expired")):
        with pytest.raises(Unauthorized, match=why):
            read(SAMPLE, now)


def test_a_token_is_verified_once_but_never_believed_past_its_end() -> None:
    tokens = Tokens()
    for back in range(3, 0, -1):
        read(SAMPLE, EXPIRES - back, tokens)
    assert tokens.verified == 1
    with pytest.raises(Unauthorized, match="expired"):
        read(SAMPLE, EXPIRES, tokens)
    with pytest.raises(Unauthorized, match="aud"):
        tokens.read(SAMPLE.encode(), "https://elsewhere.example", EXPIRES - 1)


def test_a_token_that_was_refused_is_not_remembered_as_good() -> None:
    tokens = Tokens()
    forged = f"vapid t={TOKEN[:-6]}AAAAoA, k={KEY}"
    for _ in range(2):
        with pytest.raises(Unauthorized, match="signature"):
            read(forged, tokens=tokens)


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        ("", "scheme"),
        (f"WebPush {TOKEN}", "scheme"),
        (f"Bearer t={TOKEN}, k={KEY}", "scheme"),
        (f"vapid t={TOKEN}", "form"),
        (f"vapid t={TOKEN};k={KEY}", "form"),
        (f"vapid t={TOKEN}, k=é", "form"),
        (f"vapid t={TOKEN}, k={KEY[:-4]}", "uncompressed"),
        (f"vapid t={TOKEN}, k={Vapid().public}", "signature does not fit"),
        (f"vapid t={TOKEN[:-8]}, k={KEY}", "64 octets"),
        (f"vapid t={TOKEN.split('.', 1)[1]}, k={KEY}", "read"),
        (f"vapid t=...., k={KEY}", "read"),
        ("vapid t=a.b.c, k=A", "read"),
    ],
)
def test_what_is_no_token_is_refused_in_words(authorization: str, why: str) -> None:
    with pytest.raises(Unauthorized, match=why):
        read(authorization)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": None}, "aud is missing"),
        ({"aud": ["https://push.example.net"]}, "aud is missing or no text"),
        ({"aud": "https://push.example.net/"}, "aud is https"),
        ({"aud": "https://push.example.net:443"}, "aud is https"),
        ({"exp": None}, "exp is missing"),
        ({"exp": str(EXPIRES)}, "no whole number"),
        ({"exp": EXPIRES + 0.5}, "no whole number"),
        ({"exp": True}, "no whole number"),
        ({"sub": 7}, "sub is no text"),
    ],
)
def test_claims_that_make_no_sense_are_refused(claims: dict[str, Any], why: str) -> None:
    vapid = Vapid()
    good: dict[str, Any] = {"exp": EXPIRES}
    assert read(vapid.authorization(ORIGIN, **good))
    with pytest.raises(Unauthorized, match=why):
        read(vapid.authorization(ORIGIN, **{**good, **claims}))


def test_another_algorithm_is_refused() -> None:
    with pytest.raises(Unauthorized, match="alg"):
        read(Vapid().authorization(ORIGIN, {"typ": "JWT", "alg": "none"}, exp=EXPIRES))


def test_claims_that_are_no_object_are_refused() -> None:
    vapid = Vapid()
    with pytest.raises(Unauthorized, match="no JSON object"):
        read(f"vapid t={vapid.token([1])}, k={vapid.public}")  # type: ignore[arg-type]


@pytest.mark.parametrize("subject", ["mailto:ops@example.org", "https://example.org/contact", "https://example.org"])
def test_somebody_can_be_reached(subject: str) -> None:
    assert is_plausible(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "", "ops@example.org", "mailto: ops@example.org", "mailto:<ops@example.org>", "mailto:ops@localhost",
        "mailto:ops@machine.local", "mailto:@example.org", "https://localhost", "https://localhost:8000/x",
        "https://printer.local/", "http://example.org", "https://[", "tel:+123",
    ],
)  # fmt: skip
def test_nobody_can_be_reached(subject: str) -> None:
    assert not is_plausible(subject)
