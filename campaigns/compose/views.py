"""Writing a campaign and sending it: compose, see what it makes, confirm. A GET never changes anything."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from campaigns.compose import fingerprint, preflight, release
from campaigns.compose.composing import Composition
from campaigns.compose.forms import CampaignForm
from campaigns.control import NotReady
from campaigns.models import Campaign, MoveRefused, Notification
from campaigns.pages import CONFIRM, PAGE, get_campaign_or_404, page, person, require_permission
from devices.common.posted import only_post
from devices.models import App

Status = Campaign.Status


def compose(request: HttpRequest, draft: Campaign | None) -> HttpResponse:
    """Write a campaign: new, or a draft. Whatever is wrong stands beside its field, and nothing typed is lost."""
    require_permission(request, "change" if draft else "add")
    posted = request.POST if request.method == "POST" else None
    form = CampaignForm(posted, instance=draft)
    composition = Composition.posted(posted) if posted is not None else stored(draft)
    wish = posted.get("wish", "") if posted is not None else ""
    complain = wish in {"save", "next"}
    if complain and form.is_valid() and composition.message and not composition.errors:
        try:
            campaign = keep(form, composition, request)
        except StaleDraft as changed:
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
        "campaigns/compose/compose.html",
        _("New campaign") if draft is None else draft.name,
        form=form,
        draft=draft,
        composition=composition,
        parts=composition.parts(complain=complain),
        option_parts=composition.option_parts(complain=complain),
        failed=complain,
        wires=composition.sample_wires(),
        apps=App.objects.exists(),
        seen=fingerprint.of_stored(draft.pk) if draft else "",
        choice=preflight.choice(form["app"].value(), form["segment"].value(), composition.slug),
    )


def stored(draft: Campaign | None) -> Composition:
    """Return what a draft says so far."""
    row = draft.notifications.filter(variant="", language="").first() if draft else None
    return Composition.stored(row.message, row.fields, row.options) if row else Composition.new()


class StaleDraft(Exception):
    """Somebody did something with this draft that its writer has not seen. ``str(error)`` is a sentence for them."""


def keep(form: CampaignForm, composition: Composition, request: HttpRequest) -> Campaign:
    """Save a draft with its message; raise StaleDraft when it is not what its writer saw."""
    with transaction.atomic():
        if form.instance.pk:
            now = Campaign.objects.select_for_update().filter(pk=form.instance.pk).first()
            if now is None:
                raise StaleDraft(_("This draft was deleted meanwhile. What you wrote still stands below: copy it."))
            if now.status != Status.DRAFT:
                raise StaleDraft(
                    _("This campaign was sent meanwhile, so what you wrote is not saved. It still stands below.")
                )
            if fingerprint.of_draft(now) != request.POST.get("seen"):
                raise StaleDraft(
                    _(
                        "Somebody else changed this draft meanwhile. What you wrote stands below and is not saved yet:"
                        " save it again to replace theirs."
                    )
                )
        else:
            form.instance.created_by = person(request)
        campaign = form.save()
        Notification.objects.update_or_create(
            campaign=campaign, variant="", language="", defaults=composition.to_store()
        )
    return campaign


@only_post("admin:campaigns_campaign_add")
def compose_live(request: HttpRequest) -> HttpResponse:
    """Return problems, size and preview of what is being typed, as a fragment."""
    require_permission(request, "view")
    composition = Composition.posted(request.POST)
    context = {"composition": composition, "wires": composition.sample_wires()}
    return render(request, "campaigns/compose/live.html", context)


def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what would happen; a POST starts or schedules it. Of two at once one starts it, the other is led to it."""
    require_permission(request, "send")
    row = get_campaign_or_404(pk)
    if request.method != "POST":
        if row.status != Status.DRAFT:
            messages.info(request, already(row))
            return redirect(PAGE, row.pk)
        title = _("Send “%(name)s”?") % {"name": row.name}
        flight = preflight.assess(row)
        return page(
            request, "campaigns/compose/confirm.html", title, campaign=row, flight=flight, seen=fingerprint.of_send(row)
        )
    try:
        messages.success(request, send_off(row.pk, request))
    except MoveRefused as refusal:
        messages.info(request, str(refusal))
    except NotReady as refusal:
        messages.error(request, str(refusal))
        return redirect(CONFIRM, row.pk)
    return redirect(PAGE, row.pk)


@require_safe
def reach(request: HttpRequest) -> HttpResponse:
    """Return whom the chosen App and segment mean, as a fragment."""
    require_permission(request, "view")
    choice = preflight.choice(request.GET.get("app"), request.GET.get("segment"), request.GET.get("message"))
    return render(request, "campaigns/compose/reach.html", {"choice": choice})


def already(campaign: Campaign) -> str:
    """Return the sentence for somebody who comes too late to send it."""
    return _("This campaign is %(status)s already.") % {"status": campaign.get_status_display().lower()}


def send_off(pk: int, request: HttpRequest) -> str:
    """Start or schedule the draft that was confirmed, and return the sentence that says so; raise why not.

    Between the look at it and the start nobody can change it: both are one transaction under its lock, as is saving.
    """
    with transaction.atomic():
        rows = Campaign.objects.select_related("app", "segment").select_for_update(of=("self",))
        row = get_object_or_404(rows, pk=pk)
        if row.status != Status.DRAFT:
            raise MoveRefused(already(row))
        if request.POST.get("seen") != fingerprint.of_send(row):
            raise NotReady(_("This campaign was changed since you looked at it. Please look again."))
        if row.send_at:
            release.schedule(row, person(request), row.send_at)
            return _("Scheduled. It goes out by itself.")
        release.start(row, person(request))
        return _("On its way.")


@only_post(PAGE, "pk")
def duplicate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a draft with the same content and audience."""
    require_permission(request, "add")
    row = get_campaign_or_404(pk)
    with transaction.atomic():
        own = {name: getattr(row, name) for name in Campaign.CONTENT if name != "send_at"}
        own["name"] = (_("Copy of %(name)s") % {"name": row.name})[:120]
        copy = Campaign.objects.create(**own, created_by=person(request))
        for notification in row.notifications.values(*Notification.CONTENT):
            Notification.objects.create(campaign=copy, **notification)
    messages.success(request, _("A draft with the same content. Nothing was sent."))
    return redirect(PAGE, copy.pk)
