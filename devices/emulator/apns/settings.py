"""What the emulated APNs is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """``tls_folder`` has the authority that signs client certificates, None: there is none."""

    tls_folder: Path | None = None
