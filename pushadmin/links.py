"""One-time sign-in links: the way in for the first person, and for everybody who has no password yet.

A link is valid for settings.PASSWORD_RESET_TIMEOUT seconds and until its owner next signs in: the signature covers
the moment of the last sign-in and the password.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode


class SignInTokens(PasswordResetTokenGenerator):
    """As for a password reset, but with its own salt and with the last sign-in to the microsecond."""

    key_salt = "pushadmin.links.SignInTokens"

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int) -> str:
        last = user.last_login.isoformat() if user.last_login else ""
        return f"{user.pk}|{user.password}|{last}|{timestamp}"


tokens = SignInTokens()


def path_for(user: User) -> str:
    """Return the path of a new link for ``user``."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("admin:sign_in", kwargs={"uid": uid, "token": tokens.make_token(user)})


def owner(uid: str, token: str) -> User | None:
    """Return whose link this is; None when it is foreign, used, too old, or its owner may not sign in."""
    try:
        pk = int(urlsafe_base64_decode(uid))
    except ValueError:
        return None
    user = User.objects.filter(pk=pk, is_active=True, is_staff=True).first() if 0 < pk < 2**63 else None
    return user if user and tokens.check_token(user, token) else None


def use(user: User) -> bool:
    """Use the link up; of two callers at once exactly one gets True."""
    now: datetime = timezone.now()
    used = User.objects.filter(pk=user.pk, last_login=user.last_login).update(last_login=now)
    return bool(used)
