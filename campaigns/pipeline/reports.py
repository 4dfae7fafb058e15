"""By what a device may tell what became of a push: campaign and device, sealed with this installation's key.

Nobody can make one up, or find out another's by changing their own, and reading one costs no look into the database.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from functools import lru_cache

from django.conf import settings

_IDS = struct.Struct(">QQ")
_SEAL = 16  # bytes of the HMAC that are kept: 128 bits
LENGTH = 43  # characters of a report id


class NotOurs(ValueError):
    """A report id that was not made here."""


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"pushadmin report id 1", "sha256")


def report_id(campaign: int, device: int) -> str:
    """Return the report id of a push: 43 characters of base64url."""
    ids = _IDS.pack(campaign, device)
    seal = hmac.digest(_key(settings.SECRET_KEY), ids, "sha256")[:_SEAL]
    return base64.urlsafe_b64encode(ids + seal).rstrip(b"=").decode()


def read(report: str) -> tuple[int, int]:
    """Return campaign and device of a report id; raise NotOurs. Ids made with a former SECRET_KEY are read too."""
    if len(report) != LENGTH or not report.isascii():
        raise NotOurs(report)
    try:
        raw = base64.b64decode(report + "=", altchars=b"-_", validate=True)
    except binascii.Error:
        raise NotOurs(report) from None
    ids, seal = raw[: _IDS.size], raw[_IDS.size :]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(seal, hmac.digest(_key(secret), ids, "sha256")[:_SEAL]):
            campaign, device = _IDS.unpack(ids)
            return campaign, device
    raise NotOurs(report)
