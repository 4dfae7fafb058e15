"""Whether what an App shows a push service is taken, without reaching any device."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from devices import bearer
from devices.models import App, Credential
from devices.push import once
from devices.push.base import Outcome, PushService, TokenRefused
from devices.push.fields import MessageInvalid
from devices.push.services import find
from devices.targets import let_through, server_refused, trusted


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it. ``taken`` is None when nobody could say; ``words`` are the service's own."""

    taken: bool | None
    sentence: str
    words: str = ""


def credentials_of(app: int, service: PushService) -> tuple[object | None, str]:
    """Return what the App shows a service, and why it cannot be shown ("": it can, or there is none)."""
    if service.credentials is None:
        return None, ""
    row = Credential.objects.filter(app=app, service=service.slug).first()
    if row is None:
        return None, service.credentials_needed
    return opened(row, service, service.credentials)


def opened(row: Credential, service: PushService, shape: type) -> tuple[object | None, str]:
    """Return what is stored for a service, as ``shape`` has it, and why it cannot be shown ("": it can)."""
    if row.secret is None:
        told = _(
            "The credential for %(service)s cannot be read with this installation's encryption key. "
            "Upload it again on the App's page, then go on."
        )
        return None, told % {"service": service.label}
    try:
        credentials = shape(**row.secret)
    except MessageInvalid as invalid:  # they were taken by an earlier version
        told = _("The credentials for %(service)s cannot be used: %(why)s Store them again on the App's page.")
        return None, told % {"service": service.label, "why": invalid}
    return credentials, server_refused(credentials)


def check(app: App, slug: str) -> Tried:
    """Ask the push service itself, within two exchanges of a few seconds. LookupError when it cannot be asked."""
    service = find(slug)
    if not service.tries_credentials:
        raise LookupError(slug)
    credentials, missing = credentials_of(app.pk, service)
    if missing:
        return Tried(False, missing)
    try:
        token = bearer.obtain(service, credentials, anew=True)
    except TokenRefused as refusal:
        return Tried(False, str(refusal))
    except bearer.TokenAway as absence:
        return Tried(None, str(absence))
    request = service.trial(credentials, token)
    if request is None:
        return Tried(True, _("A token was given for them."))
    answer = once.exchanged(request, let_through(), trusted())
    verdict = service.tried(answer)
    words = "; ".join(f"{name}: {value}" for name, value in verdict.words)
    undecided = verdict.outcome in {Outcome.RETRY, Outcome.UNKNOWN}
    taken = None if undecided else verdict.outcome is Outcome.ACCEPTED
    return Tried(taken, verdict.reason, f"{answer.status or ''} {words}".strip())
