"""Which device somebody means by a few words. Every way is one that an index goes, however many devices there are."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from devices.common.query import primary_key
from devices.common.secrets import digest


def meant_by(words: str, apps: Iterable[int]) -> Q:
    """Return the condition on Device: its installation begins so, or this is its whole address, public id or number.

    Addresses are looked up by App, as they are indexed: ``apps`` are the primary keys of those it may be of.
    """
    means = Q(installation__startswith=words) | Q(app__in=list(apps), address_digest=digest(words))
    if number := primary_key(words):
        means |= Q(pk=number)
    plain = words.replace("-", "")
    if len(plain) == 32 and all(letter in "0123456789abcdef" for letter in plain.lower()):
        means |= Q(public_id=UUID(plain))
    return means
