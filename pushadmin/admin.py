"""The team: who may sign in, and what they may do.

Nobody chooses a password for somebody else: a superuser makes a one-time link, its owner chooses.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from devices.common.lists import ListedAdmin
from pushadmin import links, roles, second_factor
from pushadmin.templatetags.pushadmin_tags import ago, status

admin.site.unregister([User, Group])
VERBS = {
    "view": gettext_lazy("see"),
    "add": gettext_lazy("create"),
    "change": gettext_lazy("edit"),
    "delete": gettext_lazy("delete"),
    "send": gettext_lazy("send, pause and cancel"),
    "export": gettext_lazy("take away as a file"),
}


class BySuperusers(ListedAdmin):
    """Seen with the permission, changed by superusers alone: who edits users or groups could take everything."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether this is a superuser."""
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this is a superuser."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether this is a superuser; nobody deletes themselves."""
        return self.has_add_permission(request) and obj != request.user

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Show choices as boxes to tick, without buttons to create more of them."""
        if db_field.many_to_many:
            kwargs["widget"] = forms.CheckboxSelectMultiple()
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Offer one way to save."""
        one_way = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, {**one_way, **(extra_context or {})})


class PersonForm(forms.ModelForm):
    """A person, without a password."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: ClassVar[dict[str, Any]] = {"username": UsernameField}
        labels: ClassVar[dict[str, Any]] = {
            "username": gettext_lazy("User name"),
            "is_superuser": gettext_lazy("May do everything, and change the team"),
            "is_active": gettext_lazy("May sign in"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "username": gettext_lazy("Letters, digits and @ . + - _"),
            "groups": "",
            "is_superuser": "",
            "is_active": gettext_lazy("Switch people off instead of deleting them: history keeps their names."),
        }

    def clean_username(self) -> str:
        """Return the name; two that differ in case alone would be mistaken for each other."""
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Somebody has this name already."))
        return name


@admin.register(User)
class TeamAdmin(BySuperusers, UserAdmin):
    """People who use the dashboard."""

    list_display = ("person", "access", "way_in", "state", "seen")
    list_filter = ()
    filter_horizontal = ()
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = gettext_lazy("Name or e-mail address")
    form = add_form = PersonForm
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        (_("Access"), {"fields": ("groups", "is_superuser", "is_active")}),
    )
    add_fieldsets = fieldsets
    add_form_template = None
    change_form_template = "pushadmin/person.html"

    @admin.display(description=gettext_lazy("person"), ordering="username")
    def person(self, user: User) -> SafeString:
        """Return user name and full name."""
        return format_html("{}<br><span class='small muted'>{}</span>", user.username, user.get_full_name())

    @admin.display(description=gettext_lazy("may"))
    def access(self, user: User) -> str:
        """Return what the person may do, by the names of the groups."""
        if user.is_superuser:
            return _("Everything")
        return ", ".join(group.name for group in user.groups.all()) or _("Nothing yet")

    @admin.display(description=gettext_lazy("signs in with"))
    def way_in(self, user: User) -> str:
        """Return whether there is a password, and more."""
        way = _("Password") if user.has_usable_password() else _("One-time link only")
        return _("%(way)s and second factor") % {"way": way} if getattr(user, "has_factor", False) else way

    @admin.display(description=gettext_lazy("state"), ordering="is_active")
    def state(self, user: User) -> SafeString:
        """Return whether the person may sign in."""
        return status("active") if user.is_active else status("cancelled", _("Switched off"))

    @admin.display(description=gettext_lazy("last sign-in"), ordering="last_login")
    def seen(self, user: User) -> str:
        """Return how long ago."""
        return ago(user.last_login) or _("Never")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read the groups of all in one query, and whether there is a second factor with the people themselves."""
        people: QuerySet[User] = super().get_queryset(request).annotate(has_factor=second_factor.exists())
        return people.prefetch_related(Prefetch("groups", Group.objects.order_by("name")))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Keep superusers from locking themselves out."""
        return ("is_superuser", "is_active") if obj and obj == request.user else ()

    def get_urls(self) -> list[URLPattern]:
        """Add the page of the link; leave out the one that sets another person's password."""
        kept = [pattern for pattern in super().get_urls() if pattern.name != "auth_user_password_change"]
        link = path("<int:pk>/link/", self.admin_site.admin_view(self.link_view), name="auth_user_link")
        reset = path(
            "<int:pk>/second-factor/",
            self.admin_site.admin_view(self.second_factor_view),
            name="auth_user_second_factor",
        )
        return [link, reset, *kept]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save; who is on the team may sign in here, and a new person has no password."""
        obj.is_staff = True
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the page that makes the person's first link."""
        return redirect("admin:auth_user_link", obj.pk)

    @method_decorator(never_cache)
    def link_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a one-time sign-in link on POST, and say so in the person's history."""
        person = get_object_or_404(User, pk=pk)
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "title": _("One-time sign-in link"), "person": person}
        if request.method == "POST" and person.is_active and person.is_staff:
            context["link"] = request.build_absolute_uri(links.path_for(person))
            self.log_change(request, person, _("Made a one-time sign-in link."))
        return render(request, "pushadmin/person_link.html", context)

    @method_decorator(never_cache)
    def second_factor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what somebody's second factor is; on POST remove it, and say so in the person's history."""
        person = get_object_or_404(User, pk=pk)
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        if person == request.user:
            return redirect("admin:second_factor")
        if request.method == "POST":
            removed = second_factor.reset(person, request.user)
            told = _("Removed: %(what)s.") % {"what": ", ".join(removed)} if removed else _("There was nothing.")
            messages.success(request, told)
            return redirect("admin:auth_user_second_factor", person.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Second factor"),
            "person": person,
            "names": [second_factor.name_of(row) for row in second_factor.factors(person)],
            "required": second_factor.required(person),
        }
        return render(request, "pushadmin/person_second_factor.html", context)


class PermissionChoices(forms.ModelMultipleChoiceField):
    """Permissions in plain words."""

    def label_from_instance(self, obj: Any) -> str:
        """Return "Campaigns: edit" for change_campaign."""
        verb = obj.codename.partition("_")[0]
        model = obj.content_type.model_class()
        things = str(model._meta.verbose_name_plural).capitalize()
        return _("%(things)s: %(verb)s") % {"things": things, "verb": VERBS.get(verb, verb)}


@admin.register(Group)
class GroupAdmin(BySuperusers):
    """What several people may do."""

    list_display = ("name", "members")
    ordering = ("name",)

    @admin.display(description=gettext_lazy("members"), ordering="people")
    def members(self, group: Any) -> int:
        """Return how many people are in it."""
        return int(group.people)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the members in the same query."""
        counted: QuerySet[Any] = super().get_queryset(request).annotate(people=Count("user"))
        return counted

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the permissions that some page asks for."""
        return PermissionChoices(roles.permissions(), label=_("Members may"), required=False, widget=kwargs["widget"])
