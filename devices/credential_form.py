"""The form for what an App shows a push service, built from the service's ``Credentials``."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from devices import certificates
from devices.common import clock
from devices.push.base import PushService
from devices.push.fields import FormField, form_fields

# The inputs of a certificate: one file that holds it with its key, and the password of that file.
FILE, PASSWORD = "file", "password"


class CredentialForm(forms.Form):
    """Asks for every field of ``service.credentials``. Nothing that is typed or uploaded is ever shown again."""

    def __init__(self, *args: Any, service: PushService, **kwargs: Any) -> None:
        super().__init__(*args, **{"prefix": service.slug, "label_suffix": "", **kwargs})
        if service.credentials is None:
            raise LookupError(service.slug)
        self.shape = service.credentials
        self.asked = form_fields(self.shape)
        for one in self.asked:
            self.fields |= _inputs(one)

    def clean(self) -> dict[str, Any]:
        """Build the credentials; ``cleaned_data["columns"]`` are the columns of Credential that come of them."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        columns: dict[str, Any] = {"subject": "", "fingerprint": "", "expires_at": None}
        values = {one.name: cleaned.get(one.name, "") for one in self.asked if one.kind != "certificate"}
        if FILE in self.fields and (upload := cleaned.get(FILE)):
            try:
                content = upload.read(certificates.LARGEST + 1)
                certificate = certificates.read(content, cleaned.get(PASSWORD, ""), clock.now())
            except certificates.CertificateRefused as refusal:
                self.add_error(FILE, str(refusal))
                return cleaned
            values |= certificate.secret()
            columns = {name: getattr(certificate, name) for name in columns}
        if not self.errors:
            try:
                self.shape(**values)
            except ValueError as refusal:
                self.add_error(None, str(refusal))
            else:
                cleaned["columns"] = {**columns, "secret": values}
        return cleaned


def _inputs(one: FormField) -> dict[str, forms.Field]:
    """Return the inputs that ask for one field."""
    if one.kind == "certificate":
        password = forms.PasswordInput(attrs={"autocomplete": "off"})
        return {
            FILE: forms.FileField(label=one.label, help_text=one.help),
            PASSWORD: forms.CharField(label=_("Its password"), required=False, widget=password),
        }
    widget: forms.Widget = forms.TextInput(attrs={"autocomplete": "off"})
    if one.kind == "secret":
        widget = forms.PasswordInput(attrs={"autocomplete": "off"})
    elif one.kind == "long":
        widget = forms.Textarea(attrs={"rows": 4, "autocomplete": "off"})
    return {one.name: forms.CharField(label=one.label, help_text=one.help, widget=widget)}
