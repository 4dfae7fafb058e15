"""The devices app: who can be reached, and how."""

from __future__ import annotations

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Apps, credentials, devices and segments."""

    name = "devices"
