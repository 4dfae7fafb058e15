"""What the emulated APNs is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """``keys_folder`` keeps the keys of its own teams, None: they last as long as the emulator does.

    ``tls_folder`` has the authority that signs client certificates, None: there is none.
    """

    keys_folder: Path | None = None
    tls_folder: Path | None = None
