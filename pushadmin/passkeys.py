"""Passkeys: what the browser is asked, and whether its answer is the right one (fido2 beneath django-allauth's mfa).

A browser has passkeys only over https, and on http://localhost. The challenge is in the session until it is answered.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from cryptography.exceptions import UnsupportedAlgorithm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from pushadmin.second_factor import MOST_PASSKEYS, Type, note

# Whatever the library says to an answer that no browser gives, or that was made for another question.
MALFORMED = (
    *(ValidationError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(NotImplementedError, RecursionError, struct.error, UnsupportedAlgorithm),
)
LONGEST = 20_000  # letters of an answer; a browser's has about 1,500


def to_prove(request: HttpRequest, user: Any) -> dict[str, Any]:
    """Return what to ask the browser so that it shows one of this person's passkeys."""
    with context.request_context(request):
        return dict(auth.begin_authentication(user))


def to_add(request: HttpRequest) -> dict[str, Any]:
    """Return what to ask the browser so that it makes a passkey for the person who is signed in."""
    with context.request_context(request):
        return dict(auth.begin_registration(request.user, passwordless=False))


def proves(request: HttpRequest, user: Any, answer: str) -> bool:
    """Return whether the browser's answer shows a passkey of ``user``; the challenge is good for one answer."""
    with context.request_context(request):
        try:
            row = auth.complete_authentication(user, _read(answer))
        except MALFORMED:
            return False
        finally:
            auth.clear_state()
    row.record_usage()
    return True


def add(request: HttpRequest, name: str, answer: str) -> str:
    """Keep the passkey that the browser made; return "" or a sentence that says why not."""
    user: Any = request.user
    rows = Authenticator.objects.filter(user_id=user.pk, type=Type.WEBAUTHN)
    if rows.count() >= MOST_PASSKEYS:
        return _("%(most)d passkeys are enough. Remove one first.") % {"most": MOST_PASSKEYS}
    name = name.strip()[:60] or _("Passkey %(number)d") % {"number": rows.count() + 1}
    with context.request_context(request):
        try:
            credential = _read(answer)
            auth.complete_registration(credential)
        except MALFORMED:
            return _("The browser's answer came too late or for another question. Try once more.")
        finally:
            auth.clear_state()
        auth.WebAuthn.add(user, name, credential)
    note(user, user, _("Added passkey “%(name)s”.") % {"name": name})
    return ""


def rename(user: Any, pk: int, name: str) -> bool:
    """Give a passkey another name; return whether it was there."""
    row = Authenticator.objects.filter(pk=pk, user_id=user.pk, type=Type.WEBAUTHN).first()
    name = name.strip()[:60]
    if row is None or not name:
        return False
    row.data["name"] = name
    row.save(update_fields=["data"])
    return True


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST:
        raise ValueError("too long")
    read = json.loads(answer)
    if not isinstance(read, dict):
        raise TypeError("no object")
    return read
