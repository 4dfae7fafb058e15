"""The addresses of a campaign's pages, below those of the admin's list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from campaigns.compose import own_browser
from campaigns.compose import views as compose
from campaigns.monitor import views as monitor

PAGES: dict[str, tuple[str, Callable[..., HttpResponseBase]]] = {
    "compose/": ("compose_live", compose.compose_live),
    "reach/": ("reach", compose.reach),
    "this-browser/<int:pk>/": ("this_browser", own_browser.this_browser),
    "<int:pk>/confirm/": ("confirm", compose.confirm),
    "<int:pk>/duplicate/": ("duplicate", compose.duplicate),
    "<int:pk>/live/": ("live", monitor.live),
    "<int:pk>/do/<slug:verb>/": ("do", monitor.perform_action),
    "<int:pk>/parked/": ("parked", monitor.parked),
    "<int:pk>/deliveries/": ("deliveries", monitor.deliveries),
    "<int:pk>/deliveries.csv": ("export", monitor.export),
}


def patterns(wrap: Callable[[Callable[..., HttpResponseBase]], Any]) -> list[URLPattern]:
    """Return the patterns, each view in what ``wrap`` makes of it (the admin's check that somebody is signed in)."""
    return [path(route, wrap(view), name=f"campaigns_campaign_{name}") for route, (name, view) in PAGES.items()]
