"""Encryption for one browser, against the vector of its RFC."""

from __future__ import annotations

import pytest

from devices.push import aes128gcm
from tests.devices.push.vector import AS_PRIVATE, AUTH, BODY, PLAINTEXT, SALT, UA_PUBLIC, decrypted, private, raw


def test_the_vector_of_the_rfc_comes_out_byte_for_byte() -> None:
    made = aes128gcm.encrypt(PLAINTEXT, raw(UA_PUBLIC), raw(AUTH), key=private(AS_PRIVATE), salt=raw(SALT))
    assert made == raw(BODY)
    assert decrypted(made) == PLAINTEXT


def test_no_two_pushes_share_a_key_or_a_salt() -> None:
    bodies = [aes128gcm.encrypt(PLAINTEXT, raw(UA_PUBLIC), raw(AUTH)) for _ in range(50)]
    assert len({body[:16] for body in bodies}) == len({body[21:86] for body in bodies}) == 50
    assert {decrypted(body) for body in bodies} == {PLAINTEXT}


def test_the_largest_text_makes_the_largest_body_and_one_byte_more_none() -> None:
    assert len(aes128gcm.encrypt(b"x" * 3993, raw(UA_PUBLIC), raw(AUTH))) == 4096
    with pytest.raises(ValueError, match="3,994 bytes; 3,993 fit"):
        aes128gcm.encrypt(b"x" * 3994, raw(UA_PUBLIC), raw(AUTH))
