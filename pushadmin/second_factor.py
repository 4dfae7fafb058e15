"""A person's second factor: an authenticator app (TOTP), passkeys, and the recovery codes for when both are lost.

What is stored and how a code is computed is django-allauth's mfa (docs/decisions.md). Ours: secrets are encrypted with
ENCRYPTION_KEYS, and a code that was used is remembered with the secret, not in a cache that may forget it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.translation import gettext as _

from devices.common import secrets
from devices.common.secrets import SecretUnreadable

Type = Authenticator.Type
FACTORS = (Type.TOTP, Type.WEBAUTHN)
BEING_SET_UP = "second_factor_being_set_up"  # in the session, encrypted: the secret that is being set up
MOST_PASSKEYS = 20
log = logging.getLogger(__name__)


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """What allauth asks us: how secrets are kept, and what we are called in an authenticator app."""

    def encrypt(self, text: str) -> str:
        """Encrypt what allauth stores."""
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return what was stored, or raise SecretUnreadable."""
        return str(secrets.decrypt(encrypted_text))

    def get_totp_issuer(self) -> str:
        """Return the name of this dashboard among others."""
        return f"PushAdmin {self._get_site_name()}"


def factors(user: Any) -> list[Authenticator]:
    """Return the authenticator app and the passkeys of a person, oldest first."""
    return list(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).order_by("pk"))


def has(user: Any) -> bool:
    """Return whether a person has a second factor."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def exists() -> Exists:
    """Return whether there is a second factor, for a query over people."""
    return Exists(Authenticator.objects.filter(user_id=OuterRef("pk"), type__in=FACTORS))


def required(user: Any) -> bool:
    """Return whether a person must have a second factor: SECOND_FACTOR_REQUIRED says who."""
    wanted = set(settings.SECOND_FACTOR_REQUIRED)
    if not wanted:
        return False
    if "everybody" in wanted or (user.is_superuser and "superusers" in wanted):
        return True
    return bool(user.groups.filter(name__in=wanted).exists())


def unknown_groups() -> list[str]:
    """Return what SECOND_FACTOR_REQUIRED names and is no group: one that was renamed would ask nobody any more."""
    names = set(settings.SECOND_FACTOR_REQUIRED) - {"superusers", "everybody"}
    return sorted(names - set(Group.objects.filter(name__in=names).values_list("name", flat=True))) if names else []


def right_code(user: Any, code: str) -> bool:
    """Return whether ``code`` is one of the authenticator app's now or an unused recovery code, and use it up."""
    if not code.strip():
        return False
    try:
        return _right_totp(user, code) or _right_recovery_code(user, code)
    except SecretUnreadable:
        log.warning("The second factor of “%s” cannot be read with this installation's keys.", user)
        return False


def _right_totp(user: Any, code: str) -> bool:
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user_id=user.pk, type=Type.TOTP).first()
        step = _step_of(get_adapter().decrypt(row.data["secret"]), code) if row else None
        if row is None or step is None or step <= row.data.get("used", 0):
            return False
        row.data["used"] = step
        row.save(update_fields=["data"])
        row.record_usage()
        return True


def _step_of(secret: str, code: str) -> int | None:
    """Return in which step of time ``code`` is the right one; None when in none that is near."""
    right = [
        step
        for step in totp.yield_hotp_counters_from_time()
        if totp.compare_user_code(actual=code, expected=totp.format_hotp_value(totp.hotp_value(secret, step)))
    ]
    return max(right, default=None)


def _right_recovery_code(user: Any, code: str) -> bool:
    row = Authenticator.objects.filter(user_id=user.pk, type=Type.RECOVERY_CODES).first()
    if row is None or not RecoveryCodes(row).validate_code(code):
        return False
    row.record_usage()
    return True


def new_secret(request: HttpRequest) -> str:
    """Return the secret that is being set up: one for a session, kept encrypted there until it is confirmed."""
    stored = request.session.get(BEING_SET_UP)
    if stored is None:
        stored = request.session[BEING_SET_UP] = secrets.encrypt(totp.generate_totp_secret())
    return str(secrets.decrypt(stored))


def qr_code(request: HttpRequest) -> bytes | None:
    """Return the secret that is being set up as an SVG to be photographed; None when there is none."""
    stored = request.session.get(BEING_SET_UP)
    if stored is None:
        return None
    with context.request_context(request):
        adapter = get_adapter()
        url = adapter.build_totp_url(request.user, str(secrets.decrypt(stored)))
        return str(adapter.build_totp_svg(url)).encode()


def confirm_secret(request: HttpRequest, code: str) -> bool:
    """Make the secret that is being set up this person's, if ``code`` shows that their app has it."""
    secret = new_secret(request)
    step = _step_of(secret, code)
    if step is None:
        return False
    user: Any = request.user
    Authenticator.objects.update_or_create(
        user_id=user.pk,
        type=Type.TOTP,
        defaults={"data": {"secret": secrets.encrypt(secret), "used": step}},
    )
    del request.session[BEING_SET_UP]
    note(user, user, _("Set up an authenticator app."))
    return True


def first_codes(user: Any) -> list[str]:
    """Return new recovery codes if the person has none yet."""
    there = Authenticator.objects.filter(user_id=user.pk, type=Type.RECOVERY_CODES).exists()
    return [] if there else new_codes(user)


def new_codes(user: Any) -> list[str]:
    """Return new recovery codes; the ones before open nothing any more."""
    with transaction.atomic():
        Authenticator.objects.filter(user_id=user.pk, type=Type.RECOVERY_CODES).delete()
        codes = RecoveryCodes.activate(user).generate_codes()
    note(user, user, _("Made new recovery codes."))
    return list(codes)


def codes_left(user: Any) -> int:
    """Return how many recovery codes are unused."""
    row = Authenticator.objects.filter(user_id=user.pk, type=Type.RECOVERY_CODES).first()
    try:
        return len(RecoveryCodes(row).get_unused_codes()) if row else 0
    except SecretUnreadable:
        return 0


def remove(user: Any, pk: int) -> bool:
    """Remove one factor; with the last one the recovery codes go too. Return whether it was there."""
    with transaction.atomic():
        gone, _models = Authenticator.objects.filter(pk=pk, user_id=user.pk, type__in=FACTORS).delete()
        if not has(user):
            Authenticator.objects.filter(user_id=user.pk).delete()
    if gone:
        note(user, user, _("Removed a part of the second factor."))
    return bool(gone)


def reset(person: User, by: Any) -> list[str]:
    """Remove everything of a person's second factor, say so in their history, and return what it was, in words."""
    with transaction.atomic():
        rows = Authenticator.objects.filter(user_id=person.pk)
        removed = [name_of(row) for row in rows.order_by("pk")]
        rows.delete()
        if removed:
            note(by or person, person, _("Second factor reset: %(what)s.") % {"what": ", ".join(removed)})
    return removed


def encrypt_anew() -> tuple[int, int]:
    """Encrypt every stored secret with the newest key; return how many those are and how many could not be read."""
    done = lost = 0
    for pk in Authenticator.objects.exclude(type=Type.WEBAUTHN).values_list("pk", flat=True):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            for name in {"secret", "seed"} & set(row.data if row else {}):
                try:
                    row.data[name] = secrets.encrypt(secrets.decrypt(row.data[name]))
                except SecretUnreadable:
                    lost += 1
                    continue
                row.save(update_fields=["data"])
                done += 1
    return done, lost


def name_of(row: Authenticator) -> str:
    """Return what people call a factor."""
    if row.type == Type.WEBAUTHN:
        return _("passkey “%(name)s”") % {"name": row.data.get("name", "")}
    return _("authenticator app") if row.type == Type.TOTP else _("recovery codes")


def note(by: Any, person: Any, sentence: str) -> None:
    """Write a sentence into a person's history."""
    LogEntry.objects.log_actions(by.pk, [person], CHANGE, sentence, single_object=True)


def now() -> int:
    """Return the seconds since 1970."""
    return int(time.time())
