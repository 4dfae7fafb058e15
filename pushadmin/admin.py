"""The team: users and groups, with Django's own permissions."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

admin.site.unregister(User)


@admin.register(User)
class TeamAdmin(UserAdmin):
    """People who use the dashboard."""

    list_display = ("username", "first_name", "last_name", "is_active", "is_superuser", "last_login")
    show_facets = admin.ShowFacets.NEVER
    list_filter = ("is_active", "is_superuser", "groups")
