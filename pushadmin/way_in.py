"""From the right password, or a one-time link, to being signed in: with the second factor of those who have one.

Until it is shown, the session says who waits and nothing else; nobody is signed in.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from pushadmin import second_factor, step_up

BACKEND = "django.contrib.auth.backends.ModelBackend"
BY_LINK = "signed_in_by_link"  # in the session: when, in seconds since 1970
WAITS = "waits_for_second_factor"  # in the session, until it is shown
PATIENCE = 10 * 60  # seconds


def enter(request: HttpRequest, user: User, by: str, to: str) -> HttpResponse:
    """Sign in who showed a password or a link, and lead to ``to``; who has a second factor is asked for that first."""
    if not second_factor.has(user):
        return _let_in(request, user, by, to, by)
    request.session.cycle_key()
    request.session[WAITS] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),  # a digest: a changed password ends the waiting
        "at": second_factor.now(),
        "by": by,
        "to": to,
    }
    return redirect("admin:sign_in_second_factor")


def waiting(request: HttpRequest) -> User | None:
    """Return who has shown everything but the second factor."""
    said: dict[str, Any] = request.session.get(WAITS, {})
    if not 0 <= second_factor.now() - said.get("at", 0) < PATIENCE:
        return None
    user = User.objects.filter(pk=said["user"], is_active=True, is_staff=True).first()
    return user if user and constant_time_compare(said["password"], user.get_session_auth_hash()) else None


@never_cache
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of who has shown the rest, and sign in."""
    user = waiting(request)
    if user is None:
        request.session.pop(WAITS, None)
        return redirect("admin:login")
    refusal = ""
    if request.method == "POST":
        said = request.session[WAITS]
        refusal = step_up.prove(request, user)
        if not refusal:
            return _let_in(request, user, said["by"], said["to"], step_up.BY_FACTOR)
    means = step_up.means(user)
    context = {**admin.site.each_context(request), **means, "title": _("Second factor"), "refusal": refusal}
    status = 429 if refusal == step_up.too_many() else 200
    return render(request, "pushadmin/sign_in_second_factor.html", context, status=status)


def _let_in(request: HttpRequest, user: User, by: str, to: str, proof: str) -> HttpResponse:
    login(request, user, backend=BACKEND)
    request.session.pop(WAITS, None)
    step_up.proved(request, proof)
    if by == step_up.BY_LINK:
        request.session[BY_LINK] = second_factor.now()
        if user.has_usable_password():
            messages.info(request, _("Forgotten your password? For an hour you can choose a new one without it."))
        else:
            messages.info(request, _("You have no password yet. Set one, so that you can come back without a link."))
    return redirect(to)
