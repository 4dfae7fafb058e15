"""What stands around every request: health for machines before all else, and one header Django does not know."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from pushadmin import health

HEALTH = {"/healthz": health.healthz, "/readyz": health.readyz}
# Nothing here needs the first of these; a script that got in should not have them either. The last are passkeys.
NOBODY = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope"),
    *("microphone", "midi", "payment", "usb"),
)
OURSELVES = ("publickey-credentials-create", "publickey-credentials-get")
POLICY = ", ".join([*(f"{feature}=()" for feature in NOBODY), *(f"{feature}=(self)" for feature in OURSELVES)])


class PermissionsPolicy:
    """Add Permissions-Policy to every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on and add the header to what comes back."""
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", POLICY)
        return response


class Health:
    """Answer the two questions of a supervisor whatever name it calls us by: it asks an address, not a host."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or pass the request on."""
        return HEALTH.get(request.path_info, self.get_response)(request)
