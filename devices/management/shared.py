"""What commands for operators have in common: which App is meant, and files with secrets in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError, OutputWrapper
from django.utils.translation import gettext as _

from devices.models import App


def app_called(slug: str) -> App:
    """Return the App with this slug; raise CommandError, which names those that there are."""
    app = App.objects.filter(slug=slug).first()
    if app is None:
        known = ", ".join(App.objects.values_list("slug", flat=True)) or _("none yet")
        told = _("There is no App “%(slug)s”. There are: %(slugs)s.")
        raise CommandError(told % {"slug": slug, "slugs": known})
    return app


@contextmanager
def private(path: Path | None, stdout: OutputWrapper) -> Iterator[Callable[[str], object]]:
    """Yield what writes lines with secrets: to ``path``, a new file that its owner alone may read, or to ``stdout``.

    A file that is there already stays as it is, whoever may read it (CommandError); one that is left half written by
    an error is taken away.
    """
    if path is None:
        yield stdout.write
        return
    try:
        # O_EXCL follows no symbolic link either.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file.write
    except BaseException:
        path.unlink(missing_ok=True)
        raise
