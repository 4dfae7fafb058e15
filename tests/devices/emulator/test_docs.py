"""The page about the emulator says what the emulator does."""

from __future__ import annotations

from devices.emulator import desk
from devices.emulator.apns import behaviours as apns
from devices.emulator.clock import Clock
from devices.emulator.fcm import behaviours as fcm
from devices.emulator.ledger import Ledger
from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.mpns.behaviours import BEHAVIOURS
from devices.emulator.mpns.settings import Settings
from devices.emulator.services import found
from devices.emulator.shared import Shared
from devices.emulator.webpush import behaviours as webpush
from devices.emulator.webpush.vendors import HOMES
from devices.emulator.wns import behaviours as wns
from tests.emulator import ROOT

PAGE = (ROOT / "docs" / "emulator.md").read_text()
BEFORE, _, AFTER = PAGE.partition("\n## Web Push\n")
WEB_PUSH = AFTER.partition("\n## ")[0]


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_every_behaviour_is_documented_as_it_is() -> None:
    for behaviour in BEHAVIOURS:
        assert f"| `{behaviour.name}` | {behaviour.means} |" in rows(BEFORE)


def test_every_behaviour_of_web_push_is_documented_as_it_is() -> None:
    for behaviour in webpush.BEHAVIOURS:
        assert f"| `{behaviour.name}` | {behaviour.means} |" in rows(WEB_PUSH)


def test_every_behaviour_of_apns_is_documented_as_it_is() -> None:
    for behaviour in apns.BEHAVIOURS:
        assert f"| `{behaviour.name}` | {behaviour.means} |" in rows(section("APNs"))


def test_every_behaviour_of_fcm_is_documented_as_it_is() -> None:
    table = [f"| `{behaviour.name}` | {behaviour.means} |" for behaviour in fcm.BEHAVIOURS]
    assert [row for row in table if row not in rows(section("FCM"))] == []


def test_every_behaviour_of_wns_is_documented_as_it_is() -> None:
    table = [f"| `{behaviour.name}` | {behaviour.means} |" for behaviour in wns.BEHAVIOURS]
    assert [row for row in table if row not in rows(section("WNS"))] == []


def test_every_vendor_is_documented_with_its_address() -> None:
    for vendor, home in HOMES.items():
        assert any(row.startswith(f"| `{vendor}` | `{home}ok.browser-1`") for row in rows(WEB_PUSH))


def test_every_spelling_is_documented() -> None:
    for spelling in SPELLINGS:
        assert f"| `{spelling}`" in PAGE


def test_every_command_is_documented() -> None:
    shared = Shared(Clock(), Ledger(None), 1)
    settings = {"mpns": Settings()}
    started = {name: service.start(settings.get(name), shared) for name, service in found().items()}
    front = desk.FrontDesk(shared, started)
    for method, paths in (("POST", front._commands), ("GET", front._views)):
        for path in paths:
            assert f"| `{method} {path}" in PAGE
