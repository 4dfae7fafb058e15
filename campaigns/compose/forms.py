"""The form of a draft: whom, when and under which rules. What is said is campaigns/compose/composing.py's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns.compose.wallclock import NoSuchTime, moment
from campaigns.models import Campaign
from devices.common import clock, zones
from devices.models import App, Segment

NOW, LATER = "now", "later"
READ_HERE = ("send_at", "expires_after")  # columns that this form makes of what it asks for in people's words


class CampaignForm(forms.ModelForm):
    """Whom, when and how carefully. ``send_at`` is read as a wall-clock time in ``time_zone``."""

    when = forms.ChoiceField(
        label=_("When"),
        choices=[(NOW, _("As soon as I press “Send”")), (LATER, _("At a time"))],
        widget=forms.RadioSelect,
        initial=NOW,
        required=False,
    )
    wall = forms.DateTimeField(
        label=_("Date and time"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Write the time as 2026-03-29T14:30.")},
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=zones.CHOICES)
    hours = forms.IntegerField(
        label=_("Give up after"),
        min_value=1,
        max_value=24 * 14,
        initial=24,
        help_text=_("Hours from the start. Devices that cannot be reached are tried again until then."),
        error_messages={"min_value": _("At least one hour."), "max_value": _("At most 336 hours: two weeks.")},
    )

    class Meta:
        model = Campaign
        fields = tuple(name for name in Campaign.CONTENT if name not in READ_HERE)
        labels = {
            "app": _("App"),
            "name": _("Name"),
            "segment": _("Audience"),
            "never_twice": _("Never twice"),
            "per_minute": _("Pace"),
        }
        help_texts = {
            "name": _("For the list of campaigns. Devices never see it."),
            "never_twice": _(
                "If it cannot be known whether a phone got the message, leave it alone and list it as “not known”."
                " Otherwise it is sent once more, and marked."
            ),
            "per_minute": _("Pushes a minute at most; empty: as fast as the service takes them."),
        }

    def __init__(self, *args: Any, typed: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """``typed`` is a posted form that is shown again without being judged."""
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        segment: Any = self.fields["segment"]
        segment.empty_label = _("All devices of the App")
        segment.queryset = Segment.objects.select_related("app").order_by("app__name", "name")
        segment.label_from_instance = lambda row: f"{row.app}: {row.name}"
        self.fields["per_minute"].min_value = 1  # type: ignore[attr-defined]  # an IntegerField
        if self.instance.pk:
            self._show_stored()
        else:
            self.fields["name"].widget.attrs["autofocus"] = True
            self._choose_the_only_app()
        if typed is not None:
            self.initial = {name: typed.get(name) for name in self.fields}

    def _choose_the_only_app(self) -> None:
        """Choose the App where there is but one; of several a person chooses, for theirs are the devices."""
        first_two = App.objects.order_by("pk")[:2]
        if len(first_two) == 1:
            self.initial.setdefault("app", first_two[0].pk)
            self.initial.setdefault("time_zone", first_two[0].time_zone)

    def _show_stored(self) -> None:
        if self.instance.expires_after:
            self.initial["hours"] = int(self.instance.expires_after.total_seconds() // 3600)
        if self.instance.send_at:
            self.initial["when"] = LATER
            self.initial["wall"] = self.instance.send_at.astimezone(ZoneInfo(self.instance.time_zone)).replace(
                tzinfo=None
            )

    def clean_per_minute(self) -> int | None:
        """Refuse a pace at which nothing moves."""
        pace: int | None = self.cleaned_data.get("per_minute")
        if pace == 0:
            raise forms.ValidationError(_("At 0 a minute nothing would ever be sent. Leave it empty for full speed."))
        return pace

    def clean(self) -> dict[str, Any]:
        """Look at what belongs together: segment and App, date and zone."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        segment, app = cleaned.get("segment"), cleaned.get("app")
        if segment and app and segment.app_id != app.pk:
            self.add_error("segment", _("This segment belongs to another App. Choose one of “%(app)s”.") % {"app": app})
        cleaned["send_at"] = self._send_at(cleaned)
        return cleaned

    def _send_at(self, cleaned: dict[str, Any]) -> datetime | None:
        zone, wall = cleaned.get("time_zone"), cleaned.get("wall")
        if cleaned.get("when") != LATER or "wall" in self.errors or not zone:
            return None
        if wall is None:
            self.add_error("wall", _("When? Choose a date and a time, or send as soon as you press “Send”."))
            return None
        try:
            at = moment(wall.replace(tzinfo=None), zone)
        except NoSuchTime as refusal:
            self.add_error("wall", str(refusal))
            return None
        if at <= clock.now():
            self.add_error("wall", _("This time is over. Choose a later one."))
        return at

    def save(self, commit: bool = True) -> Campaign:
        """Put what was read into the campaign."""
        campaign: Campaign = super().save(commit=False)
        campaign.send_at = self.cleaned_data["send_at"]
        campaign.expires_after = timedelta(hours=self.cleaned_data["hours"])
        if commit:
            campaign.save(update_fields=Campaign.CONTENT if campaign.pk else None)
        return campaign
