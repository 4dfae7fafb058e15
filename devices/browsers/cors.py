"""Who may call the door for browsers from a page: the origins that a site names, and nobody else (Fetch, CORS)."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from devices.common.limits import Limit, client_network
from devices.models import SiteOrigin
from devices.push.vapid import KeyRefused

PATH = "/api/v1/browsers"
_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?)(?::([1-9][0-9]{0,4}))?")
PER_ADDRESS = Limit("preflight-address", settings.REGISTRATIONS_PER_ADDRESS)
LOCAL = {"localhost", "127.0.0.1"}
AGAIN = 7200  # seconds for which a browser need not ask again; Chromium takes no more


def clean_origin(typed: str) -> str:
    """Return an origin as a browser spells it; raise KeyRefused with a sentence.

    Only https, and http on this machine: elsewhere no browser lets a page subscribe.
    """
    text = typed.strip().lower().rstrip("/")
    match = _ORIGIN.fullmatch(text)
    if match is None or ".." in match[2]:
        told = _("“%(typed)s” is no origin; write for example https://www.example.org.")
        raise KeyRefused(told % {"typed": typed.strip()[:80]})
    scheme, host, port = match.groups()
    if scheme == "http" and host not in LOCAL:
        told = _("“%(typed)s” must begin with https://: no other page can subscribe a browser.")
        raise KeyRefused(told % {"typed": text[:80]})
    usual = {"http": "80", "https": "443"}[scheme]
    return f"{scheme}://{host}" + (f":{port}" if port and port != usual else "")


class Cors:
    """Middleware: answers what browsers ask before they call, and lets pages of known origins read the answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a preflight, or pass the call on."""
        if request.path != PATH:
            return self.get_response(request)
        if request.method == "OPTIONS" and (wait := PER_ADDRESS.exceeded(client_network(request))):
            return HttpResponse(status=429, headers={"Retry-After": str(wait)})
        origin = request.headers.get("Origin", "")
        known = 0 < len(origin) <= 300 and "\0" not in origin and SiteOrigin.objects.filter(origin=origin).exists()
        if request.method == "OPTIONS":
            response = HttpResponse(status=204 if known else 403)
        else:
            response = self.get_response(request)
        if known:
            response.headers["Access-Control-Allow-Origin"] = origin
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "POST, DELETE"
                response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
                response.headers["Access-Control-Max-Age"] = str(AGAIN)
        patch_vary_headers(response, ("Origin",))
        return response
