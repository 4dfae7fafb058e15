"""The team: users and groups, with Django's own permissions. django-q2's pages are taken away."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django_q.models import Failure, OrmQ, Schedule, Success

# They show pickled arguments and let anybody with the permission queue a call of any function by its dotted path.
for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

admin.site.unregister(User)


@admin.register(User)
class TeamAdmin(UserAdmin):
    """People who use the dashboard."""

    list_display = ("username", "first_name", "last_name", "is_active", "is_superuser", "last_login")
    show_facets = admin.ShowFacets.NEVER
    list_filter = ("is_active", "is_superuser", "groups")
