"""The page about the emulator says what the emulator does."""

from __future__ import annotations

from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.mpns.behaviours import BEHAVIOURS
from tests.emulator import ROOT

PAGE = (ROOT / "docs" / "emulator.md").read_text()


def test_every_behaviour_is_documented_as_it_is() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for behaviour in BEHAVIOURS:
        assert f"| `{behaviour.name}` | {behaviour.means} |" in rows


def test_every_spelling_is_documented() -> None:
    for spelling in SPELLINGS:
        assert f"| `{spelling}`" in PAGE
