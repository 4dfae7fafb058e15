"""Client certificates that somebody uploads: PEM, or PFX with its password. Read in a process of its own."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices import key_reader

LARGEST = 64 * 1024  # bytes of an upload
WAITS = 12.0  # seconds for a process that may use key_reader.SECONDS of a busy machine
TOO_HARD = gettext_lazy(
    "This file takes more than a few seconds or half a gigabyte to open: its key is protected far harder than usual. "
    "Export it again with fewer rounds."
)


class CertificateRefused(ValueError):
    """An upload that cannot be used. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain and its unencrypted key, as PEM text, and what a page tells of it."""

    certificate: str
    key: str = field(repr=False)
    subject: str
    issuer: str
    expires_at: datetime
    fingerprint: str

    def secret(self) -> dict[str, str]:
        """Return what the push service's Credentials take."""
        return {"certificate": self.certificate, "key": self.key}


def read(upload: bytes, password: str, now: datetime) -> Certificate:
    """Return the certificate in ``upload``; raise CertificateRefused."""
    if len(upload) > LARGEST:
        told_size = _("This file has more than %(most)d KiB; a certificate is much smaller.")
        raise CertificateRefused(told_size % {"most": LARGEST // 1024})
    asked = {"upload": base64.b64encode(upload).decode(), "password": password, "now": now.isoformat()}
    # Isolated: neither our environment nor the folder it runs in has a say in what is imported.
    command = [sys.executable, "-I", str(Path(key_reader.__file__))]
    try:
        done = subprocess.run(  # noqa: S603  # no word of the command comes from outside
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=WAITS, check=True, env={}
        )
        answer = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):  # ended by its limits, or by what it read
        raise CertificateRefused(TOO_HARD) from None
    if "refused" in answer:
        # The process knows no languages: it marks its sentences and says what belongs into their holes.
        raise CertificateRefused(_(answer["refused"]) % answer["holes"])
    told = answer["certificate"]
    return Certificate(**{**told, "expires_at": datetime.fromisoformat(told["expires_at"])})
