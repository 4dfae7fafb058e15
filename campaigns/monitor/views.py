"""The pages of a campaign once it is written: watch, look up, act. A GET never changes anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_safe

from campaigns import control
from campaigns.compose import release
from campaigns.compose.composing import Composition
from campaigns.compose.views import compose
from campaigns.control import NotReady
from campaigns.models import Campaign, MoveRefused
from campaigns.monitor import history, reports, stats
from campaigns.pages import PAGE, get_campaign_or_404, goes_to_wall, page, person, require_permission, wall
from campaigns.pipeline import watchdog
from campaigns.pipeline.rendering import message_of
from devices.common import clock
from devices.common.posted import only_post
from devices.push.fields import MessageInvalid
from devices.push.message import Message

Status = Campaign.Status


Step = Callable[[Campaign, Any, timedelta | None], str]
# Hours a campaign may still go on when its end has passed, and how they are called.
ENDS = [
    (1, gettext_lazy("1 hour")),
    (6, gettext_lazy("6 hours")),
    (24, gettext_lazy("24 hours")),
    (72, gettext_lazy("3 days")),
]


@require_safe
def campaign_page(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Show a campaign with its progress."""
    context = {**watched(campaign), "content": content(campaign), "wall": wall() if goes_to_wall(campaign) else ""}
    return page(request, "campaigns/monitor/campaign.html", campaign.name, **context)


def campaign_or_draft(request: HttpRequest, pk: str) -> HttpResponse:
    """Go on composing a draft, if one may; show anything else."""
    require_permission(request, "view")
    row = get_campaign_or_404(pk)
    # A POST to what is no draft any more comes from somebody who still writes: the page keeps what they typed.
    writing = row.status == Status.DRAFT or request.method == "POST"
    if writing and request.user.has_perm("campaigns.change_campaign"):
        return compose(request, row)
    return campaign_page(request, row)


def watched(campaign: Campaign) -> dict[str, Any]:
    """Return what changes while a campaign is sent."""
    progress, now = stats.progress(campaign), clock.now()
    moving = campaign.status in {Status.SCHEDULED, Status.PREPARING, Status.SENDING, Status.PAUSED}
    return {
        "campaign": campaign,
        "progress": progress,
        "parts": stats.by_service(campaign),
        "said": reports.counts(campaign.pk),
        "standstill": stats.standstill(campaign, now),
        "alive": watchdog.workers_alive(now),
        "wants_person": stats.wants_person(campaign, now),
        "time_over": stats.time_over(campaign, now),
        "ends": ENDS,
        "denied": stats.denied(campaign) if moving and progress.denied else 0,
        "holders": stats.holders(campaign),
        "again": stats.repeatable(campaign, progress),
        "doubled": stats.doubled(campaign),
        "moving": moving,
        "watching": moving or progress.in_flight > 0,  # after a cancel, too, pushes come home
    }


def content(campaign: Campaign) -> list[dict[str, Any]]:
    """Return what a campaign says, with the bytes for typical devices."""
    shown = []
    for notification in campaign.notifications.order_by("variant", "language"):
        message: Message | None
        try:
            message = message_of(notification)
        except MessageInvalid:
            message = None
        composition = Composition.stored(notification.message, notification.fields, notification.options)
        wires = composition.sample_wires()
        shown.append({"notification": notification, "message": message, "wires": wires})
    return shown


@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the part of a campaign's page that changes."""
    require_permission(request, "view")
    return render(request, "campaigns/monitor/live.html", watched(get_campaign_or_404(pk)))


def counted(act: Callable[..., int], told: Any) -> Step:
    """Return a step that does ``act`` and says how many devices that were: ``told`` has a plural by "count"."""

    def taken(campaign: Campaign, by: Any, more: timedelta | None) -> str:
        return str(told % {"count": act(campaign, by, more)})

    return taken


def step(act: Callable[..., None], told: Any) -> Step:
    """Return a step that does ``act`` and says ``told``."""

    def taken(campaign: Campaign, by: Any, more: timedelta | None) -> str:
        act(campaign, by, more)
        return str(told)

    return taken


def again(which: str) -> Step:
    """Return the step that sends once more to the ``which`` ("failed" or "unknown")."""
    return counted(
        lambda campaign, by, more: control.send_again(campaign, which),
        ngettext_lazy("Once more to %(count)d device.", "Once more to %(count)d devices.", "count"),
    )


# What ends or holds up a campaign, or leaves somebody out, is done as it was wished, and yet no success.
NO_SUCCESS = {"pause", "cancel", "leave-denied", "parked-give-up"}
VERBS: dict[str, Step] = {
    "start": step(lambda campaign, by, more: release.start_missed(campaign, by), gettext_lazy("On its way.")),
    "pause": step(
        lambda campaign, by, more: control.pause(campaign),
        gettext_lazy("Pausing. What is on the wire comes home and is recorded."),
    ),
    "resume": step(control.resume, gettext_lazy("Going on where it stopped.")),
    "cancel": step(
        lambda campaign, by, more: control.cancel(campaign), gettext_lazy("Cancelled. Nobody else gets it.")
    ),
    "unschedule": step(lambda campaign, by, more: control.unschedule(campaign), gettext_lazy("A draft again.")),
    "again-failed": again("failed"),
    "again-unknown": again("unknown"),
    "leave-denied": counted(
        control.leave_denied,
        ngettext_lazy("Going on without %(count)d device.", "Going on without %(count)d devices.", "count"),
    ),
    "parked-again": counted(
        lambda campaign, by, more: control.try_parked(campaign, more),
        ngettext_lazy(
            "Trying %(count)d device again, alone.", "Trying %(count)d devices again, one at a time.", "count"
        ),
    ),
    "parked-give-up": counted(
        lambda campaign, by, more: control.give_up_parked(campaign, by),
        ngettext_lazy("Gave up %(count)d device.", "Gave up %(count)d devices.", "count"),
    ),
}


@only_post(PAGE, "pk")
def perform_action(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Pause, resume, cancel, unschedule or send again; the refusal is a sentence on the page."""
    require_permission(request, "send")
    if verb not in VERBS:
        raise Http404
    row = get_campaign_or_404(pk)
    hours = request.POST.get("hours", "")
    more = timedelta(hours=int(hours)) if hours in {str(end) for end, _name in ENDS} else None
    try:
        told = VERBS[verb](row, person(request), more)
        messages.add_message(request, messages.INFO if verb in NO_SUCCESS else messages.SUCCESS, told)
    except (MoveRefused, NotReady) as refusal:
        messages.error(request, str(refusal))
    return redirect(PAGE, row.pk)


@require_safe
def parked(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the devices that were put aside because their push ended the sender, and what a person can do."""
    require_permission(request, "view")
    row = get_campaign_or_404(pk)
    title = _("Parked devices of “%(name)s”") % {"name": row.name}
    return page(request, "campaigns/monitor/parked.html", title, campaign=row, shown=history.parked(row), ends=ENDS)


@require_safe
def deliveries(request: HttpRequest, pk: int) -> HttpResponse:
    """Show single deliveries, filtered, a page at a time."""
    require_permission(request, "view")
    row = get_campaign_or_404(pk)
    wanted = history.Wanted.read(request.GET)
    title = _("Deliveries of “%(name)s”") % {"name": row.name}
    return page(
        request,
        "campaigns/monitor/deliveries.html",
        title,
        campaign=row,
        wanted=wanted,
        shown=history.page_of(row, wanted),
        outcomes=history.OUTCOMES,
    )


@require_safe
def export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Give every delivery as CSV, streamed."""
    require_permission(request, "view")
    require_permission(request, "export")
    return history.as_csv(get_campaign_or_404(pk), history.Wanted.read(request.GET))
