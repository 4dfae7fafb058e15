"""Many device ids in few bytes: how a batch keeps them."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable


def pack(ids: Iterable[int]) -> bytes:
    """Return device ids as Batch.ids stores them: 8 bytes each, big-endian."""
    packed = array("q", ids)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def unpack(blob: bytes | memoryview) -> list[int]:
    """Return the device ids that ``pack`` was given."""
    unpacked = array("q", bytes(blob))
    if sys.byteorder == "little":
        unpacked.byteswap()
    return unpacked.tolist()
