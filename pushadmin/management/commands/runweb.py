"""manage.py runweb: the web server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application
from django.utils.translation import gettext as _

from pushadmin import environment as env
from pushadmin import webserver
from pushadmin.checks import refuse_unsafe


class Command(BaseCommand):
    """Serve pages and the registration API until SIGTERM or Ctrl-C."""

    help = "Run the web server on BIND (127.0.0.1:8000), or on PORT of this machine."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the application, which refuses an unsafe installation, and serve it."""
        host, _colon, port = (env.text("BIND") or f"127.0.0.1:{env.number('PORT', 8000)}").rpartition(":")
        if not host or not port.isdecimal():
            raise CommandError(_("BIND must be an address and a port, for example 0.0.0.0:8000."))
        application = get_wsgi_application()
        try:
            refuse_unsafe()
        except ImproperlyConfigured as refusal:
            raise CommandError(str(refusal)) from None
        # Behind a proxy every connection is the proxy's; it has to count those of each client.
        per_address = 0 if settings.NINJA_NUM_PROXIES else webserver.PER_ADDRESS
        try:
            webserver.serve(application, host, int(port), per_address=per_address)
        except OSError as error:
            raise CommandError(f"{host}:{port}: {error.strerror}.") from error
