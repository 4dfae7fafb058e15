"""Writing a campaign and sending it: compose, see what it makes, confirm. A GET never changes anything."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns import control, preflight
from campaigns.composing import Composition, sample_wires
from campaigns.control import NotReady
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, MoveRefused, Notification
from campaigns.pages import CONFIRM, PAGE, found, need, page, person
from devices.models import App
from devices.push.message import Message

Status = Campaign.Status


def compose(request: HttpRequest, draft: Campaign | None) -> HttpResponse:
    """Write a campaign: new, or a draft. Whatever is wrong stands beside its field, and nothing typed is lost."""
    need(request, "change" if draft else "add")
    posted = request.POST if request.method == "POST" else None
    form = CampaignForm(posted, instance=draft)
    composition = Composition.posted(posted) if posted is not None else stored(draft)
    wish = posted.get("wish", "") if posted is not None else ""
    complain = wish in {"save", "next"}
    if complain and form.is_valid() and composition.message and not composition.errors:
        campaign = keep(form, composition.message, request)
        if campaign is None:
            messages.error(
                request, _("This campaign was sent meanwhile, so what you wrote is not saved. It still stands below.")
            )
        elif wish == "next":
            return redirect(CONFIRM, campaign.pk)
        else:
            messages.success(request, _("The draft is saved."))
            return redirect(PAGE, campaign.pk)
    if posted is not None and not complain:
        form = CampaignForm(initial=typed(posted), instance=draft)
    return page(
        request,
        "campaigns/compose.html",
        _("New campaign") if draft is None else draft.name,
        form=form,
        draft=draft,
        composition=composition,
        parts=composition.parts(complain=complain),
        failed=complain,
        wires=sample_wires(composition.message, composition.service) if composition.message else [],
        apps=App.objects.exists(),
    )


def typed(posted: Any) -> dict[str, Any]:
    """Return what was typed into the form, for showing it again without judging it."""
    return {name: posted.get(name) for name in CampaignForm.base_fields if name in posted}


def stored(draft: Campaign | None) -> Composition:
    """Return what a draft says so far."""
    notification = draft.notifications.filter(language="").first() if draft else None
    return Composition.stored(notification.message, notification.fields) if notification else Composition("toast", {})


def keep(form: CampaignForm, message: Message, request: HttpRequest) -> Campaign | None:
    """Save a draft with its message; None when it is no draft any more."""
    with transaction.atomic():
        if form.instance.pk:
            drafts = Campaign.objects.select_for_update().filter(pk=form.instance.pk, status=Status.DRAFT)
            if not drafts.exists():
                return None
        else:
            form.instance.created_by = person(request)
        campaign = form.save()
        Notification.objects.update_or_create(
            campaign=campaign, language="", defaults={"message": message.slug, "fields": message.to_fields()}
        )
    return campaign


@require_POST
def compose_live(request: HttpRequest) -> HttpResponse:
    """Return problems, size and preview of what is being typed, as a fragment."""
    need(request, "view")
    composition = Composition.posted(request.POST)
    wires = sample_wires(composition.message, composition.service) if composition.message else []
    return render(request, "campaigns/compose_live.html", {"composition": composition, "wires": wires})


def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what would happen; a POST starts or schedules it. Of two at once one starts it, the other is led to it."""
    need(request, "send")
    row = found(pk)
    if row.status != Status.DRAFT:
        messages.info(request, _("This campaign is %(status)s already.") % {"status": row.get_status_display().lower()})
        return redirect(PAGE, row.pk)
    if request.method != "POST":
        title = _("Send “%(name)s”?") % {"name": row.name}
        return page(request, "campaigns/confirm.html", title, campaign=row, flight=preflight.look(row))
    try:
        if row.send_at:
            control.schedule(row, person(request), row.send_at)
            messages.success(request, _("Scheduled. It goes out by itself."))
        else:
            control.start(row, person(request))
            messages.success(request, _("On its way."))
    except MoveRefused as refusal:
        messages.info(request, str(refusal))
    except NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect(CONFIRM, row.pk)
    return redirect(PAGE, row.pk)
