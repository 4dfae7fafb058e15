"""A message to one device at once, to see it there. It is kept with its answer, and is no part of any campaign."""

from __future__ import annotations

from uuid import uuid4

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from campaigns.control import NotReady
from campaigns.models import Trial
from campaigns.pipeline.recording import joined
from campaigns.pipeline.rendering import credential_of
from devices import bearer
from devices.common import clock
from devices.models import Device
from devices.push import once
from devices.push.base import Answer, Outcome, PushService, TokenRefused
from devices.push.fields import MessageInvalid
from devices.push.message import Message, Toast
from devices.push.services import find
from devices.registration import retire
from devices.targets import let_through, target_of, trusted


def hello() -> Message:
    """Return what is sent when nothing is written yet."""
    title, text = (
        _("It works"),
        _("This notification came from your own PushAdmin, through the push service of your browser."),
    )
    return Toast(title=title, text=text)


def send(device: Device, message: Message, options: object | None, by: User | None) -> Trial:
    """Send ``message`` to one device and return what came of it; raise NotReady when it cannot be sent.

    One exchange within once.DEADLINE, and one more when our bearer token was not taken: a person waits for it.
    """
    service = find(device.service)
    if message.slug not in service.kinds:
        told = _("%(service)s cannot carry a %(kind)s.")
        raise NotReady(told % {"service": service.label, "kind": message.label.lower()})
    if errors := [problem for problem in service.problems(message, options) if problem.level == "error"]:
        raise NotReady(" ".join(problem.sentence for problem in errors))
    message_id = uuid4()
    answer, authenticated = _exchanged(service, device, message, options, str(message_id))
    verdict = service.interpret(answer, authenticated=authenticated)
    if verdict.stale_credential and _dropped(service, device):
        answer, authenticated = _exchanged(service, device, message, options, str(message_id))
        verdict = service.interpret(answer, authenticated=authenticated)
    known_since = verdict.gone_since or device.seen_at  # one that registered after its address was dead is kept
    if verdict.outcome is Outcome.GONE and device.seen_at <= known_since:
        retire(device, verdict.reason)
    lines = message.lines() or ("", "")
    return Trial.objects.create(
        device=device,
        by=by,
        at=clock.now(),
        message_id=message_id,
        title=(lines[0] or lines[1] or message.label)[:200],
        outcome=verdict.outcome,
        http_status=answer.status or None,
        words=joined(verdict.words),
        reason=verdict.reason[:300],
        milliseconds=answer.milliseconds,
    )


def _dropped(service: PushService, device: Device) -> bool:
    """Give up the bearer token that was not taken; return whether another one may be asked for so soon."""
    mark = bearer.mark_of(service, credential_of(device.app_id, service.slug)[0])
    kept = bearer.held(mark)
    return kept is not None and bearer.drop(mark, kept.value, clock.now())


def _exchanged(
    service: PushService, device: Device, message: Message, options: object | None, message_id: str
) -> tuple[Answer, bool]:
    """Push to one device; return the answer, and whether the request showed who we are."""
    credential, missing = credential_of(device.app_id, service.slug)
    if missing:
        raise NotReady(missing)
    allow = let_through()
    try:
        address = service.clean_address(device.address, extra_hosts=allow)
        target = target_of(address, device.os_rank, device.keys)
        token = bearer.obtain(service, credential)
        payload = service.encode(message, service.variant(target), options)
        request = service.build(target, payload, message_id, credential, token)
    except (TokenRefused, bearer.TokenAway, MessageInvalid, ValueError) as refusal:
        raise NotReady(str(refusal)) from refusal
    return once.exchanged(request, allow, trusted()), request.authenticated
