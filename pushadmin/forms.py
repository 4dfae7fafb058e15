"""The form of the way in, with sentences for people."""

from __future__ import annotations

from django.contrib.admin.forms import AdminAuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignInForm(AdminAuthenticationForm):
    """User name and password. What was wrong about them is not told: that would tell who is on the team."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": _(
            "This user name and this password do not let you in. Look for capital letters, in both of them."
        ),
    }
