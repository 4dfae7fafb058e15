"""The two pieces of code for a site: a snippet for its pages and a service worker beside them, made for one App."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from devices.browsers.subscribing import public_key
from devices.models import App, Site

VERSION = 1
WORKER = "/pushadmin-worker.js"  # where the site puts the service worker
# What our worker governs: nothing of the site's own, so that it stands in no other worker's way.
SCOPE = "/pushadmin-{slug}/"


@cache
def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text()


def worker(app: App, base: str, site: Site | None) -> str:
    """Return the service worker. ``base`` is this dashboard's own address; without a site it registers nobody anew."""
    return _headed(app, "worker.js", base, public_key(app), {"key": site.key if site else ""})


def snippet(app: App, base: str, site: Site, key: str) -> str:
    """Return the snippet for a page; ``key`` is the App's public one."""
    scope = SCOPE.format(slug=app.slug)
    return _headed(app, "snippet.js", base, key, {"key": site.key, "worker": WORKER, "scope": scope})


def _headed(app: App, name: str, base: str, key: str, more: dict[str, str]) -> str:
    told = {"version": VERSION, "url": f"{base}/api/v1", "applicationKey": key, **more}
    head = f"// PushAdmin {VERSION}, made for the App “{app.slug}”."
    return f"{head}\nconst PUSHADMIN = {json.dumps(told, indent=2)};\n{_source(name)}"
