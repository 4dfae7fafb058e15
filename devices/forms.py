"""Forms of Apps, devices and segments. What they check is checked where it belongs, and said beside the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from devices import segments
from devices.common import zones
from devices.models import ApiKey, App, Segment, service_choices
from devices.registration import Registration, RegistrationRefused
from devices.segments import FIELDS, MATCHES, RuleInvalid

ROWS = 6  # conditions that the segment form offers without JavaScript


class AppForm(forms.ModelForm):
    """Name, slug and zone of an App, and above how many devices a send asks again."""

    time_zone = forms.ChoiceField(choices=zones.CHOICES, initial="UTC")

    class Meta:
        model = App
        fields = ("name", "slug", "time_zone", "ask_again_above")
        widgets = {"ask_again_above": forms.NumberInput(attrs={"min": 0})}  # the admin's own cuts five digits off


class KeyForm(forms.ModelForm):
    """A new key of an App."""

    class Meta:
        model = ApiKey
        fields = ("name",)
        help_texts = {"name": _("Where it will be used, so that you know it again.")}


class DeviceForm(forms.Form):
    """A device by hand, by the same path as the API."""

    app = forms.ModelChoiceField(App.objects.all(), label=_("App"))
    service = forms.ChoiceField(label=_("Push service"), choices=service_choices)
    address = forms.CharField(label=_("Address"), help_text=_("Channel URI, endpoint or token."), max_length=4096)
    installation = forms.CharField(label=_("Installation"), required=False, help_text=_("The app's own id."))
    language = forms.CharField(label=_("Language"), required=False, help_text=_("For example de-AT."))
    time_zone = forms.CharField(label=_("Time zone"), required=False, help_text=_("For example Europe/Vienna."))
    os_version = forms.CharField(label=_("OS version"), required=False)
    app_version = forms.CharField(label=_("App version"), required=False)
    model = forms.CharField(label=_("Model"), required=False)
    tags = forms.CharField(label=_("Tags"), required=False, help_text=_("Separated by commas."))

    def clean(self) -> dict[str, Any]:
        """Read the registration; ``cleaned_data["registration"]`` is what came of it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: value for name, value in cleaned.items() if value and name not in {"app", "tags"}}
        given["tags"] = [tag.strip() for tag in cleaned.get("tags", "").split(",") if tag.strip()]
        try:
            cleaned["registration"] = Registration.read(given)
        except RegistrationRefused as refusal:
            for name, sentence in refusal.problems.items():
                if name not in self.errors:
                    self.add_error(name if name in self.fields else None, sentence)
        return cleaned


class ImportForm(forms.Form):
    """A list of devices for an App."""

    app = forms.ModelChoiceField(App.objects.all(), label=_("App"))
    file = forms.FileField(label=_("List"), help_text=_("CSV, or JSON for browsers. UTF-8."))


@dataclass(frozen=True, slots=True)
class Row:
    """One condition in the segment form, as typed."""

    number: int
    field: str = ""
    op: str = ""
    value: str = ""

    @property
    def choice(self) -> str:
        """Field and comparison as one choice: "language:is"."""
        return f"{self.field}:{self.op}" if self.field else ""


def choices() -> list[tuple[str, str, str]]:
    """Return what a condition can be: ("language:is", "language is", hint)."""
    return [
        (f"{name}:{op_name}", f"{field.label} {op.label}", field.hint)
        for name, field in FIELDS.items()
        for op_name, op in field.ops.items()
    ]


class SegmentForm(forms.ModelForm):
    """A rule in plain words: rows of "field comparison value", and how they go together."""

    match = forms.ChoiceField(label=_("Devices for which"), choices=list(MATCHES.items()))

    class Meta:
        model = Segment
        fields = ("app", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        rule = self.instance.rule or {}
        self.initial.setdefault("match", rule.get("match", "all"))
        self.nested = any("conditions" in row for row in rule.get("conditions", ()))
        self.rows = self._typed(self.data) if self.is_bound else self._stored(rule)

    def _stored(self, rule: Mapping[str, Any]) -> list[Row]:
        flat = [row for row in rule.get("conditions", ()) if "field" in row]
        rows = [Row(number, row["field"], row["op"], row["value"]) for number, row in enumerate(flat)]
        return rows + [Row(number) for number in range(len(rows), max(ROWS, len(rows) + 1))]

    def _typed(self, data: Mapping[str, Any]) -> list[Row]:
        numbers = sorted({int(found[1]) for name in data if (found := re.fullmatch(r"c([0-9]{1,3})-choice", name))})
        rows = []
        for number in numbers[: segments.MOST_CONDITIONS]:
            name, _colon, op = str(data.get(f"c{number}-choice", "")).partition(":")
            rows.append(Row(number, name, op, str(data.get(f"c{number}-value", ""))))
        return rows + [Row(number) for number in range(len(rows), ROWS)]

    def rule(self) -> dict[str, Any]:
        """Return the rule that was typed; rows left empty are left out."""
        conditions = [
            {"field": row.field, "op": row.op, "value": row.value}
            for row in self.rows
            if row.field or row.value.strip()
        ]
        return {"match": self.data.get("match", "all"), "conditions": conditions} if conditions else {}

    def clean(self) -> dict[str, Any]:
        """Let the segment itself judge the rule."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            segments.parse(self.rule())
        except RuleInvalid as refusal:
            self.add_error(None, str(refusal))
        return cleaned

    def save(self, commit: bool = True) -> Segment:
        """Store the rule with the segment."""
        self.instance.rule = self.rule()
        saved: Segment = super().save(commit)
        return saved
