"""Addresses: health for machines, the API for apps, and the dashboard for people everywhere else."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from pushadmin import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("", admin.site.urls),
]
