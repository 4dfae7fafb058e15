"""Which resolved addresses may be dialled: one line per range of the deny table."""

from __future__ import annotations

import pytest

from devices.push.guard import refused

NOBODY: frozenset[str] = frozenset()

INSIDE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    "255.255.255.255",
    *("::", "::1", "::7f00:1", "::127.0.0.1", "::10.0.0.1"),  # unspecified, loopback, "IPv4-compatible"
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"),  # mapped
    "::ffff:0:127.0.0.1",  # translated (RFC 2765)
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),  # NAT64
    *("100::1", "2001::1", "2001:0:7f00:1::", "2001:10::1", "2001:20::1", "2001:db8::1"),  # discard, Teredo, ORCHID
    *("2002:7f00:1::", "2002:a00:1::1"),  # 6to4
    *("3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
]
OUTSIDE = [
    *("1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1"),
    *("172.15.255.255", "172.32.0.1", "192.0.1.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255"),
    *("::ffff:1.1.1.1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1"),
]


@pytest.mark.threats(4, 5)
@pytest.mark.parametrize("host", INSIDE)
def test_what_is_not_the_public_internet_is_refused(host: str) -> None:
    assert refused(host, 443, NOBODY)


@pytest.mark.parametrize("host", OUTSIDE)
def test_the_public_internet_is_not(host: str) -> None:
    assert not refused(host, 443, NOBODY)


@pytest.mark.threats(5)
@pytest.mark.parametrize("host", ["", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.1.1.1 ", "é"])
def test_what_is_no_resolved_address_is_refused(host: str) -> None:
    assert refused(host, 443, NOBODY)


@pytest.mark.threats(5)
def test_only_the_very_pair_is_let_through() -> None:
    allow = frozenset({"127.0.0.1:9100"})
    assert not refused("127.0.0.1", 9100, allow)
    assert refused("127.0.0.1", 9101, allow)
    assert refused("127.0.0.2", 9100, allow)
    assert refused("10.0.0.1", 9100, allow)
    assert refused("::1", 9100, allow)


def test_a_mapped_address_is_judged_as_the_one_it_means() -> None:
    assert not refused("::ffff:127.0.0.1", 9100, frozenset({"127.0.0.1:9100"}))
    assert refused("::ffff:127.0.0.1", 9101, frozenset({"127.0.0.1:9100"}))


@pytest.mark.threats(5)
def test_the_addresses_of_this_machine_itself_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.push.guard.DENIED", [])  # as if 127.0.0.1 were a public address of ours
    assert refused("127.0.0.1", 443, NOBODY)
    assert refused("::ffff:127.0.0.1", 443, NOBODY)
    assert not refused("127.0.0.1", 443, frozenset({"127.0.0.1:443"}))
    assert not refused("1.1.1.1", 443, NOBODY)
    monkeypatch.setattr("devices.push.guard._binds", lambda host, version: True)  # ip_nonlocal_bind
    assert not refused("1.1.1.1", 443, NOBODY)
