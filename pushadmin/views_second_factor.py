"""The pages of one's own second factor. All of them ask for a fresh proof before they are shown (step_up.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from devices.common.posted import only_post
from pushadmin import passkeys, second_factor, step_up, way_in

MINE = "admin:second_factor"
HERE_ONLY = {"localhost"}


def pages(wrap: Callable[..., Any]) -> list[URLPattern]:
    """Return the addresses; ``wrap`` is AdminSite.admin_view."""
    return [
        path("sign-in/second-factor/", way_in.ask, name="sign_in_second_factor"),
        path("second-factor/question/", passkey_question, name="passkey_question"),
        path("second-factor/", wrap(mine), name="second_factor"),
        path("second-factor/app/", wrap(app), name="second_factor_app"),
        path("second-factor/app/qr.svg", wrap(qr_code), name="second_factor_qr"),
        path("second-factor/passkey/", wrap(new_passkey), name="second_factor_new_passkey"),
    ]


def page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """Render a page that nobody keeps."""
    shown = {**admin.site.each_context(request), "title": title, **context}
    answer = render(request, f"pushadmin/{template}.html", shown)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def mine(request: HttpRequest) -> HttpResponse:
    """Show what one has; rename and remove it, make new recovery codes."""
    if request.method == "POST":
        return _change(request)
    rows = second_factor.factors(request.user)
    return page(
        request,
        "second_factor",
        _("Second factor"),
        factors=rows,
        has_app=any(row.type == second_factor.Type.TOTP for row in rows),
        codes_left=second_factor.codes_left(request.user),
        required=second_factor.required(request.user),
        passkeys_work=request.is_secure() or request.get_host().partition(":")[0] in HERE_ONLY,
    )


def _change(request: HttpRequest) -> HttpResponse:
    wish = request.POST.get("wish", "")
    number = request.POST.get("factor", "")
    pk = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
    if wish == "codes" and second_factor.has(request.user):
        return _codes(request, second_factor.new_codes(request.user))
    if wish == "rename" and passkeys.rename(request.user, pk, request.POST.get("name", "")):
        messages.success(request, _("Renamed."))
    elif wish == "remove" and second_factor.remove(request.user, pk):
        messages.success(request, _("Removed."))
    return redirect(MINE)


def _codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    if not codes:
        return redirect(MINE)
    return page(request, "recovery_codes", _("Recovery codes"), codes=codes)


def app(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator app: show the secret, and take a code that proves it arrived."""
    secret = second_factor.new_secret(request)
    wrong = False
    if request.method == "POST" and (code := request.POST.get("code")):
        if second_factor.confirm_secret(request, code):
            return _added(request, _("The authenticator app is set up."))
        wrong = True
    spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return page(request, "second_factor_app", _("Authenticator app"), secret=spaced, wrong=wrong)


@require_safe
def qr_code(request: HttpRequest) -> HttpResponse:
    """Return the secret that is being set up as a picture."""
    picture = second_factor.qr_code(request)
    if picture is None:
        raise Http404
    return HttpResponse(picture, content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@only_post(MINE)
def new_passkey(request: HttpRequest) -> HttpResponse:
    """Keep the passkey that the browser made."""
    refusal = passkeys.add(request, request.POST.get("name", ""), request.POST.get("passkey", ""))
    if refusal:
        messages.error(request, refusal)
        return redirect(MINE)
    return _added(request, _("The passkey is added."))


def _added(request: HttpRequest, told: str) -> HttpResponse:
    """Go on after something was added: it was shown just now, so it is the freshest proof there is."""
    step_up.proved(request, step_up.BY_FACTOR)
    messages.success(request, told)
    return _codes(request, second_factor.first_codes(request.user))


@only_post(MINE)
@never_cache
def passkey_question(request: HttpRequest) -> HttpResponse:
    """Return what passkey.js asks the browser: for a passkey that is there, or, who may add one, for a new one."""
    wish, signed_in = request.POST.get("wish"), admin.site.has_permission(request)
    if wish == "add" and signed_in and step_up.stepped_up(request):
        return JsonResponse(passkeys.to_add(request))
    user: Any = way_in.waiting(request) if wish == "enter" else request.user if wish == "prove" and signed_in else None
    if user is None:
        return JsonResponse({}, status=403)
    return JsonResponse(passkeys.to_prove(request, user))
