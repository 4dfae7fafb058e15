"""The pages of a campaign: compose, confirm, watch, look up, act. A GET never changes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from campaigns import control, history, preflight, stats
from campaigns.composing import Composition, sample_wires
from campaigns.control import NotReady
from campaigns.forms import CampaignForm
from campaigns.models import Campaign, MoveRefused, Notification
from campaigns.rendering import message_of
from devices.models import App
from devices.push.message import Message, MessageInvalid

Status = Campaign.Status
LIST = "admin:campaigns_campaign_changelist"
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


@require_safe
def campaign_page(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Show a campaign with its progress."""
    return page(request, "campaigns/campaign.html", campaign.name, **watched(campaign), content=content(campaign))


def campaign(request: HttpRequest, pk: str) -> HttpResponse:
    """Go on composing a draft, if one may; show anything else."""
    need(request, "view")
    row = found(pk)
    # A POST to what is no draft any more comes from somebody who still writes: the page keeps what they typed.
    writing = row.status == Status.DRAFT or request.method == "POST"
    if writing and request.user.has_perm("campaigns.change_campaign"):
        return compose(request, row)
    return campaign_page(request, row)


def watched(campaign: Campaign) -> dict[str, Any]:
    """Return what changes while a campaign is sent."""
    progress = stats.progress(campaign)
    return {
        "campaign": campaign,
        "progress": progress,
        "standstill": stats.standstill(campaign),
        "holders": stats.holders(campaign),
        "again": control.again(campaign, progress),
        "doubled": stats.doubled(campaign),
        "moving": campaign.status in {Status.SCHEDULED, Status.PREPARING, Status.SENDING, Status.PAUSED},
    }


def content(campaign: Campaign) -> list[dict[str, Any]]:
    """Return what a campaign says, with the bytes for typical devices."""
    shown = []
    for notification in campaign.notifications.order_by("language"):
        message: Message | None
        try:
            message = message_of(notification)
        except MessageInvalid:
            message = None
        composition = Composition.stored(notification.message, notification.fields)
        wires = sample_wires(message, composition.service) if message else []
        shown.append({"notification": notification, "message": message, "wires": wires})
    return shown


@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the part of a campaign's page that changes."""
    need(request, "view")
    return render(request, "campaigns/campaign_live.html", watched(found(pk)))


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


def again(which: str) -> Callable[[Campaign, Any], str]:
    """Return the step that sends once more to the ``which`` ("failed" or "unknown")."""

    def step(campaign: Campaign, by: Any) -> str:
        count = control.send_again(campaign, which, by)
        told = ngettext("Once more to %(count)d device.", "Once more to %(count)d devices.", count)
        return told % {"count": count}

    return step


def step(act: Callable[..., None], told: str, *, signed: bool = False) -> Callable[[Campaign, Any], str]:
    """Return a step that does ``act`` and says ``told``."""

    def taken(campaign: Campaign, by: Any) -> str:
        act(campaign, by) if signed else act(campaign)
        return told

    return taken


VERBS: dict[str, Callable[[Campaign, Any], str]] = {
    "pause": step(control.pause, "Pausing. What is on the wire comes home and is recorded."),
    "resume": step(control.resume, "Going on where it stopped.", signed=True),
    "cancel": step(control.cancel, "Cancelled. Nobody else gets it."),
    "unschedule": step(control.unschedule, "A draft again."),
    "again-failed": again("failed"),
    "again-unknown": again("unknown"),
}


@require_POST
def do(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Pause, resume, cancel, unschedule or send again; the refusal is a sentence on the page."""
    need(request, "send")
    if verb not in VERBS:
        raise Http404
    row = found(pk)
    try:
        messages.success(request, VERBS[verb](row, person(request)))
    except (MoveRefused, NotReady) as refusal:
        messages.error(request, str(refusal))
    return redirect(PAGE, row.pk)


@require_POST
def duplicate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a draft with the same content and audience."""
    need(request, "add")
    row = found(pk)
    with transaction.atomic():
        copy = Campaign.objects.create(
            app=row.app,
            name=(_("Copy of %(name)s") % {"name": row.name})[:120],
            segment=row.segment,
            time_zone=row.time_zone,
            expires_after=row.expires_after,
            never_twice=row.never_twice,
            per_minute=row.per_minute,
            created_by=person(request),
        )
        for notification in row.notifications.all():
            Notification.objects.create(
                campaign=copy,
                language=notification.language,
                message=notification.message,
                fields=notification.fields,
            )
    messages.success(request, _("A draft with the same content. Nothing was sent."))
    return redirect(PAGE, copy.pk)


@require_safe
def deliveries(request: HttpRequest, pk: int) -> HttpResponse:
    """Show single deliveries, filtered, a page at a time."""
    need(request, "view")
    row = found(pk)
    wanted = history.Wanted.read(request.GET)
    title = _("Deliveries of “%(name)s”") % {"name": row.name}
    return page(
        request,
        "campaigns/deliveries.html",
        title,
        campaign=row,
        wanted=wanted,
        shown=history.page_of(row, wanted),
        outcomes=history.OUTCOMES,
    )


@require_safe
def export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Give every delivery as CSV, streamed."""
    need(request, "view")
    return history.as_csv(found(pk), history.Wanted.read(request.GET))
