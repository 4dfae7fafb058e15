#!/usr/bin/env python
"""Django's command line for PushAdmin."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.umask(0o077)  # what is kept below var/ is for its owner alone
    if sys.argv[1:2] in (["setup"], ["serve"]):
        os.environ["PUSHADMIN_NEW_KEYS"] = "1"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushadmin.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as refusal:
        sys.exit(str(refusal))
