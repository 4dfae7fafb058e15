"""Who may do what: the permissions that mean something here, and the groups a fresh installation begins with."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.db.models import Case, Q, QuerySet, When

PAGES = {"campaigns": ["campaign"], "devices": ["app", "device", "segment"]}
SEEN_ONLY = {"auth": ["user", "group"]}  # superusers alone change these
GROUPS = {
    "Viewers": ["view_campaign", "view_app", "view_device", "view_segment"],
    "Marketers": [
        *("view_campaign", "add_campaign", "change_campaign", "delete_campaign", "send_campaign"),
        "export_campaign",
        *("view_segment", "add_segment", "change_segment", "delete_segment"),
        *("view_app", "view_device"),
    ],
    "App developers": [
        *("view_app", "add_app", "change_app", "delete_app"),
        *("view_device", "add_device", "change_device", "delete_device"),
        "export_device",
        *("view_segment", "view_campaign"),
    ],
}


def permissions() -> QuerySet[Permission]:
    """Return the permissions that some page asks for; the others would only promise something."""
    wanted = Q(pk__in=[])
    for app, models in PAGES.items():
        wanted |= Q(content_type__app_label=app, content_type__model__in=models)
    for app, models in SEEN_ONLY.items():
        wanted |= Q(content_type__app_label=app, content_type__model__in=models, codename__startswith="view_")
    verbs = [
        When(codename__startswith=verb, then=place) for place, verb in enumerate(("view", "add", "change", "send"))
    ]
    team_last = Case(When(content_type__app_label="auth", then=1), default=0)
    known = Permission.objects.filter(wanted).select_related("content_type")
    return known.order_by(team_last, "content_type__app_label", "content_type__model", Case(*verbs, default=9))


def create_groups() -> None:
    """Make the first groups. For a fresh installation only: whoever renames or deletes one wants it so."""
    known = {permission.codename: permission for permission in permissions()}
    for name, codenames in GROUPS.items():
        group, made = Group.objects.get_or_create(name=name)
        if made:
            group.permissions.set([known[codename] for codename in codenames])
