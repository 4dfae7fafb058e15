"""Pages of Apps, devices and segments beside the admin's own. A GET never changes anything."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from devices import importing, registration, segments, tickets, trying
from devices.common import clock
from devices.common.posted import only_post
from devices.common.query import primary_key
from devices.common.secrets import digest, new_key
from devices.credential_form import CredentialForm
from devices.forms import DeviceForm, ImportForm, KeyForm, SegmentForm, choices
from devices.models import ApiKey, App, Credential, Device, Segment
from devices.push.base import PushService
from devices.push.services import all_services, find
from devices.registration import FIELDS
from devices.segments import MOST_CONDITIONS, RuleInvalid

APP = "admin:devices_app_change"
DEVICE = "admin:devices_device_change"


def require_permission(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless the person has ``permission`` in this room ("change_app")."""
    if not request.user.has_perm(f"devices.{permission}"):
        raise PermissionDenied


def page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """Render a page of the dashboard."""
    return render(request, template, {**admin.site.each_context(request), "title": title, **context})


def app_context(request: HttpRequest, app: App) -> dict[str, Any]:
    """Return what the page of an App shows below its form."""
    stored = {row.service: row for row in app.credentials.select_related("updated_by")}
    services = []
    for one in all_services():
        if one.credentials is not None:
            row = stored.get(one.slug)
            form = CredentialForm(service=one, stored=row.secret if row else None)
            bound = one.binds_devices and row is not None  # devices that only these credentials reach
            services.append(
                {"service": one, "credential": row, "form": form, "bound": reached(app, one) if bound else 0}
            )
    return {
        "services": services,
        "keys": app.keys.order_by("revoked_at", "-created_at"),
        "key_form": KeyForm(label_suffix="", auto_id="key_%s"),
        "base": request.build_absolute_uri("/").rstrip("/"),
        "now": clock.now(),
    }


@only_post(APP, "pk")
def credential(request: HttpRequest, pk: int, service: str) -> HttpResponse:
    """Store or remove what an App shows one push service."""
    require_permission(request, "change_app")
    app = get_object_or_404(App, pk=pk)
    wish = request.POST.get("wish")
    row = Credential.objects.filter(app=app, service=service).first()
    try:
        chosen = find(service)
        stored = row.secret if row else None
        form = CredentialForm(request.POST, request.FILES, service=chosen, stored=stored, renew=wish == "renew")
    except LookupError:
        raise Http404 from None
    if wish != "remove" and not form.is_valid():
        for sentences in form.errors.values():
            for sentence in sentences:
                told = _("%(service)s: %(sentence)s")
                messages.error(request, told % {"service": chosen.label, "sentence": sentence})
        return redirect(APP, app.pk)
    after = "" if wish == "remove" else form.cleaned_data["columns"]["fingerprint"]
    # By the fingerprint: it is there also when the secret cannot be read any more.
    lost = reached(app, chosen) if chosen.binds_devices and row and row.fingerprint != after else 0
    if lost and request.POST.get("confirm", "").strip() != app.name:
        told = _(
            "Nothing was changed: %(count)s devices would be lost for good. Type “%(name)s” to do it nevertheless."
        )
        messages.error(request, told % {"count": f"{lost:,}", "name": app.name})
        return redirect(APP, app.pk)
    with transaction.atomic():
        if wish == "remove":
            Credential.objects.filter(app=app, service=chosen.slug).delete()
            told = _("The credentials for %(service)s are removed.") % {"service": chosen.label}
        else:
            by = request.user if isinstance(request.user, User) else None
            columns = {**form.cleaned_data["columns"], "updated_by": by}
            Credential.objects.update_or_create(app=app, service=chosen.slug, defaults=columns)
            told = _("The credentials for %(service)s are stored: %(subject)s.")
            told %= {"service": chosen.label, "subject": columns["subject"] or _("no name in them")}
        if lost:
            lost = registration.retire_all(app, chosen.slug, _("It is bound to credentials that were replaced."))
            told += " " + _("%(count)s devices are retired.") % {"count": f"{lost:,}"}
    messages.success(request, told)
    return redirect(APP, app.pk)


@only_post(APP, "pk")
def try_credential(request: HttpRequest, pk: int, service: str) -> HttpResponse:
    """Ask a push service whether it takes what the App shows it."""
    require_permission(request, "change_app")
    app = get_object_or_404(App, pk=pk)
    try:
        tried = trying.check(app, service)
    except LookupError:
        raise Http404 from None
    told, tell = _("The credentials for %(service)s are taken. %(sentence)s %(words)s"), messages.success
    if tried.taken is None:
        told = _("The credentials for %(service)s could not be checked now. %(sentence)s %(words)s")
        tell = messages.warning
    elif not tried.taken:
        told = _("The credentials for %(service)s are not taken. %(sentence)s %(words)s")
        tell = messages.error
    words = _("Its own words: %(words)s") % {"words": tried.words} if tried.words else ""
    told %= {"service": find(service).label, "sentence": tried.sentence, "words": words}
    tell(request, told.strip())
    return redirect(APP, app.pk)


def reached(app: App, service: PushService) -> int:
    """Return how many devices of an App are reached by a push service."""
    return Device.objects.filter(app=app, service=service.slug, status=Device.Status.ACTIVE).count()


@only_post(APP, "pk")
def new_app_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a key and show it, this once."""
    require_permission(request, "change_app")
    app = get_object_or_404(App, pk=pk)
    form = KeyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Name the key, so that you know it again."))
        return redirect(APP, app.pk)
    key = new_key("pk")
    form.instance.scope = ApiKey.Scope.REGISTER
    form.instance.app, form.instance.digest, form.instance.hint = app, digest(key), key[:8]
    row = form.save()
    service = next(one for one in all_services() if not one.device_keys)  # a call that can be tried as it stands
    context = {
        "app": app,
        "key": key,
        "row": row,
        "base": request.build_absolute_uri("/").rstrip("/"),
        "service": service,
        "address": sample_address(service),
    }
    answer = page(request, "devices/key.html", _("A new key"), **context)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def sample_address(service: PushService) -> str:
    """Return an address to try: at the emulator where there is one, else one that looks like a real one."""
    emulated = service.emulated_address("ok.try-1", settings.EMULATOR) if settings.EMULATOR else ""
    return emulated or service.samples[0].address


@only_post(APP, "pk")
def revoke_key(request: HttpRequest, pk: int, key: int) -> HttpResponse:
    """End a key for good."""
    require_permission(request, "change_app")
    revoked = ApiKey.objects.filter(pk=key, app=pk, revoked_at=None).update(revoked_at=clock.now())
    if revoked:
        messages.success(request, _("The key opens nothing any more."))
    else:
        messages.info(request, _("This key was revoked already."))
    return redirect(APP, pk)


def add_device(request: HttpRequest) -> HttpResponse:
    """Register a device by hand."""
    require_permission(request, "add_device")
    form = DeviceForm(request.POST or None, label_suffix="", initial={"app": App.objects.order_by("pk").last()})
    if request.method == "POST" and form.is_valid():
        done = registration.register_by_hand(form.cleaned_data["app"], form.cleaned_data["registration"])
        told = _("Registered.") if done.created else _("This device was known; it is brought up to date.")
        messages.success(request, told)
        return redirect(DEVICE, done.device.pk)
    return page(request, "devices/add_device.html", _("New device"), form=form)


def device(request: HttpRequest, pk: str) -> HttpResponse:
    """Show whether and how a device can be reached, and everything that was sent to it."""
    require_permission(request, "view_device")
    rows = Device.objects.select_related("app", "contact").prefetch_related("tags")
    row = get_object_or_404(rows, pk=primary_key(pk))
    service = find(row.service)
    now = clock.now()
    held = row.hold_until is not None and row.hold_until > now
    return page(
        request, "devices/device.html", str(row), device=row, service=service, held=held, tags=list(row.tags.all())
    )


@only_post(DEVICE, "pk")
def device_do(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Retire, revive or mark a device, or erase it."""
    require_permission(request, "delete_device" if verb == "erase" else "change_device")
    row = get_object_or_404(Device, pk=pk)
    if verb == "erase":
        registration.forget(row)
        messages.success(request, _("The device is erased. Histories keep its bare number."))
        return redirect("admin:devices_device_changelist")
    done = True
    if verb == "retire":
        done = registration.retire(row, f"Retired by {request.user}.")
        told = _("Retired: nothing is sent to it any more.") if done else _("It was retired already.")
    elif verb == "revive":
        done = registration.revive(row)
        told = _("Nothing is in its way any more.") if done else _("It was not retired.")
    elif verb == "test":
        Device.objects.filter(pk=row.pk).update(test=not row.test)
        told = _("No test device any more.") if row.test else _("A test device now.")
    else:
        raise Http404
    messages.add_message(request, messages.SUCCESS if done else messages.INFO, told)
    return redirect(DEVICE, row.pk)


def import_devices(request: HttpRequest) -> HttpResponse:
    """Take a list of devices; tell what became of every row."""
    require_permission(request, "add_device")
    newest = App.objects.order_by("pk").last()
    form = ImportForm(request.POST or None, request.FILES or None, label_suffix="", initial={"app": newest})
    report = None
    if request.method == "POST" and form.is_valid():
        try:
            report = importing.load(form.cleaned_data["app"], form.cleaned_data["file"].file)
        except importing.FileRefused as refusal:
            form.add_error("file", str(refusal))
    context = {"form": form, "report": report, "columns": importing.COLUMNS, "fields": FIELDS, "ticket": tickets.new()}
    return page(request, "devices/import.html", _("Import devices"), **context)


def segment(request: HttpRequest, pk: str | None) -> HttpResponse:
    """Write a segment: new, or one that is there."""
    row = None
    if pk is not None:
        row = get_object_or_404(Segment, pk=primary_key(pk))
    require_permission(request, "change_segment" if row else "add_segment")
    form = SegmentForm(request.POST or None, instance=row)
    if row is None:
        form.initial.setdefault("app", App.objects.order_by("pk").last())
    if request.method == "POST" and form.nested:
        messages.error(request, _("This segment holds rules within rules, which this form cannot change."))
    elif request.method == "POST" and form.is_valid():
        saved = form.save()
        messages.success(request, _("The segment is saved."))
        return redirect("admin:devices_segment_change", saved.pk)
    counted = count_of(row.app, row.rule) if row else None
    title = row.name if row else _("New segment")
    context = {"form": form, "segment": row, "choices": choices(), "counted": counted, "most": MOST_CONDITIONS}
    return page(request, "devices/segment.html", title, **context)


def count_of(app: App, rule: dict[str, Any]) -> dict[str, Any]:
    """Return how many devices a rule picks and how it reads, or what is wrong with it."""
    try:
        held = Count("hold_until", filter=Q(hold_until__gt=clock.now()))
        counts = segments.devices(app, rule).aggregate(devices=Count("*"), on_hold=held)
        return {**counts, "words": segments.in_words(rule)}
    except RuleInvalid as refusal:
        return {"refusal": str(refusal)}


@only_post("admin:devices_segment_add")
def segment_count(request: HttpRequest) -> HttpResponse:
    """Return the exact count of what is being typed, as a fragment."""
    require_permission(request, "view_segment")
    form = SegmentForm(request.POST)
    app = App.objects.filter(pk=primary_key(request.POST.get("app"))).first()
    counted = count_of(app, form.rule()) if app else {"refusal": _("Choose an App first.")}
    return render(request, "devices/segment_count.html", {"counted": counted})
