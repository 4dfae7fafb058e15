"""Writing a campaign and sending it: compose, see what it makes, confirm. A GET never changes anything."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from campaigns import control, preflight, seal
from campaigns.composing import Composition, sample_wires
from campaigns.control import NotReady
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, MoveRefused, Notification
from campaigns.pages import CONFIRM, PAGE, found, need, page, person
from devices.models import App
from devices.posted import only_post
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
        try:
            campaign = keep(form, composition.message, request)
        except Meanwhile as changed:
            messages.error(request, str(changed))
        else:
            if wish == "next":
                return redirect(CONFIRM, campaign.pk)
            messages.success(request, _("The draft is saved."))
            return redirect(PAGE, campaign.pk)
    if posted is not None and not complain:
        form = CampaignForm(typed=posted, instance=draft)
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
        seen=seal.of_stored(draft.pk) if draft else "",
        choice=preflight.choice(form["app"].value(), form["segment"].value()),
    )


def stored(draft: Campaign | None) -> Composition:
    """Return what a draft says so far."""
    notification = draft.notifications.filter(language="").first() if draft else None
    return Composition.stored(notification.message, notification.fields) if notification else Composition("toast", {})


class Meanwhile(Exception):
    """Somebody did something with this draft that its writer has not seen. ``str(error)`` is a sentence for them."""


def keep(form: CampaignForm, message: Message, request: HttpRequest) -> Campaign:
    """Save a draft with its message; raise Meanwhile when it is not what its writer saw."""
    with transaction.atomic():
        if form.instance.pk:
            now = Campaign.objects.select_for_update().filter(pk=form.instance.pk).first()
            if now is None:
                raise Meanwhile(_("This draft was deleted meanwhile. What you wrote still stands below: copy it."))
            if now.status != Status.DRAFT:
                raise Meanwhile(
                    _("This campaign was sent meanwhile, so what you wrote is not saved. It still stands below.")
                )
            if seal.of_draft(now) != request.POST.get("seen"):
                raise Meanwhile(
                    _(
                        "Somebody else changed this draft meanwhile. What you wrote stands below and is not saved yet:"
                        " save it again to replace theirs."
                    )
                )
        else:
            form.instance.created_by = person(request)
        campaign = form.save()
        Notification.objects.update_or_create(
            campaign=campaign, language="", defaults={"message": message.slug, "fields": message.to_fields()}
        )
    return campaign


@only_post("admin:campaigns_campaign_add")
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
    if request.method != "POST":
        if row.status != Status.DRAFT:
            messages.info(request, already(row))
            return redirect(PAGE, row.pk)
        title = _("Send “%(name)s”?") % {"name": row.name}
        flight = preflight.look(row)
        return page(request, "campaigns/confirm.html", title, campaign=row, flight=flight, seen=seal.of_send(row))
    try:
        messages.success(request, release(row.pk, request))
    except MoveRefused as refusal:
        messages.info(request, str(refusal))
    except NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect(CONFIRM, row.pk)
    return redirect(PAGE, row.pk)


@require_safe
def reach(request: HttpRequest) -> HttpResponse:
    """Return whom the chosen App and segment mean, as a fragment."""
    need(request, "view")
    choice = preflight.choice(request.GET.get("app"), request.GET.get("segment"))
    return render(request, "campaigns/compose_reach.html", {"choice": choice})


def already(campaign: Campaign) -> str:
    """Return the sentence for somebody who comes too late to send it."""
    return _("This campaign is %(status)s already.") % {"status": campaign.get_status_display().lower()}


def release(pk: int, request: HttpRequest) -> str:
    """Start or schedule the draft that was confirmed, and return the sentence that says so; raise why not.

    Between the look at it and the start nobody can change it: both are one transaction under its lock, as is saving.
    """
    with transaction.atomic():
        rows = Campaign.objects.select_related("app", "segment").select_for_update(of=("self",))
        row = get_object_or_404(rows, pk=pk)
        if row.status != Status.DRAFT:
            raise MoveRefused(already(row))
        if request.POST.get("seen") != seal.of_send(row):
            raise NotReady(_("This campaign was changed since you looked at it. Please look again."))
        if row.send_at:
            control.schedule(row, person(request), row.send_at)
            return _("Scheduled. It goes out by itself.")
        control.start(row, person(request))
        return _("On its way.")
