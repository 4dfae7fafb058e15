"""Are the keys here the ones this installation was set up with? Every machine needs the same two.

The database keeps a fingerprint of each key, by which a machine with other ones is found before it serves anything:
its sign-in links would be void on the others, and what it encrypts unreadable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from devices.common.secrets import EncryptedJSONField, SecretUnreadable, decrypt, encrypt
from devices.models import KeyFingerprint


def fingerprint(key: str) -> str:
    """Return eight bytes that tell keys apart and tell nothing of them: a key is 256 random bits and more."""
    return hashlib.sha256(b"pushadmin key\n" + key.encode()).hexdigest()[:16]


def known_here() -> dict[str, list[str]]:
    """Return the keys of this machine by what they are for, the one in use first."""
    return {
        "SECRET_KEY": [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS],
        "ENCRYPTION_KEYS": list(settings.ENCRYPTION_KEYS),
    }


def strangers() -> list[str]:
    """Return a sentence for each key that is not the one this installation was set up with."""
    stored = dict(KeyFingerprint.objects.values_list("name", "fingerprint"))
    found = []
    for name, keys in known_here().items():
        here = [fingerprint(key) for key in keys]
        if name in stored and stored[name] not in here:
            file = {"SECRET_KEY": "secret_key", "ENCRYPTION_KEYS": "encryption_key"}[name]
            told = _(
                "%(name)s of this machine (%(here)s) is not that of this installation (%(stored)s): all its machines "
                "share one. Copy %(file)s from the PUSHADMIN_VAR of the machine that was set up first, or set "
                "%(name)s. If that key is lost: manage.py setup --accept-keys."
            )
            found.append(told % {"name": name, "here": ", ".join(here), "stored": stored[name], "file": file})
    return found


def remember(*names: str) -> None:
    """Keep the fingerprints of the keys in use here under ``names``, and of those that have none yet.

    From now on every machine needs them.
    """
    stored = set(KeyFingerprint.objects.values_list("name", flat=True))
    for name, keys in known_here().items():
        if name in names or name not in stored:
            KeyFingerprint.objects.update_or_create(name=name, defaults={"fingerprint": fingerprint(keys[0])})


def encrypted_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Yield every column that holds secrets, as model and field name."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, EncryptedJSONField):
                yield model, field.name


def encrypt_anew() -> tuple[int, int]:
    """Encrypt every stored secret with the newest key; return how many those are and how many could not be read."""
    done = lost = 0
    for model, column in encrypted_columns():
        rows = model._base_manager.exclude(**{f"{column}__isnull": True})
        for pk in rows.values_list("pk", flat=True).order_by("pk").iterator(chunk_size=1000):
            with transaction.atomic():
                # As text: the field itself would decrypt what it reads.
                raw = Cast(column, models.TextField())
                row = rows.select_for_update().filter(pk=pk).values_list(raw, flat=True).first()
                try:
                    fresh = encrypt(decrypt(row)) if row is not None else None
                except SecretUnreadable:
                    lost += 1
                    continue
                if fresh is not None:
                    rows.filter(pk=pk).update(**{column: models.Value(fresh, models.TextField())})
                    done += 1
    remember("ENCRYPTION_KEYS")
    return done, lost
