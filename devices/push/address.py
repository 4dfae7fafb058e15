"""Strict reading of addresses that are URLs. Anything two parsers could read differently is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devices.push.base import AddressRefused

LONGEST = 2048  # characters; one vendor documents "up to 1,024" in one place and "may exceed 1,024" in another
_START = r"(?P<scheme>[A-Za-z]{1,10})://(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
_URL = re.compile(_START + r"(?P<path>/[A-Za-z0-9._~:+=,;!$'()*/-]*)?(?P<query>\?[A-Za-z0-9._~:+=,;!$'()*/?&-]*)?")
_ESCAPED = re.compile(
    _START + r"(?P<path>/(?:[A-Za-z0-9._~:+=,;!$'()*/@-]|%[0-9A-Fa-f]{2})*)?"
    r"(?P<query>\?(?:[A-Za-z0-9._~:+=,;!$'()*/?&@-]|%[0-9A-Fa-f]{2})*)?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Url:
    """An address in its parts: ``host`` in lower case without a trailing dot, ``port`` "" when it is the usual one."""

    scheme: str
    host: str
    port: str
    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{':' + self.port if self.port else ''}{self.path}{self.query}"


def read(
    raw: str,
    word: str,
    hosts: tuple[str, ...],
    extra_hosts: frozenset[str],
    schemes: frozenset[str],
    *,
    escapes: bool = False,
) -> Url:
    """Return the parts of ``raw``, or raise AddressRefused with a sentence that calls it by ``word``.

    ``hosts`` are allowed names; one with a leading dot allows every name below it. ``extra_hosts`` are exact
    ``host:port`` pairs (an operator's setting). User info, fragments, IP literals and other ports are refused,
    and so are escapes unless ``escapes`` lets them through as they are spelled.
    """
    if len(raw) > LONGEST:
        raise AddressRefused(f"This {word} has {len(raw)} characters; at most {LONGEST} are accepted.")
    parts = (_ESCAPED if escapes else _URL).fullmatch(raw)
    if parts is None:
        raise AddressRefused(f"This {word} is not spelled as a plain http(s) address.")
    scheme, host = parts["scheme"].lower(), parts["host"].lower()
    host = host.removesuffix(".")
    port = parts["port"] or ""
    port = "" if port == DEFAULT_PORTS.get(scheme) else port
    if scheme not in schemes:
        raise AddressRefused(f"This {word} must begin with {' or '.join(f'{name}://' for name in sorted(schemes))}.")
    url = Url(scheme, host, port, parts["path"] or "/", parts["query"] or "")
    if f"{host}:{port or DEFAULT_PORTS[scheme]}" in extra_hosts:
        return url
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdecimal() or labels[-1].startswith("0x"):
        raise AddressRefused(f"This {word} names no host; numbers and odd spellings are not accepted.")
    if not any(host == name.lstrip(".") or (name[0] == "." and host.endswith(name)) for name in hosts):
        raise AddressRefused(f"“{host[:100]}” is not a host of this push service.")
    if port:
        raise AddressRefused(f"This {word} names port {port}; only the usual one is accepted.")
    return url
