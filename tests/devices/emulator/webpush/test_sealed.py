"""The tests' own sender agrees with the RFCs, so that what a Firefox makes of its messages says something."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.devices.emulator.webpush.sealed import b64, point, sealed, unb64, vapid


def test_the_example_of_rfc_8291_comes_out() -> None:
    """Section 5 and appendix A."""
    own = ec.derive_private_key(int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")), ec.SECP256R1())
    made = sealed(
        b"When I grow up, I want to be a watermelon",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
        own=own,
        salt=unb64("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert b64(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_a_token_is_signed_by_the_key_it_comes_with() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token, shown = vapid("http://127.0.0.1:8100/wpush/v2/x", key).removeprefix("vapid t=").split(", k=")
    assert shown == b64(point(key))
    signed, _, signature = token.rpartition(".")
    raw = unb64(signature)
    pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.public_key().verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert b'"aud": "http://127.0.0.1:8100"' in unb64(signed.split(".")[1])
