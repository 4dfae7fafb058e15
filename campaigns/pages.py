"""What every page of a campaign needs: whether one may, which campaign, and the frame around it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from campaigns.models import Batch, Campaign
from campaigns.packing import unpack
from devices.common.query import primary_key
from devices.models import Device

PAGE = "admin:campaigns_campaign_change"
CONFIRM = "admin:campaigns_campaign_confirm"
LOOKED_AT = 20  # devices whose addresses tell where a campaign goes


def require_permission(request: HttpRequest, action: str) -> None:
    """Raise PermissionDenied unless the person may ``action`` ("view", "add", "change", "send") campaigns."""
    if not request.user.has_perm(f"campaigns.{action}_campaign"):
        raise PermissionDenied


def person(request: HttpRequest) -> User | None:
    """Return who asks, as the record keeps it."""
    return request.user if isinstance(request.user, User) else None


def get_campaign_or_404(pk: int | str) -> Campaign:
    """Return a campaign, or raise Http404."""
    rows = Campaign.objects.select_related("app", "segment", "created_by", "started_by")
    return get_object_or_404(rows, pk=primary_key(pk))


def wall() -> str:
    """Return the address of the emulator's wall of phones, "" without an emulator."""
    return f"http://{settings.EMULATOR}/" if settings.EMULATOR else ""


def goes_to_wall(campaign: Campaign) -> bool:
    """Return whether the campaign goes to phones at the emulator, by the first of its devices (or of its App's)."""
    if not settings.EMULATOR:
        return False
    first = Batch.objects.filter(campaign=campaign.pk).order_by("pk").values_list("ids", flat=True).first()
    phones = Device.objects.filter(pk__in=unpack(first)[:LOOKED_AT]) if first else None
    if phones is None:
        phones = Device.objects.filter(app=campaign.app_id, status=Device.Status.ACTIVE).order_by("pk")[:LOOKED_AT]
    return any(urlsplit(address).netloc == settings.EMULATOR for address in phones.values_list("address", flat=True))


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    """Render a page of the dashboard."""
    return render(request, template, {**admin.site.each_context(request), "title": title, **context}, status=status)
