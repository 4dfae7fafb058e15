"""Addresses: health for machines, the API for apps, and the dashboard for people everywhere else."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from devices.api import api
from pushadmin import health

handler500 = "pushadmin.views.server_error"
urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/v1/", api.urls),
    path("", admin.site.urls),
]
