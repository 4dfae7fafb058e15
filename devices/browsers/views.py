"""What an App's page offers for the browsers of its visitors: origins, a publishable key, and the code for the site."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from devices.browsers import code
from devices.browsers.cors import clean_origin
from devices.browsers.subscribing import public_key
from devices.common.posted import only_post
from devices.common.secrets import new_key
from devices.models import App, Site, SiteOrigin
from devices.push.vapid import KeyRefused
from devices.views import APP, require_permission

MOST_ORIGINS = 50


def base_of(request: HttpRequest) -> str:
    """Return this dashboard's own address, as whoever asks sees it."""
    return request.build_absolute_uri("/").rstrip("/")


@only_post(APP, "pk")
def site(request: HttpRequest, pk: int) -> HttpResponse:
    """Store the origins of an App's pages; make the publishable key, or another one."""
    require_permission(request, "change_app")
    app = get_object_or_404(App, pk=pk)
    typed = [line for line in request.POST.get("origins", "").replace(",", "\n").splitlines() if line.strip()]
    try:
        origins = sorted({clean_origin(line) for line in typed[: MOST_ORIGINS + 1]})
    except KeyRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(APP, app.pk)
    if len(typed) > MOST_ORIGINS:
        messages.error(
            request, _("%(count)d origins; %(most)d are allowed.") % {"count": len(typed), "most": MOST_ORIGINS}
        )
        return redirect(APP, app.pk)
    with transaction.atomic():
        row, _made = Site.objects.get_or_create(app=app, defaults={"key": new_key("site")})
        if request.POST.get("wish") == "renew":
            row.key = new_key("site")
        row.save()
        row.origins.all().delete()
        SiteOrigin.objects.bulk_create([SiteOrigin(site=row, origin=origin) for origin in origins])
    if request.POST.get("wish") == "renew":
        messages.success(
            request, _("Another key. Put the new code on the site: the former key opens nothing any more.")
        )
    elif origins:
        messages.success(request, _("Saved. The code for the site is below."))
    else:
        messages.success(request, _("Saved: no page may subscribe browsers now."))
    return redirect(APP, app.pk)


@require_safe
def site_worker(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the service worker for the site, as a file to keep."""
    require_permission(request, "view_app")
    app = get_object_or_404(App.objects.select_related("site"), pk=pk)
    answer = _script(code.worker(app, base_of(request), getattr(app, "site", None)))
    answer.headers["Content-Disposition"] = f'attachment; filename="{code.WORKER.lstrip("/")}"'
    return answer


@require_safe
def own_worker(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the service worker that shows an App's notifications in the browser of whoever is signed in here.

    It governs what lies below the App's address, so that each App has a subscription of its own.
    """
    require_permission(request, "view_app")
    app = get_object_or_404(App, pk=pk)
    return _script(code.worker(app, base_of(request), None))


def context(request: HttpRequest, app: App) -> dict[str, Any]:
    """Return what the page of an App shows of its site: nothing before there is a key to subscribe with."""
    key = public_key(app)
    row = Site.objects.filter(app=app).prefetch_related("origins").first() if key else None
    origins = [one.origin for one in row.origins.all()] if row else []
    snippet = code.snippet(app, base_of(request), row, key) if row and origins else ""
    return {"browsers_key": key, "site": row, "origins": "\n".join(origins), "snippet": snippet, "worker": code.WORKER}


def _script(text: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = "no-cache"
    return answer
