"""The door for browsers: what the code on a site's pages calls, with the site's publishable key."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Schema, Status
from ninja.security import HttpBearer

from devices.api import ERRORS, FIELDS_SCHEMA, Refused, api, body_of, limited, request_body
from devices.browsers import subscribing
from devices.browsers.user_agents import model_of
from devices.models import Site

TEXT = {"type": "string"}
SUBSCRIPTION = {
    "type": "object",
    "description": "What JSON.stringify makes of the browser's PushSubscription.",
    "properties": {
        "endpoint": {"type": "string", "maxLength": 2048},
        "expirationTime": {"type": ["number", "null"]},
        "keys": {"type": "object", "properties": {"p256dh": TEXT, "auth": TEXT}, "required": ["p256dh", "auth"]},
    },
    "required": ["endpoint", "keys"],
}
FORMER = {
    "type": "object",
    "description": "The subscription that this one takes the place of, and its secret as the proof.",
    "properties": {"endpoint": TEXT, "auth": TEXT},
    "required": ["endpoint", "auth"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "subscription": SUBSCRIPTION,
        "former": FORMER,
        "application_key": {"type": "string", "description": "The key that the browser subscribed with."},
        **{name: FIELDS_SCHEMA[name] for name in subscribing.OWN},
    },
    "additionalProperties": False,
    "required": ["subscription"],
}


class Subscribed(Schema):
    """The id of the browser's device, for the site's own records. It opens nothing."""

    id: uuid.UUID


class PublishableKey(HttpBearer):
    """``Authorization: Bearer <publishable key>``, on a page of an origin that the App names."""

    openapi_name = "publishable key"

    def authenticate(self, request: HttpRequest, token: str) -> Site | None:
        """Return the site; None when there is none with this key. Raises Refused for a foreign origin."""
        site = Site.objects.select_related("app").filter(key=token).first() if "\0" not in token else None
        if site is None:
            return None
        origin = request.headers.get("Origin", "")
        if origin not in {row.origin for row in site.origins.all()}:
            told = _("This key is not for pages of “%(origin)s”. The App's page names the origins it is for.")
            raise Refused(403, told % {"origin": origin[:100] or _("nowhere")})
        return site


@api.post(
    "/browsers",
    auth=PublishableKey(),
    response={200: Subscribed, 201: Subscribed, 403: ERRORS[400], 409: ERRORS[400], **ERRORS},
    openapi_extra=request_body(SCHEMA),
    summary="Subscribe a browser",
)
@limited
def subscribe(request: Any) -> Status[dict[str, Any]]:
    """Register a browser of a visitor, or bring what is known up to date: 201 for a new one, 200 for a known one."""
    model = model_of(request.headers.get("User-Agent", ""))
    registration, former = subscribing.read(request.auth.app, body_of(request), model)
    done = subscribing.subscribe(request.auth.app, registration, former)
    return Status(201 if done.created else 200, {"id": done.device.public_id})


@api.delete(
    "/browsers",
    auth=PublishableKey(),
    response={204: None, 403: ERRORS[400], **ERRORS},
    openapi_extra=request_body(
        {"type": "object", "properties": {"subscription": SUBSCRIPTION}, "required": ["subscription"]}
    ),
    summary="Unsubscribe a browser",
)
@limited
def unsubscribe(request: Any) -> Status[None]:
    """Send nothing more to a browser. The same answer for one that is not known, or not proved by its secret."""
    given = body_of(request).get("subscription")
    subscribing.unsubscribe(request.auth.app, given if isinstance(given, dict) else {})
    return Status(204, None)
