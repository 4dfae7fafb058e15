"""The browser's half of the encryption, by the vector of RFC 8291 and against an encryption written apart from it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from devices.emulator.webpush.encryption import Keys, Undecryptable, decrypt, keys_of, sender_key
from tests.devices.emulator.webpush.sender import b64u, encrypt, point, unb64u

# RFC 8291, section 5
PLAINTEXT = b"When I grow up, I want to be a watermelon"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
BROWSER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SALT, AUTH = unb64u("DGv6ra1nlYgDCS1FRnbzlw"), unb64u("BTBZMqHH6r4Tts7J_aSIgg")
BODY = unb64u(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(unb64u(text)), ec.SECP256R1())


def browser() -> Keys:
    private = private_key(BROWSER)
    return Keys(private, point(private), AUTH)


def test_the_vector_of_the_standard_is_opened() -> None:
    assert decrypt(BODY, browser()) == PLAINTEXT


def test_our_test_sender_encrypts_as_the_vector_says() -> None:
    assert encrypt(PLAINTEXT, browser().shown(), private_key(SENDER), SALT) == BODY


def test_the_head_tells_the_senders_key() -> None:
    assert sender_key(BODY) == point(private_key(SENDER))
    assert sender_key(BODY[:80]) == b""


def test_padding_is_taken_off() -> None:
    assert decrypt(encrypt(PLAINTEXT, browser().shown(), padding=b"\2" + bytes(40)), browser()) == PLAINTEXT


def test_zeros_and_twos_of_the_message_itself_stay() -> None:
    message = b"\0\2\0\2\2"
    assert decrypt(encrypt(message, browser().shown(), padding=b"\2\0\0"), browser()) == message


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no head"),
        (BODY[:100], "tag does not fit"),
        (BODY[:-1] + b"\0", "tag does not fit"),
        (BODY[:20] + b"\x40" + BODY[21:], "no head"),
        (BODY[:21] + b"\2" + BODY[22:], "not an uncompressed point"),
        (BODY[:30] + b"\0" + BODY[31:], "Invalid EC key"),
        (BODY[:16] + (57).to_bytes(4) + BODY[20:], "do not fit into one record"),
        (BODY[:16] + (17).to_bytes(4) + BODY[20:], "do not fit into one record"),
        (encrypt(PLAINTEXT, browser().shown(), padding=b"\1"), "padding"),
        (encrypt(b"", browser().shown(), padding=b"\0\0"), "padding"),
    ],
)
def test_what_cannot_be_opened_is_told_why(body: bytes, why: str) -> None:
    with pytest.raises(Undecryptable, match=why):
        decrypt(body, browser())


def test_another_browser_cannot_open_it() -> None:
    with pytest.raises(Undecryptable, match="tag"):
        decrypt(BODY, keys_of(b"another"))


def test_keys_follow_from_the_seed() -> None:
    keys = keys_of(b"ok.browser-3")
    again = keys_of.__wrapped__(b"ok.browser-3")
    assert keys.shown() == again.shown()
    assert keys.shown() != keys_of(b"ok.browser-4").shown()
    assert (len(keys.public), keys.public[0], len(keys.auth)) == (65, 4, 16)
    assert b64u(keys.public) == keys.shown()["p256dh"]
