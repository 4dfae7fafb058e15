"""What every page of a campaign needs: whether one may, which campaign, and the frame around it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from campaigns.models import Campaign

PAGE = "admin:campaigns_campaign_change"
CONFIRM = "admin:campaigns_campaign_confirm"


def need(request: HttpRequest, action: str) -> None:
    """Raise PermissionDenied unless the person may ``action`` ("view", "add", "change", "send") campaigns."""
    if not request.user.has_perm(f"campaigns.{action}_campaign"):
        raise PermissionDenied


def person(request: HttpRequest) -> User | None:
    """Return who asks, as the record keeps it."""
    return request.user if isinstance(request.user, User) else None


def found(pk: int | str) -> Campaign:
    """Return a campaign, or raise Http404."""
    if not str(pk).isdecimal() or int(pk) >= 2**63:
        raise Http404
    rows = Campaign.objects.select_related("app", "segment", "created_by", "started_by")
    return get_object_or_404(rows, pk=int(pk))


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of the dashboard."""
    return render(request, template, {**admin.site.each_context(request), "title": title, **context}, status=status)
