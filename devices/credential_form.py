"""The form for what an App shows a push service, built from the service's ``Credentials``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from devices import certificates
from devices.common import clock
from devices.push import vapid
from devices.push.base import PushService
from devices.push.fields import FormField, MessageInvalid, form_fields
from devices.targets import server_refused

# The inputs of a certificate: one file that holds it with its key, and the password of that file.
FILE, PASSWORD = "file", "password"


class CredentialForm(forms.Form):
    """Asks for every field of ``service.credentials``. No secret that is typed or uploaded is ever shown again.

    ``stored`` is what there is already: a key that is made here stays, unless ``renew``.
    """

    def __init__(
        self,
        *args: Any,
        service: PushService,
        stored: Mapping[str, str] | None = None,
        renew: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{"prefix": service.slug, "label_suffix": "", **kwargs})
        if service.credentials is None:
            raise LookupError(service.slug)
        self.shape = service.credentials
        self.asked = form_fields(self.shape)
        self.stored = stored or {}
        self.renew = renew
        for one in self.asked:
            self.fields |= _inputs(one)
            if one.kind == "text" and one.name in self.stored:
                self.initial[one.name] = self.stored[one.name]

    @property
    def makes_key(self) -> bool:
        """Whether a key is made here unless somebody brings one along."""
        return any(one.kind == "signing_key" for one in self.asked)

    def clean(self) -> dict[str, Any]:
        """Build the credentials; ``cleaned_data["columns"]`` are the columns of Credential that come of them."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        columns: dict[str, Any] = {"subject": "", "fingerprint": "", "expires_at": None}
        values = {one.name: cleaned.get(one.name, "") for one in self.asked if one.kind not in ("certificate", "file")}
        values |= {one.name: self._text_in(one.name, cleaned.get(one.name)) for one in self.asked if one.kind == "file"}
        for one in self.asked:
            if one.kind == "signing_key" and not values[one.name]:
                kept = "" if self.renew else self.stored.get(one.name, "")
                values[one.name] = kept or vapid.new_key()
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
                made = self.shape(**values)
            except MessageInvalid as invalid:
                for problem in invalid.problems:
                    name = FILE if self._is_certificate(problem.field) else problem.field
                    self.add_error(name if name in self.fields else None, problem.sentence)
                return cleaned
            if refused := server_refused(made):
                self.add_error(None, refused)
            else:
                values |= {name: getattr(made, name) for name in values}  # as they were read
                told = {name: getattr(made, name, columns[name]) for name in ("subject", "fingerprint")}
                cleaned["columns"] = {**columns, **told, "secret": values}
        return cleaned

    def _is_certificate(self, name: str) -> bool:
        return any(one.name == name and one.kind == "certificate" for one in self.asked)

    def _text_in(self, name: str, upload: UploadedFile | None) -> str:
        """Return the text of an uploaded file, "" without one or when it is none."""
        if upload is None:
            return ""
        try:
            content: bytes = upload.read(certificates.LARGEST + 1)
            if len(content) <= certificates.LARGEST:
                return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        self.add_error(name, _("This is not the file as it was downloaded: it is no text, or too large."))
        return ""


def _inputs(one: FormField) -> dict[str, forms.Field]:
    """Return the inputs that ask for one field."""
    if one.kind == "certificate":
        password = forms.PasswordInput(attrs={"autocomplete": "off"})
        return {
            FILE: forms.FileField(label=one.label, help_text=one.help, required=not one.optional),
            PASSWORD: forms.CharField(label=_("Its password"), required=False, widget=password),
        }
    if one.kind == "signing_key":
        area = forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})
        return {one.name: forms.CharField(label=one.label, help_text=one.help, widget=area, required=False)}
    if one.kind == "file":
        return {one.name: forms.FileField(label=one.label, help_text=one.help, required=not one.optional)}
    widget: forms.Widget = forms.TextInput(attrs={"autocomplete": "off"})
    if one.kind == "secret":
        widget = forms.PasswordInput(attrs={"autocomplete": "off"})
    elif one.kind == "long":
        widget = forms.Textarea(attrs={"rows": 4, "autocomplete": "off"})
    return {one.name: forms.CharField(label=one.label, help_text=one.help, widget=widget, required=not one.optional)}
