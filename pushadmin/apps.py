"""The project as two Django apps: ours (templates, commands, pages) and the admin with our own site."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db import connections
from django.db.models.signals import pre_migrate


class PushAdminConfig(AppConfig):
    """Overview, sign-in, health and the commands that start everything."""

    name = "pushadmin"

    def ready(self) -> None:
        """Register the checks, and let migrations take their time."""
        import_module("pushadmin.checks")
        pre_migrate.connect(without_time_limit)


def without_time_limit(sender: Any, using: str, **kwargs: Any) -> None:
    """Take the limit of a statement's time off this connection: a migration of a large table needs longer."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")


class SiteConfig(AdminConfig):
    """django.contrib.admin, with our AdminSite as ``django.contrib.admin.site``."""

    default_site = "pushadmin.site.PushAdminSite"


class AccountTables(AppConfig):
    """allauth.account, which allauth.mfa imports, as its tables alone: none of its pages, middleware or signals."""

    name = "allauth.account"
    default_auto_field = "django.db.models.AutoField"  # as its migrations have it
