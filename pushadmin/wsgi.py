"""WSGI entry point. It starts only what ``manage.py check`` would let start."""

import os

from django.core.wsgi import get_wsgi_application

os.umask(0o077)  # what is kept below var/ is for its owner alone
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushadmin.settings")
application = get_wsgi_application()

from pushadmin.checks import refuse_unsafe  # noqa: E402  # after Django is set up

refuse_unsafe()
