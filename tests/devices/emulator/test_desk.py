"""Who owns which path."""

from __future__ import annotations

import pytest

from devices.emulator.clock import Clock
from devices.emulator.desk import FrontDesk
from devices.emulator.ledger import Ledger
from devices.emulator.mpns.settings import Settings
from devices.emulator.services import found
from devices.emulator.shared import Shared


@pytest.fixture(scope="module")
def owners() -> FrontDesk:
    shared = Shared(Clock(), Ledger(None), 1)
    settings = {"mpns": Settings()}
    return FrontDesk(shared, {name: service.start(settings.get(name), shared) for name, service in found().items()})


@pytest.mark.parametrize(
    ("target", "owner"),
    [
        (b"/throttledthirdparty/01.00/ok.a", "mpns"),
        (b"/fcm/send/ok.a", "webpush"),
        (b"/w/?token=ok.a", "webpush"),
        (b"/v1/projects/demo-shop/messages:send", "fcm"),
        (b"/token", "fcm"),
        (b"/token?x=/a", "fcm"),
        (b"/batch", "fcm"),
        (b"/?token=ok.a", "wns"),
        (b"/?token=ok.a/b", "wns"),
        (b"/accesstoken.srf", "wns"),
        (b"/accesstoken.srf?a=/", "wns"),
        (b"/0a1b/oauth2/v2.0/token", "wns"),
        (b"/0a1b/oauth2/v2.0/token?a=b", "wns"),
        (b"/", ""),
        (b"/?a=b", ""),
        (b"/emulator/state", ""),
        (b"/emulator/fcm/screens.js", ""),
        (b"/tokens", ""),
        (b"*", ""),
        (b"", ""),
        (b"/emulator/state?x=/oauth2/v2.0/token", ""),
    ],
)
def test_a_target_has_one_owner(owners: FrontDesk, target: bytes, owner: str) -> None:
    found_owner = owners._owner(target)
    assert (type(found_owner).__module__.split(".")[2] if found_owner else "") == owner


def test_no_two_services_own_the_same(owners: FrontDesk) -> None:
    prefixes = [prefix for service in owners._services.values() for prefix in service.prefixes]
    assert len(prefixes) == len(set(prefixes))
    assert [prefix for prefix in prefixes if prefix.startswith(b"/emulator")] == []
