"""Tickets for large uploads: the import page signs one into the address of its form, and the web server looks at it.

No database is asked, so that it can be looked at before anything of the body is read.
"""

from __future__ import annotations

from urllib.parse import unquote

from django.core import signing

NAME = "ticket"  # in the query
HOLDS = 12 * 3600  # seconds: as long as somebody may leave the page open
_signer = "devices.tickets"


def new() -> str:
    """Return a ticket, for the page of somebody who may import."""
    return signing.TimestampSigner(salt=_signer).sign("import")


def holds(query: str) -> bool:
    """Return whether a query string has a ticket that holds."""
    found = [value for name, _, value in (part.partition("=") for part in query.split("&")) if name == NAME]
    try:
        signing.TimestampSigner(salt=_signer).unsign(unquote(found[-1]) if found else "", max_age=HOLDS)
    except signing.BadSignature:
        return False
    return True
