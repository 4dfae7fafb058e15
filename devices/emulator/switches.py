"""Settings that are whole numbers, changed while the emulator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST = 2**31 - 1


def change(settings: DataclassInstance, wishes: Mapping[str, object]) -> dict[str, Any]:
    """Set what ``wishes`` names, all of it or nothing, and return every setting. Raises ValueError with a sentence."""
    known = {setting.name for setting in fields(settings)}
    for name, value in wishes.items():
        if name not in known:
            raise ValueError(f"no such setting: {name}")
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            raise ValueError(f"{name} must be a whole number from 0 to {MOST}")
    for name, value in wishes.items():
        setattr(settings, name, value)
    return asdict(settings)
