"""How large the body of a request may be, judged before any of it is kept.

One megabyte is more than any form here sends. Only a list of devices is larger: the page that offers the import signs
a ticket into the address its form is sent to, so that nobody else can fill the disk with what nobody wants to read.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from devices import tickets

SMALL = 1024 * 1024  # bytes
IMPORT = "/devices/device/import/"


def most_for(path: str, query: str) -> int:
    """Return how many bytes the body of a request to ``path`` may have."""
    return int(settings.LARGEST_IMPORT) if path == IMPORT and tickets.holds(query) else SMALL


class BodyLimit:
    """Middleware: refuses what is announced as too large without reading it, whatever web server stands before us."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse, or pass the request on."""
        announced = request.META.get("CONTENT_LENGTH") or "0"
        most = most_for(request.path_info, request.META.get("QUERY_STRING", ""))
        if announced.isdecimal() and int(announced) <= most:
            return self.get_response(request)
        return render(request, "413.html", {"most": most}, status=413)
