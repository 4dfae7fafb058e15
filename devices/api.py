"""The registration API: what an app on a device calls. Errors are ``{"detail": sentence}`` naming the field.

The body is read by devices.registration, the same that reads an import and the admin's form; the schemas here only tell
the OpenAPI page what it may hold.
"""

from __future__ import annotations

import hmac
import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from ninja import NinjaAPI, Schema, Status
from ninja.errors import AuthenticationError
from ninja.openapi.docs import Swagger
from ninja.security import HttpBearer

from devices import registration
from devices.common import clock
from devices.common.limits import Limit, client_network
from devices.common.secrets import digest
from devices.models import ApiKey, Device
from devices.registration import Registration, RegistrationRefused, Taken

BODY_LIMIT = 16 * 1024  # bytes
PER_ADDRESS = Limit("registration-address", settings.REGISTRATIONS_PER_ADDRESS)
PER_KEY = Limit("registration-key", settings.REGISTRATIONS_PER_KEY)
NO_DEVICE = gettext_lazy("There is no device with this id and secret.")
NOBODY = "-" * 64  # the digest of no secret
TOLD = {  # for errors that come from before or behind the API itself
    400: gettext_lazy("This request cannot be read; the host it names may not be one of this dashboard."),
    404: gettext_lazy("There is nothing at this address. Mind the slash at the end: no address of the API has one."),
    405: gettext_lazy("This address does not take this method; the header Allow names those it takes."),
}
COUNTED = re.compile(r"/api/v1/(devices|browsers)(/|$)")  # reports prove themselves before anything is looked up
USED = timedelta(minutes=1)  # a key's last use is written no more often than this


class Refused(Exception):
    """An answer other than success: status, sentence, and perhaps when to come again."""

    def __init__(self, status: int, sentence: str, retry_after: int = 0) -> None:
        self.status, self.sentence, self.retry_after = status, sentence, retry_after
        super().__init__(sentence)


class Detail(Schema):
    """Why a call was refused."""

    detail: str


class Registered(Schema):
    """The device's id and its new secret, which replaces every earlier one. Keep both: it is never told again."""

    id: uuid.UUID
    secret: str


class DeviceOut(Schema):
    """What we know of the device that shows its secret."""

    id: uuid.UUID
    service: str
    address: str
    installation: str
    language: str
    time_zone: str
    os_version: str
    app_version: str
    model: str
    tags: list[str]
    attributes: dict[str, Any]
    status: str


class RegistrationKey(HttpBearer):
    """``Authorization: Bearer <registration key>``, of an App, with the scope "register"."""

    openapi_name = "registration key"

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """Return the key; None when there is none such, it was revoked or opens something else."""
        keys = ApiKey.objects.select_related("app").filter(revoked_at=None, scope=ApiKey.Scope.REGISTER)
        key = keys.filter(digest=digest(token)).first()
        now = clock.now()
        if key and (key.last_used_at is None or now - key.last_used_at > USED):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return key


class DeviceSecret(HttpBearer):
    """``Authorization: Bearer <device secret>``, of the device in the path."""

    openapi_name = "device secret"

    def authenticate(self, request: HttpRequest, token: str) -> Device | None:
        """Return the device in the path when this is its secret, in a time that tells nothing about how near it was.

        It is looked up by its id: a made-up token costs one row by an index, and a device that never was is answered
        like somebody else's.
        """
        match = request.resolver_match
        device = Device.objects.filter(public_id=match.kwargs["device"]).first() if match else None
        right = hmac.compare_digest(device.secret_digest if device else NOBODY, digest(token))
        return device if right else None


api = NinjaAPI(
    title="PushAdmin registration",
    version="1",
    description="How an app on a device tells where it can be reached.",
    urls_namespace="api-1",
    docs=Swagger({"deepLinking": False}),  # its links would stand inside buttons
)
TEXT = {"type": "string"}
FIELDS_SCHEMA = {
    "service": {"type": "string", "enum": registration.slugs()},
    "address": {"type": "string", "maxLength": 2048, "description": "Channel URI, endpoint or token."},
    "installation": {
        "type": "string",
        "maxLength": 200,
        "description": "The app's own name for this installation. It proves nothing.",
    },
    "language": {"type": "string", "maxLength": 35, "examples": ["de-AT"]},
    "time_zone": {"type": "string", "maxLength": 64, "examples": ["Europe/Vienna"]},
    "os_version": {"type": "string", "maxLength": 40, "examples": ["8.0.10517"]},
    "app_version": {"type": "string", "maxLength": 40},
    "model": {"type": "string", "maxLength": 100},
    "tags": {"type": "array", "maxItems": 50, "items": {"type": "string", "minLength": 1, "maxLength": 60}},
    "attributes": {"type": "object", "maxProperties": 50},
    "keys": {
        "type": "object",
        "maxProperties": 5,
        "additionalProperties": {"type": "string", "maxLength": 500},
        "description": "Secrets that the service made together with the address, where it makes any.",
    },
}


def request_body(schema: dict[str, Any], content: str = "application/json") -> dict[str, Any]:
    """Return the OpenAPI description of a body."""
    return {"requestBody": {"required": True, "content": {content: {"schema": schema}}}}


def body_schema(*required: str) -> dict[str, Any]:
    """Return the OpenAPI description of a registration, or of a change to one."""
    schema = {"type": "object", "properties": FIELDS_SCHEMA, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return request_body(schema)


ERRORS: dict[Any, Any] = dict.fromkeys((400, 401, 404, 413, 415, 422, 429), Detail)


def limited(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count the call against its key or device after it showed who it is."""

    @wraps(view)
    def counted(request: Any, *args: Any, **kwargs: Any) -> Any:
        wait = PER_KEY.exceeded(f"{type(request.auth).__name__} {request.auth.pk}")
        if wait:
            raise Refused(429, _("Too many calls with this key. Come again later."), wait)
        return view(request, *args, **kwargs)

    return counted


@api.post(
    "/devices",
    auth=RegistrationKey(),
    response={200: Registered, 201: Registered, **ERRORS},
    openapi_extra=body_schema("service", "address"),
    summary="Register a device",
)
@limited
def register(request: Any) -> Status[dict[str, Any]]:
    """Register, or bring what is known up to date: 201 for a new device, 200 for a known one."""
    done = registration.register(request.auth.app, Registration.read(body_of(request)))
    return Status(201 if done.created else 200, {"id": done.device.public_id, "secret": done.secret})


@api.get("/devices/{uuid:device}", auth=DeviceSecret(), response={200: DeviceOut, **ERRORS}, summary="Read a device")
@limited
def read(request: Any, device: uuid.UUID) -> dict[str, Any]:
    """Return what the device said of itself."""
    return shown(request.auth)


@api.patch(
    "/devices/{uuid:device}",
    auth=DeviceSecret(),
    response={200: DeviceOut, 409: Detail, **ERRORS},
    openapi_extra=body_schema(),
    summary="Change a device",
)
@limited
def change(request: Any, device: uuid.UUID) -> dict[str, Any]:
    """Change the fields that are mentioned."""
    mine: Device = request.auth
    return shown(registration.change(mine, Registration.read(body_of(request), mine)))


@api.delete("/devices/{uuid:device}", auth=DeviceSecret(), response={204: None, **ERRORS}, summary="Erase a device")
@limited
def erase(request: Any, device: uuid.UUID) -> Status[None]:
    """Erase the device. The history of campaigns keeps its bare number."""
    registration.forget(request.auth)
    return Status(204, None)


def shown(device: Device) -> dict[str, Any]:
    """Return what a device may read of itself."""
    plain = ("service", "address", "installation", "language", "time_zone", "os_version", "app_version", "model")
    tags = list(device.tags.values_list("name", flat=True))
    values = {name: getattr(device, name) for name in (*plain, "attributes", "status")}
    return {**values, "id": device.public_id, "tags": tags}


def too_large() -> Refused:
    """Return the answer to a body that is larger than any registration."""
    return Refused(413, _("The body has more than %(most)d KiB.") % {"most": BODY_LIMIT // 1024})


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object of the body; raise Refused."""
    if request.content_type != "application/json":
        raise Refused(415, _("Send the body as JSON, with Content-Type: application/json."))
    try:
        body = request.body
    except RequestDataTooBig:
        body = b" " * (BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise too_large()
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, _("The body is not JSON.")) from None
    if not isinstance(given, dict):
        raise Refused(422, _("The body must be a JSON object with the fields of a registration."))
    return given


@api.exception_handler(Refused)
def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Answer with the sentence."""
    response = api.create_response(request, {"detail": refusal.sentence}, status=refusal.status)
    if refusal.retry_after:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Answer the same to no key, a wrong key and a key for something else."""
    return refused(request, Refused(401, _("This needs “Authorization: Bearer …” with a key that is valid here.")))


@api.exception_handler(RegistrationRefused)
def registration_refused(request: HttpRequest, refusal: RegistrationRefused) -> HttpResponse:
    """Answer with every problem, each naming its field."""
    return api.create_response(request, {"detail": str(refusal)}, status=422)


@api.exception_handler(Device.DoesNotExist)
def erased(request: HttpRequest, error: Device.DoesNotExist) -> HttpResponse:
    """Answer a device that was erased while it called."""
    return refused(request, Refused(404, str(NO_DEVICE)))


@api.exception_handler(Taken)
def taken(request: HttpRequest, refusal: Taken) -> HttpResponse:
    """Answer that another device has it."""
    return api.create_response(request, {"detail": str(refusal)}, status=409)


class OnlyJson:
    """Middleware: every error of the API is ``{"detail": sentence}``, whoever made it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; say in JSON what came back as a page."""
        response = self.get_response(request)
        kind = response.headers.get("Content-Type", "")
        if request.path.startswith("/api/") and response.status_code >= 400 and not kind.startswith("application/json"):
            told = TOLD.get(response.status_code, HTTPStatus(response.status_code).phrase)
            response.content = json.dumps({"detail": str(told)}).encode()
            response.headers["Content-Type"] = "application/json; charset=utf-8"
        return response


class CallLimit:
    """Middleware: counts every call of the API by its sender's address, before anything is looked up.

    Failed authentication is counted too, and a body that announces more than it may have is not read.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse, or pass the request on."""
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        wait = PER_ADDRESS.exceeded(client_network(request)) if COUNTED.match(request.path) else 0
        if wait:
            return refused(request, Refused(429, _("Too many calls from this address. Come again later."), wait))
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if not announced.isdecimal() or int(announced) > BODY_LIMIT:
            return refused(request, too_large())
        return self.get_response(request)
