"""What a query string may name without the database ever seeing nonsense."""

from __future__ import annotations

import pytest

from devices.common.query import primary_key
from devices.common.zones import KNOWN, OFFERED


@pytest.mark.parametrize("spelled", ["1", "007", 42, str(2**63 - 1)])
def test_a_key_is_read(spelled: object) -> None:
    assert primary_key(spelled) == int(str(spelled))


@pytest.mark.parametrize("spelled", ["", None, "-1", "1.0", "1e3", "٧", "x", " 1", str(2**63), "9" * 400, "0x1"])
def test_what_no_bigint_holds_is_no_key(spelled: object) -> None:
    assert primary_key(spelled) == 0


def test_zones_are_places_and_utc() -> None:
    assert OFFERED[0] == "UTC"
    assert "Europe/Vienna" in OFFERED
    assert set(OFFERED) <= KNOWN
    assert not [zone for zone in OFFERED if zone.startswith(("Etc/", "SystemV/"))]
