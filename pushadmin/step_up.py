"""Proving anew who one is: before acts that could hand the house to somebody who found an open browser.

A proof is the second factor of those who have one; the password of those who have none; a one-time link for those who
have neither. It is remembered in the session alone. GUARDED is the one list of what asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from campaigns.pipeline import planning
from devices import segments
from devices.common.limits import Limit
from devices.segments import RuleInvalid
from pushadmin import passkeys, second_factor

FRESH = 10 * 60  # seconds a proof counts
PROOF = "proof"  # in the session: {"at": seconds since 1970, "by": one of the next three}
BY_FACTOR, BY_PASSWORD, BY_LINK = "factor", "password", "link"
PROOFS = ("proof_code", "proof_password", "proof_passkey")
NOT_CARRIED = {*PROOFS, "proof_carries", "proof_back", "csrfmiddlewaretoken"}
GUESSES = Limit("proof", 5, 15 * 60)
CONFIRMED = (Campaign.Status.SCHEDULED, Campaign.Status.PREPARING)
Asks = Callable[[HttpRequest], bool]


def changing(request: HttpRequest) -> bool:
    """Return whether this request may change something: looking stays free."""
    return request.method not in {"GET", "HEAD", "OPTIONS"}


def always(request: HttpRequest) -> bool:
    """Ask before the page is even shown."""
    return True


def sending_to_many(request: HttpRequest) -> bool:
    """Return whether this request sends to more devices than its App allows without a fresh proof."""
    if not changing(request) or request.resolver_match is None:
        return False
    known = request.resolver_match.kwargs
    row = Campaign.objects.select_related("app", "segment").filter(pk=known["pk"]).first()
    return row is not None and reached(row, known.get("verb", "start")) > row.app.ask_again_above


def changing_an_audience(request: HttpRequest) -> bool:
    """Return whether this request changes whom a campaign reaches that was confirmed and has not begun yet."""
    pk = request.resolver_match.kwargs.get("object_id", "") if request.resolver_match else ""
    if not changing(request) or not pk.isdecimal() or len(pk) > 18:
        return False
    return Campaign.objects.filter(segment=int(pk), status__in=CONFIRMED).exists()


def reached(campaign: Campaign, verb: str) -> int:
    """Return how many devices would be sent to; going on with what was begun is not sending anew."""
    if verb.startswith("again-"):
        which = verb.removeprefix("again-")
        return planning.repeatable(campaign, which).count() if which in {"failed", "unknown"} else 0
    if verb != "start":
        return 0
    try:
        audience = segments.devices(campaign.app, campaign.segment.rule if campaign.segment else {})
    except RuleInvalid:  # the page itself says so
        return 0
    return audience.count()


# Every page that asks for a fresh proof, by the name of its address, and when it asks.
GUARDED: dict[str, Asks] = {
    "devices_app_credential": changing,
    "devices_app_new_key": changing,
    "devices_app_site": changing,
    "devices_app_revoke_key": changing,
    "devices_app_change": changing,  # it holds the threshold
    "devices_app_delete": changing,  # its certificates and keys go too
    "campaigns_campaign_confirm": sending_to_many,
    "campaigns_campaign_do": sending_to_many,
    "devices_segment_change": changing_an_audience,
    "auth_user_add": changing,
    "auth_user_change": changing,
    "auth_user_delete": changing,
    "auth_user_link": changing,
    "auth_user_second_factor": changing,
    "auth_group_add": changing,
    "auth_group_change": changing,
    "auth_group_delete": changing,
    "second_factor": always,
    "second_factor_app": always,
    "second_factor_qr": always,
    "second_factor_new_passkey": always,
}


def proved(request: HttpRequest, by: str) -> None:
    """Remember that this person has just proved who they are."""
    request.session[PROOF] = {"at": second_factor.now(), "by": by}


def stepped_up(request: HttpRequest) -> bool:
    """Return whether there is a fresh proof; who has a second factor has to have shown that."""
    proof = request.session.get(PROOF, {})
    fresh = 0 <= second_factor.now() - proof.get("at", 0) < FRESH
    return fresh and (proof["by"] == BY_FACTOR or not second_factor.has(request.user))


def owes_factor(request: HttpRequest) -> bool:
    """Return whether this session never showed the second factor that its person has, set up elsewhere meanwhile."""
    by = request.session.get(PROOF, {}).get("by")
    return by != BY_FACTOR and second_factor.has(request.user)


def may_wait(request: HttpRequest, name: str) -> bool:
    """Return whether this page opens without a second factor that is required: the way to one, and to a first proof."""
    user: Any = request.user
    return GUARDED.get(name) is always or (name == "set_password" and not user.has_usable_password())


def in_the_way(request: HttpRequest) -> HttpResponse | None:
    """Return what a signed-in person has to do before this page; None when nothing is in the way."""
    name = (request.resolver_match.url_name if request.resolver_match else "") or ""
    if name == "logout":
        return None
    asks = GUARDED.get(name)
    if owes_factor(request):
        why = _("You set up a second factor since you signed in here. Show it, and go on.")
    elif asks is not None and asks(request) and not stepped_up(request):
        why = _("This asks for a fresh proof that it is you; then it goes on.")
    elif not may_wait(request, name) and second_factor.required(request.user) and not second_factor.has(request.user):
        return redirect("admin:second_factor")
    else:
        return _led_back(request)
    refusal = ""
    if any(name in request.POST for name in PROOFS):
        refusal = prove(request, request.user)
        if not refusal:
            return _led_back(request)
    return ask(request, why, refusal)


def ask(request: HttpRequest, why: str, refusal: str) -> HttpResponse:
    """Return the page that asks for a proof. What was sent goes along with it, but for files."""
    back = request.POST.get("proof_back") or (_referrer(request) or reverse("admin:index") if request.FILES else "")
    carries = changing(request) and not back and request.POST.get("proof_carries", "yes") == "yes"
    context = {
        **admin.site.each_context(request),
        **means(request.user),
        "title": _("Is it you?"),
        "why": why,
        "refusal": refusal,
        "carried": _carried(request) if carries else [],
        "carries": "yes" if carries else "no",
        "back": back,
        "action": request.get_full_path(),
        "cancel": _referrer(request) or reverse("admin:index"),
    }
    by_script = request.headers.get("X-Requested-With") == "fetch"  # it wants a fragment, not a page
    status = 429 if refusal == too_many() else 403 if by_script else 200
    answer = render(request, "pushadmin/step_up.html", context, status=status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _led_back(request: HttpRequest) -> HttpResponse | None:
    """Return where a proof leads that came with nothing to be done; None when this request is to be done."""
    if back := request.POST.get("proof_back"):
        messages.info(request, _("Thank you. Choose the file once more: it was not kept."))
        return redirect(back if _ours(request, back) else "admin:index")
    if request.POST.get("proof_carries", "yes") == "yes":
        return None
    return redirect(f"/{request.get_full_path().lstrip('/')}")  # one slash: two would name another host


def _carried(request: HttpRequest) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, values in request.POST.lists() if name not in NOT_CARRIED for value in values]


def _referrer(request: HttpRequest) -> str:
    came_from = request.headers.get("Referer", "")
    return came_from if came_from and _ours(request, came_from) else ""


def _ours(request: HttpRequest, url: str) -> bool:
    return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())


def means(user: Any) -> dict[str, Any]:
    """Return with what this person can prove who they are."""
    rows = second_factor.factors(user)
    types = {row.type for row in rows}
    return {
        "factor": bool(rows),
        "app": second_factor.Type.TOTP in types,
        "passkey": second_factor.Type.WEBAUTHN in types,
        "password": not rows and user.has_usable_password(),
    }


def too_many() -> str:
    """Return the sentence for somebody who guessed too often."""
    return _("Five wrong ones were enough for now. Try again in 15 minutes, or use a passkey if you have one.")


def prove(request: HttpRequest, user: Any) -> str:
    """Look at the proof in this POST; return "" and remember it, or a sentence that says what is wrong.

    Guesses are counted for the person alone: who has the password already could ask from many addresses. A passkey
    cannot be guessed, so nobody who knows a password can keep its owner out.
    """
    if answer := request.POST.get("proof_passkey"):
        if not passkeys.proves(request, user, answer):
            return _("That passkey is none of yours here, or the answer came too late. Try once more.")
        proved(request, BY_FACTOR)
        return ""
    if GUESSES.exceeded(str(user.pk)):
        return too_many()
    if second_factor.has(user):
        right, by = second_factor.right_code(user, request.POST.get("proof_code", "")), BY_FACTOR
    else:
        right, by = user.check_password(request.POST.get("proof_password", "")), BY_PASSWORD
    if not right:
        wrong_code = _("That was not right. A code works once: wait for the next one.")
        return wrong_code if by == BY_FACTOR else _("That is not your password.")
    GUESSES.forget(str(user.pk))
    proved(request, by)
    return ""
