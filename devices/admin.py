"""Apps, devices and segments in the dashboard."""

from __future__ import annotations

from django.contrib import admin

from devices.models import App, Device, Segment

admin.site.register([App, Device, Segment])
