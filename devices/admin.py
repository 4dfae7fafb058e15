"""Apps, devices and segments in the dashboard: lists are the admin's, most other pages ours (devices/views.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import PROTECT, BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from devices import exporting, finding, segments, views
from devices.browsers import views as browsers
from devices.common import clock
from devices.common.lists import ListedAdmin
from devices.filters import Connection, Language, Listed, Service, System, Tagged
from devices.forms import AppForm
from devices.models import App, Device, Segment

View = Callable[..., HttpResponseBase]


@admin.register(App)
class AppAdmin(ListedAdmin):
    """Apps with their credentials and keys."""

    form = AppForm
    list_display = ("name", "slug", "time_zone", "made")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    change_form_template = "devices/app.html"
    actions = None
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("Made"), ordering="created_at")
    def made(self, app: App) -> SafeString:
        """Show when it was made."""
        return render_to_string("devices/cell_when.html", {"when": app.created_at})

    def get_urls(self) -> list[URLPattern]:
        """Put our pages before the stock ones."""
        wrap = self.admin_site.admin_view
        pages: dict[str, tuple[str, View]] = {
            "<int:pk>/credentials/<slug:service>/": ("credential", views.credential),
            "<int:pk>/credentials/<slug:service>/try/": ("try_credential", views.try_credential),
            "<int:pk>/keys/": ("new_key", views.new_app_key),
            "<int:pk>/keys/<int:key>/revoke/": ("revoke_key", views.revoke_key),
            "<int:pk>/site/": ("site", browsers.site),
            "<int:pk>/site-worker.js": ("site_worker", browsers.site_worker),
            "<int:pk>/worker.js": ("own_worker", browsers.own_worker),
        }
        ours = [path(route, wrap(view), name=f"devices_app_{name}") for route, (name, view) in pages.items()]
        return [*ours, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the App with its credentials and keys."""
        app = self.get_object(request, object_id)
        more = {**views.app_context(request, app), **browsers.context(request, app)} if app else {}
        more |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def response_post_save_add(self, request: HttpRequest, obj: App) -> HttpResponseRedirect:
        """Lead to the new App: its first key and its certificates are made there."""
        return redirect(views.APP, obj.pk)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[Any], list[Any]]:
        """Tell what goes with an App, and what stands in the way, by numbers: it may be a million devices."""
        going: dict[Any, int] = {}
        in_the_way: list[Any] = []
        for relation in App._meta.related_objects:
            model = relation.field.model
            count = model._base_manager.filter(**{f"{relation.field.name}__in": objs}).count()
            label = f"{count:,} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"
            if count and relation.on_delete is PROTECT:
                in_the_way.append(label)
            elif count:
                going[model._meta.verbose_name_plural] = count
        names = [str(app) for app in objs]
        return [*names, [f"{count:,} {name}" for name, count in going.items()]], going, set(), in_the_way


@admin.register(Device)
class DeviceAdmin(ListedAdmin):
    """Devices and how they can be reached."""

    list_display = ("name", "reachable", "what", "where", "seen")
    list_filter = ("status", Service, "app", "test", Connection, System, Language, Tagged)
    list_per_page = 50
    list_max_show_all = 0
    paginator = Listed
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the devices; ``held`` says whether the push service wants to be left alone for one now."""
        held = ExpressionWrapper(Q(hold_until__gt=clock.now()), BooleanField(null=True))
        # The Apps of the fifty that are shown, afterwards: a join would be of a million, before they are sorted.
        rows: QuerySet[Any] = super().get_queryset(request).annotate(held=held).prefetch_related("app", "contact")
        return rows

    @admin.display(description=_("Can be reached"), ordering="status")
    def reachable(self, device: Device) -> SafeString:
        """Show whether it can be sent to, and the service's last word on its connection."""
        return render_to_string("devices/cell_reachable.html", {"device": device})

    @admin.display(description=_("Phone"), ordering="os_rank")
    def what(self, device: Device) -> SafeString:
        """Show model and OS."""
        return render_to_string("devices/cell_two.html", {"first": device.model, "second": device.os_version})

    @admin.display(description=_("Language and zone"), ordering="language")
    def where(self, device: Device) -> SafeString:
        """Show language and zone."""
        return render_to_string("devices/cell_two.html", {"first": device.language, "second": device.time_zone})

    @admin.display(description=_("Last seen"), ordering="seen_at")
    def seen(self, device: Device) -> SafeString:
        """Show when it last spoke to us."""
        return render_to_string("devices/cell_when.html", {"when": device.seen_at})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by what an index can find: the beginning of the installation, the whole address, id or number."""
        words = search_term.strip().replace("\0", "")
        if not words:
            return queryset, False
        apps = App.objects.values_list("pk", flat=True)
        return queryset.filter(finding.meant_by(words, apps)), False

    def get_urls(self) -> list[URLPattern]:
        """Put our pages before the stock ones."""
        wrap = self.admin_site.admin_view
        pages: dict[str, tuple[str, View]] = {
            "import/": ("import", views.import_devices),
            "export/": ("export", self.export),
            "<int:pk>/do/<slug:verb>/": ("do", views.device_do),
        }
        ours = [path(route, wrap(view), name=f"devices_device_{name}") for route, (name, view) in pages.items()]
        return [*ours, *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Return what the list shows with the same search and filters, as a CSV file."""
        views.require_permission(request, "view_device")
        views.require_permission(request, "export_device")
        try:
            shown = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect("admin:devices_device_changelist")
        answer = StreamingHttpResponse(exporting.lines(shown), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="devices.csv"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Register a device by hand."""
        return views.add_device(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a device."""
        return views.device(request, object_id)


@admin.register(Segment)
class SegmentAdmin(ListedAdmin):
    """Saved rules."""

    list_display = ("name", "app", "words", "changed")
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

    @admin.display(description=_("Changed"), ordering="updated_at")
    def changed(self, segment: Segment) -> SafeString:
        """Show when it was changed last."""
        return render_to_string("devices/cell_when.html", {"when": segment.updated_at})

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
