"""Send to this browser: whoever is signed in subscribes the browser in front of them, and sees what a campaign does."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.compose import trial
from campaigns.compose.composing import Composition
from campaigns.control import NotReady
from campaigns.pages import get_campaign_or_404, person
from campaigns.pipeline.rendering import message_of, options_of
from devices.browsers import subscribing
from devices.browsers.user_agents import model_of
from devices.models import App, Device
from devices.push.fields import MessageInvalid
from devices.push.message import Message
from devices.push.services import find
from devices.registration import RegistrationRefused, Taken


def may_send(user: Any) -> bool:
    """Return whether ``user`` may send to the browser in front of them: its service worker is a page of the App."""
    writes = user.has_perm("campaigns.add_campaign") or user.has_perm("devices.add_device")
    return bool(writes and user.has_perm("devices.view_app"))


def this_browser(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell what subscribing needs (GET); register the browser as a test device of the App and send to it (POST).

    A GET is answered with JSON, a POST with a fragment that says what came of it.
    """
    if not may_send(request.user):
        raise PermissionDenied
    app = get_object_or_404(App, pk=pk)
    if request.method != "POST":
        key = subscribing.public_key(app)
        refusal = "" if key else _("“%(app)s” has no key for browsers yet: it is made on the App's page.")
        worker = reverse("admin:devices_app_own_worker", args=[app.pk])
        return JsonResponse({"applicationKey": key, "worker": worker, "refusal": refusal % {"app": app.name}})
    try:
        message, options = _content(request)
        done = trial.send(_own(request, app), message, options, person(request))
    except (NotReady, RegistrationRefused, Taken, MessageInvalid) as refusal:
        return render(request, "campaigns/compose/trial.html", {"refusal": str(refusal)}, status=422)
    return render(request, "campaigns/compose/trial.html", {"trial": done})


def _own(request: HttpRequest, app: App) -> Device:
    """Register the browser that asks; it is a test device from now on."""
    try:
        said: Any = json.loads(request.POST.get("subscription", ""))
    except (ValueError, RecursionError):
        said = None
    user_agent = request.headers.get("User-Agent", "")
    given = {
        "subscription": said,
        "application_key": request.POST.get("application_key"),
        "installation": _("Browser of %(person)s") % {"person": request.user.get_username()},
        "language": request.POST.get("own_language"),
        "time_zone": request.POST.get("own_time_zone"),
    }
    registration, _former = subscribing.read(app, given, model_of(user_agent))
    device = subscribing.subscribe(app, registration).device
    Device.objects.filter(pk=device.pk).update(test=True)
    return device


def _content(request: HttpRequest) -> tuple[Message, object | None]:
    """Return what is to be shown: what is being written, what a campaign says, or a greeting."""
    service = find(subscribing.SERVICE)
    if pk := request.POST.get("campaign"):
        campaign = get_campaign_or_404(pk)
        if not request.user.has_perm("campaigns.view_campaign"):
            raise PermissionDenied
        row = campaign.notifications.order_by("variant", "language").first()
        if row is None:
            raise NotReady(_("This campaign has no message yet."))
        return message_of(row), options_of(row, service)
    if "message" not in request.POST:
        return trial.hello(), None
    composition = Composition.posted(request.POST)
    if composition.message is None or composition.errors:
        raise NotReady(" ".join(problem.sentence for problem in composition.errors) or _("Nothing is written yet."))
    return composition.message, composition.options(service)
