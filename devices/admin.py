"""Apps, devices and segments in the dashboard: lists are the admin's, most other pages ours (devices/views.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from devices import clock, segments, views
from devices.forms import AppForm
from devices.models import App, Device, Segment
from devices.secrets import digest

View = Callable[..., HttpResponseBase]


@admin.register(App)
class AppAdmin(admin.ModelAdmin):
    """Apps with their credentials and keys."""

    form = AppForm
    list_display = ("name", "slug", "time_zone", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    change_form_template = "devices/app.html"
    actions = None
    show_facets = admin.ShowFacets.NEVER

    def get_urls(self) -> list[URLPattern]:
        """Put our pages before the stock ones."""
        wrap = self.admin_site.admin_view
        pages: dict[str, tuple[str, View]] = {
            "<int:pk>/credentials/<slug:service>/": ("credential", views.credential),
            "<int:pk>/keys/": ("new_key", views.new_app_key),
            "<int:pk>/keys/<int:key>/revoke/": ("revoke_key", views.revoke_key),
        }
        ours = [path(route, wrap(view), name=f"devices_app_{name}") for route, (name, view) in pages.items()]
        return [*ours, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the App with its credentials and keys."""
        app = self.get_object(request, object_id)
        more = views.app_context(request, app) if app else {}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})


class Tagged(admin.SimpleListFilter):
    """Devices by tag; only the first fifty tags are offered, the others are found by a segment."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the tags."""
        names = Device.tags.through.objects.values_list("tag__name", flat=True).distinct().order_by("tag__name")
        return [(name, name) for name in names[:50]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Pick the devices."""
        if not self.value():
            return queryset
        rule = segments.parse({"match": "all", "conditions": [{"field": "tag", "op": "is", "value": self.value()}]})
        return queryset.filter(rule.q())


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin):
    """Devices and how they can be reached."""

    list_display = ("name", "reachable", "what", "where", "seen")
    list_filter = ("status", "service", "app", "test", Tagged)
    list_select_related = ("app",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("installation",)
    search_help_text = _("Installation, address, or the id that the API gave")
    ordering = ("-pk",)
    actions = None
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "devices/device_list.html"

    @admin.display(description=_("Device"), ordering="installation")
    def name(self, device: Device) -> SafeString:
        """Show the installation with its App below."""
        return render_to_string("devices/cell_name.html", {"device": device})

    @admin.display(description=_("Can be reached"), ordering="status")
    def reachable(self, device: Device) -> SafeString:
        """Show whether it can be sent to, and the service's last word on its connection."""
        return render_to_string("devices/cell_reachable.html", {"device": device, "now": clock.now()})

    @admin.display(description=_("Device"), ordering="os_rank")
    def what(self, device: Device) -> str:
        """Show model and OS."""
        return " · ".join(part for part in (device.model, device.os_version) if part) or "–"

    @admin.display(description=_("Language and zone"), ordering="language")
    def where(self, device: Device) -> str:
        """Show language and zone."""
        return " · ".join(part for part in (device.language, device.time_zone) if part) or "–"

    @admin.display(description=_("Last seen"), ordering="seen_at")
    def seen(self, device: Device) -> SafeString:
        """Show when it last spoke to us."""
        return render_to_string("devices/cell_seen.html", {"device": device})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by what an index can find: the beginning of the installation, the whole address or id."""
        words = search_term.strip().replace("\0", "")
        if not words:
            return queryset, False
        means = Q(installation__startswith=words) | Q(address_digest=digest(words))
        plain = words.replace("-", "")
        if len(plain) == 32 and all(letter in "0123456789abcdef" for letter in plain.lower()):
            means |= Q(public_id=plain)
        return queryset.filter(means), False

    def get_urls(self) -> list[URLPattern]:
        """Put our pages before the stock ones."""
        wrap = self.admin_site.admin_view
        pages: dict[str, tuple[str, View]] = {
            "import/": ("import", views.import_devices),
            "<int:pk>/do/<slug:verb>/": ("do", views.device_do),
        }
        ours = [path(route, wrap(view), name=f"devices_device_{name}") for route, (name, view) in pages.items()]
        return [*ours, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Register a device by hand."""
        return views.add_device(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a device."""
        return views.device(request, object_id)


@admin.register(Segment)
class SegmentAdmin(admin.ModelAdmin):
    """Saved rules."""

    list_display = ("name", "app", "words", "updated_at")
    list_filter = ("app",)
    list_select_related = ("app",)
    search_fields = ("name",)
    actions = None
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("Picks"))
    def words(self, segment: Segment) -> str:
        """Say the rule in words."""
        try:
            return segments.in_words(segment.rule)
        except segments.RuleInvalid as refusal:
            return str(refusal)

    def get_urls(self) -> list[URLPattern]:
        """Put our page before the stock ones."""
        wrap = self.admin_site.admin_view
        return [path("count/", wrap(views.segment_count), name="devices_segment_count"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Write a new segment."""
        return views.segment(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Change a segment."""
        return views.segment(request, object_id)
