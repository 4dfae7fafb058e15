"""The project as two Django apps: ours (templates, commands, pages) and the admin with our own site."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PushAdminConfig(AppConfig):
    """Overview, sign-in, health and the commands that start everything."""

    name = "pushadmin"

    def ready(self) -> None:
        """Register the checks."""
        import_module("pushadmin.checks")


class SiteConfig(AdminConfig):
    """django.contrib.admin, with our AdminSite as ``django.contrib.admin.site``."""

    default_site = "pushadmin.site.PushAdminSite"


class AccountTables(AppConfig):
    """allauth.account, which allauth.mfa imports, as its tables alone: none of its pages, middleware or signals."""

    name = "allauth.account"
    default_auto_field = "django.db.models.AutoField"  # as its migrations have it
