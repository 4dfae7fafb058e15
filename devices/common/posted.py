"""Addresses that take only what a button sends: a GET is led back to the page, and told that nothing was done.

That happens to everybody whose session had ended when they pressed: after signing in, the browser asks for the address
once more, without what was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils.translation import gettext as _

View = Callable[..., HttpResponse]


def only_post(page: str, *names: str) -> Callable[[View], View]:
    """Let a view see POSTs alone. A GET leads to ``page``, whose arguments are those of the view called ``names``."""

    def decorated(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            if request.method not in {"GET", "HEAD"}:
                return HttpResponseNotAllowed(["POST"])
            messages.info(request, _("Nothing was done: the button’s message did not arrive. Press it again."))
            return redirect(page, *(kwargs[name] for name in names))

        return posted

    return decorated
