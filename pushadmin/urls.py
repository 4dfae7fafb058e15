"""Addresses: the API for apps, and the dashboard for people everywhere else. Health: pushadmin/middleware.py."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, re_path

import campaigns.monitor.api  # noqa: F401 (what it offers is registered by that)
import devices.browsers.api  # noqa: F401 (likewise)
from devices.api import api


def nothing_here(request: HttpRequest) -> HttpResponse:
    """Answer a program that asks for what is not there with 404, not with the sign-in page for people."""
    raise Http404


handler500 = "pushadmin.views.server_error"
urlpatterns = [
    path("api/v1/", api.urls),
    re_path(r"^api/", nothing_here),
    path("", admin.site.urls),
]
