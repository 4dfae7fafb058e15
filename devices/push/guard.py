"""Which network addresses the engine may open a connection to. Asked with the resolved address, before the socket."""

from __future__ import annotations

import ipaddress
import socket

# Everything that is not the public internet, and the ranges that smuggle such an address inside another one.
# Own table and not ``is_global``: its meaning changed between Python versions. Sources: the IANA special-purpose
# address registries for IPv4 and IPv6 (RFC 6890 and what updated it).
DENIED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
]


def refused(host: str, port: int, allow: frozenset[str]) -> bool:
    """Return whether a connection to the resolved ``host`` (an IP literal) is refused.

    ``allow`` holds exact ``host:port`` pairs that an operator's setting lets through.
    """
    if f"{host}:{port}" in allow:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return refused(str(address.ipv4_mapped), port, allow)
    return any(address in network for network in DENIED if network.version == address.version) or ours(address)


NOBODYS = {4: "240.0.0.1", 6: "3fff::1"}  # reserved: no machine has them


def ours(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether this machine has ``address`` itself: then, and only then, it can be bound.

    A name of a push service that leads here would have us push to our own dashboard, from inside. Where the kernel
    binds any address (net.ipv4.ip_nonlocal_bind) nothing is learned, and nothing refused.
    """
    return _binds(str(address), address.version) and not _binds(NOBODYS[address.version], address.version)


def _binds(host: str, version: int) -> bool:
    try:
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
