"""The push services, one file each, found by walking this folder."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from devices.push.base import PushService
from devices.push.message import MESSAGES, Message


@cache
def all_services() -> tuple[PushService, ...]:
    """Return one instance of every service, in the order of their labels."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for _, kind in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(kind, PushService) and not inspect.isabstract(kind) and kind.__module__ == loaded.__name__:
                found.append(_made(kind))
    return tuple(sorted(found, key=lambda service: service.label.casefold()))


@cache
def _made(kind: type[PushService]) -> PushService:
    return kind()


@cache
def _by_slug() -> dict[str, PushService]:
    return {service.slug: service for service in all_services()}


def find(slug: str) -> PushService:
    """Return the service called ``slug``; LookupError with a sentence when there is none."""
    try:
        return _by_slug()[slug]
    except KeyError:
        known = ", ".join(sorted(_by_slug()))
        raise LookupError(f"There is no push service called “{slug}”. Known: {known}.") from None


def carrying(slug: str) -> list[PushService]:
    """Return the services that can carry the message called ``slug``, in the order of their labels."""
    return [service for service in all_services() if slug in service.kinds]


def kinds_offered() -> list[type[Message]]:
    """Return the kinds of message that some service can carry, in the order a form offers them."""
    return sorted((kind for kind in MESSAGES.values() if carrying(kind.slug)), key=lambda kind: kind.place)
