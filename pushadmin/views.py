"""The pages that belong to no model: the overview, the way in by a link, the first password."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from campaigns import control
from campaigns.models import Campaign
from pushadmin import links, step_up, way_in
from pushadmin.forms import SignInForm
from pushadmin.overview import PARTS, browser_apps

AGAIN_IN = 5  # seconds until somebody should ask again while the database is away


def overview(request: HttpRequest) -> TemplateResponse:
    """Show what is being sent, what was sent, who can be reached, and what needs somebody."""
    context = {**admin.site.each_context(request), "title": _("Overview"), "browser_apps": browser_apps(request.user)}
    for part in PARTS.values():
        context |= part(request.user)
    return TemplateResponse(request, "pushadmin/overview.html", context)


def overview_live(request: HttpRequest, part: str) -> HttpResponse:
    """Return one part of the overview as it is now, for live.js."""
    if part not in PARTS:
        raise Http404
    return render(request, f"pushadmin/overview_{part}.html", PARTS[part](request.user))


def pause_everything(request: HttpRequest) -> HttpResponse:
    """Ask, then pause what is being sent and take back what is scheduled."""
    if not request.user.has_perm("campaigns.send_campaign"):
        raise PermissionDenied
    if request.method == "POST":
        because = _("Everything was paused by %(person)s.") % {"person": request.user}
        held = control.pause_everything(because)
        told = _("Nothing goes out any more: %(paused)s paused, %(drafts)s scheduled ones are drafts again.")
        messages.success(request, told % {"paused": held.paused, "drafts": held.drafts})
        return redirect("admin:index")
    going = Campaign.objects.filter(status__in=[*control.GOING, Campaign.Status.SCHEDULED]).select_related("app")
    context = {**admin.site.each_context(request), "title": _("Pause everything"), "going": going}
    return render(request, "pushadmin/pause_everything.html", context)


@never_cache
def sign_in(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Sign in by a one-time link. GET only asks: programs that look at links must not use them up."""
    user = links.owner(uid, token)
    context = {**admin.site.each_context(request), "title": _("Sign in"), "owner": user}
    if user is None:
        return render(request, "pushadmin/sign_in.html", context, status=410)
    if request.method != "POST":
        return render(request, "pushadmin/sign_in.html", context)
    if not links.use(user):
        return render(request, "pushadmin/sign_in.html", {**context, "owner": None}, status=410)
    user.refresh_from_db()
    return way_in.enter(request, user, step_up.BY_LINK, reverse("admin:index"))


class SignIn(LoginView):
    """Sign in by a password, and by the second factor of those who have one."""

    authentication_form = SignInForm

    def form_valid(self, form: Any) -> HttpResponse:  # a redirect
        """Let in who gave the right password, or ask for more."""
        return way_in.enter(self.request, form.get_user(), step_up.BY_PASSWORD, self.get_success_url())


def needs_no_old_password(request: HttpRequest) -> bool:
    """Return whether this person came by a link within the hour: no password yet, or a forgotten one."""
    since: int = request.session.get(way_in.BY_LINK, 0)
    return time.time() - since < settings.PASSWORD_RESET_TIMEOUT


def set_password(request: HttpRequest) -> HttpResponse:
    """Let a person choose a password without the old one, if there is none or it is forgotten."""
    user: Any = request.user
    if not needs_no_old_password(request):
        if user.has_usable_password():
            return redirect("admin:password_change")
        # Whoever finds an open browser must not give themselves a password, and with it a proof of who they are.
        messages.error(request, _("Your sign-in link is more than an hour old. Sign in by a new one, then set it."))
        return redirect("admin:index")
    form = SetPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        request.session.pop(way_in.BY_LINK, None)
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is set."))
        return redirect("admin:index")
    context = {**admin.site.each_context(request), "title": _("Set a password"), "form": form}
    return render(request, "pushadmin/set_password.html", context)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that something failed here: 503 with Retry-After while the database is away, else 500.

    Django calls this where the exception is being handled. The page asks the database nothing.
    """
    away = isinstance(sys.exception(), OperationalError | InterfaceError)
    status = 503 if away else 500
    response: HttpResponse
    if request.path.startswith("/api/"):
        told = _("Something broke; it is in the log.")
        if away:
            told = _("The database does not answer; try again in a moment.")
        response = JsonResponse({"detail": told}, status=status)
    else:
        response = HttpResponse(render_to_string(f"{status}.html"), status=status)
    if away:
        response.headers["Retry-After"] = str(AGAIN_IN)
    return response
