"""The one AdminSite: navigation, sign-in with a limit, and the pages that belong to no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext_lazy as _

from devices.common.posted import only_post
from pushadmin import step_up, throttle, views
from pushadmin.forms import SignInForm
from pushadmin.views_second_factor import pages as second_factor_pages

# Whose models get no page. The job engine's show pickled arguments and let anybody with the permission queue a call of
# any function by its name; those of the second factor show what is secret and let it be changed.
OTHERS = {"django_q", "account", "mfa"}


LONGEST_QUERY = 8000  # bytes; our own links have a few hundred, and SQLite fails at a search of 50,000


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: the models it stands for, the first one a person may see being its page."""

    label: Any
    icon: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NavLink:
    """A place as one person sees it. ``current`` is "page" on the page itself, "true" below it."""

    label: Any
    icon: str
    url: str
    current: str


PLACES = (
    Place(_("Campaigns"), "campaigns", ("campaigns.campaign",)),
    Place(_("Segments"), "segments", ("devices.segment",)),
    Place(_("Devices"), "devices", ("devices.device",)),
    Place(_("Apps"), "apps", ("devices.app",)),
    Place(_("Team"), "team", ("auth.user", "auth.group")),
)


class PushAdminSite(admin.AdminSite):
    """django.contrib.admin with our frame. Mounted at the root; its URL namespace stays "admin"."""

    site_title = "PushAdmin"
    site_header = "PushAdmin"
    site_url = None
    enable_nav_sidebar = False
    index_template = "pushadmin/overview.html"
    login_template = "pushadmin/login.html"
    login_form = SignInForm

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models, but not those that others brought."""
        models: Any = [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        kept = [model for model in models if model._meta.app_label not in OTHERS]
        super().register(kept, admin_class, **options)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Put our pages before the stock ones, whose last pattern takes everything."""
        return [
            path("overview/<str:part>/", self.admin_view(views.overview_live), name="overview_live"),
            path("pause-everything/", self.admin_view(views.pause_everything), name="pause_everything"),
            path("sign-in/<str:uid>/<str:token>/", views.sign_in, name="sign_in"),
            path("set-password/", self.admin_view(views.set_password), name="set_password"),
            *second_factor_pages(self.admin_view),
            *super().get_urls(),
        ]

    def admin_view(  # type: ignore[override]  # what comes out is called like what went in
        self, view: Callable[..., Any], cacheable: bool = False
    ) -> Callable[..., Any]:
        """Ask for a sign-in before ``view``, for a proof where step_up.py says so, and keep NULs in a query from it.

        The stock filters hand what they are asked for to the database, and PostgreSQL takes no NUL in a text.
        """

        @wraps(view)
        def view_without_nul(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
                raise BadRequest(_("This address is too long."))
            if "%00" in request.META.get("QUERY_STRING", ""):
                # One slash: a browser takes what follows two for the name of another host.
                return redirect(f"/{request.path.lstrip('/')}")
            return step_up.in_the_way(request) or view(request, *args, **kwargs)

        return super().admin_view(view_without_nul, cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the navigation of this person to what every page knows."""
        return {**super().each_context(request), "navigation": navigation(request)}

    def index(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> TemplateResponse:
        """Show the overview."""
        return views.overview(request)

    def app_index(  # type: ignore[override]  # a redirect is a response too
        self, request: HttpRequest, app_label: str, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the overview: the navigation already lists what there is."""
        return redirect("admin:index")

    def password_change(  # type: ignore[override]  # a redirect is a response too
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the old password, except from those who have none or came by a link."""
        user: Any = request.user
        if views.needs_no_old_password(request) or not user.has_usable_password():
            return redirect("admin:set_password")
        return super().password_change(request, dict(extra_context or {}))

    def login(self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None) -> HttpResponse:
        """Sign in by password; who guesses too often is refused for 15 minutes (pushadmin/throttle.py)."""
        if request.method != "POST":
            return super().login(request, {"title": _("Sign in"), **(extra_context or {})})
        guess = throttle.Guess.of(request)
        if not guess.claim():
            return self._refuse(request)
        context = {
            **self.each_context(request),
            "title": _("Sign in"),
            "app_path": request.get_full_path(),
            **(extra_context or {}),
        }
        sign_in: Any = views.SignIn.as_view(extra_context=context, template_name=self.login_template)
        response: HttpResponse = sign_in(request)
        if response.status_code == 302:
            guess.forget()
        return response

    def logout(  # type: ignore[override]  # a redirect is a response too
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Sign out on POST alone; a GET is led to the overview."""
        return only_post("admin:index")(super().logout)(request, dict(extra_context or {}))

    def _refuse(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.each_context(request),
            "title": _("Sign in"),
            "form": SignInForm(request),
            "app_path": request.get_full_path(),
            "next": request.POST.get("next", ""),
            "refused": _(
                "There were too many wrong passwords for now. Try again in 15 minutes, or use a sign-in link."
            ),
        }
        response = render(request, self.login_template, context, status=429)
        response.headers["Retry-After"] = str(throttle.SECONDS)
        return response


def navigation(request: HttpRequest) -> list[NavLink]:
    """Return the links this person may follow; nobody gets a link that answers 403."""
    if not request.user.is_authenticated:
        return []
    home = reverse("admin:index")
    links = [NavLink(_("Overview"), "overview", home, "page" if request.path == home else "")]
    for place in PLACES:
        urls = [url for model in place.models if (url := _page(request, model))]
        if urls:
            here = [url for url in urls if request.path.startswith(url)]
            current = "" if not here else "page" if request.path in here else "true"
            links.append(NavLink(place.label, place.icon, urls[0], current))
    return links


def _page(request: HttpRequest, model: str) -> str:
    app, name = model.split(".")
    if not (request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}")):
        return ""
    try:
        return reverse(f"admin:{app}_{name}_changelist")
    except NoReverseMatch:  # no page is registered for it
        return ""
