"""Campaigns in the dashboard: the list is the admin's, every other page is ours (campaigns/urls.py)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaigns import urls
from campaigns.compose.views import compose
from campaigns.models import Campaign
from campaigns.monitor import stats
from campaigns.monitor.views import campaign_or_draft
from devices.common.lists import ListedAdmin


class CampaignList(ChangeList):
    """The list, with the numbers of its rows in one query for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the rows of the page and their numbers."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        numbers = stats.progress_of(rows)
        for row in rows:
            row.numbers = numbers[row.pk]
        self.result_list = rows


@admin.register(Campaign)
class CampaignAdmin(ListedAdmin):
    """What a person sees of campaigns."""

    list_display = ("name_and_app", "state", "audience_", "outcomes", "when")
    list_filter = ("status", "app")
    list_select_related = ("app", "segment", "started_by", "created_by")
    list_per_page = 25
    search_fields = ("name",)
    ordering = ("-pk",)
    actions = None
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("Campaign"), ordering="name")
    def name_and_app(self, campaign: Campaign) -> SafeString:
        """Show the name with its App below."""
        return render_to_string("campaigns/monitor/cell_name.html", {"campaign": campaign})

    @admin.display(description=_("Status"), ordering="status")
    def state(self, campaign: Campaign) -> SafeString:
        """Show the status as icon and word."""
        return render_to_string("campaigns/monitor/cell_status.html", {"campaign": campaign})

    @admin.display(description=_("Audience"))
    def audience_(self, campaign: Campaign) -> SafeString:
        """Show whom it is for and how many that are."""
        return render_to_string("campaigns/monitor/cell_audience.html", {"campaign": campaign})

    @admin.display(description=_("Outcomes"))
    def outcomes(self, campaign: Any) -> SafeString:
        """Show how far it is, and how many failed."""
        return render_to_string(
            "campaigns/monitor/cell_outcomes.html", {"campaign": campaign, "progress": campaign.numbers}
        )

    @admin.display(description=_("When"), ordering="started_at")
    def when(self, campaign: Campaign) -> SafeString:
        """Show when it started or will, and who sent it."""
        return render_to_string("campaigns/monitor/cell_when.html", {"campaign": campaign})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Use the list that knows its numbers."""
        return CampaignList

    def get_urls(self) -> list[URLPattern]:
        """Put our pages before the stock ones."""
        return [*urls.patterns(self.admin_site.admin_view), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Compose a new campaign."""
        return compose(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Go on composing a draft; show anything else with its progress."""
        return campaign_or_draft(request, object_id)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Only a draft can be deleted: what was sent stays on record."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.status == Campaign.Status.DRAFT)
