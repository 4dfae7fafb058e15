"""The two pieces of code for a site: a snippet for its pages and a service worker beside them, made for one App."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devices.browsers.subscribing import public_key
from devices.models import App, Site

VERSION = 1
WORKER = "/pushadmin-worker.js"  # where the site puts the service worker
# What our worker governs: nothing of the site's own, so that it stands in no other worker's way.
SCOPE = "/pushadmin-{slug}/"


@dataclass(frozen=True, slots=True)
class Code:
    """What a site needs, or why it cannot be told yet."""

    snippet: str
    worker: str


@cache
def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text()


def worker(app: App, base: str, site: Site | None) -> str:
    """Return the service worker. ``base`` is this dashboard's own address; without a site it registers nobody anew."""
    return _headed(app, _source("worker.js"), base, {"key": site.key if site else ""})


def snippet(app: App, base: str, site: Site) -> str:
    """Return the snippet for a page."""
    return _headed(
        app, _source("snippet.js"), base, {"key": site.key, "worker": WORKER, "scope": SCOPE.format(slug=app.slug)}
    )


def _headed(app: App, source: str, base: str, more: dict[str, str]) -> str:
    told = {"version": VERSION, "url": f"{base}/api/v1", "applicationKey": public_key(app), **more}
    head = f"// PushAdmin {VERSION}, made for the App “{app.slug}”."
    return f"{head}\nconst PUSHADMIN = {json.dumps(told, indent=2)};\n{source}"
