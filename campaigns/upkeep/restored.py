"""A database that went back in time: a backup was restored, and it knows nothing of what was sent since.

What it calls waiting may have gone out already, so nothing goes on without a person. It shows because this machine
keeps beside the database when it last saw it.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Max
from django.utils.translation import gettext as _

from campaigns.models import Campaign, MoveRefused, Worker

logger = logging.getLogger(__name__)

TOLERANCE = timedelta(seconds=30)  # a database that crashed, or a replica that took over, may lack its last moments
Status = Campaign.Status


def beat_file() -> Path:
    """Return where this machine keeps when it last saw the database."""
    return Path(settings.VAR) / "last_beat"


def remember(moment: datetime) -> None:
    """Keep that the database was seen at ``moment``, by its own clock. A full disk is no reason to stop."""
    file = beat_file()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        draft.write_text(moment.isoformat(), encoding="ascii")
        draft.replace(file)


def last_beat() -> datetime | None:
    """Return when this machine last saw the database; None when it never did, or nobody can tell."""
    with suppress(OSError, ValueError):
        return datetime.fromisoformat(beat_file().read_text(encoding="ascii"))
    return None


def went_back() -> datetime | None:
    """Return when the database was last seen, if it knows of nothing that late; None when all is well."""
    told = last_beat()
    if told is None:
        return None
    newest = Worker.objects.aggregate(newest=Max("seen_at"))["newest"]
    return told if newest is None or newest < told - TOLERANCE else None


def hold_everything(told: datetime) -> int:
    """Pause what was being sent and take back what may have gone out by schedule; return how many campaigns those are.

    ``told`` is when the database was last seen before it was restored.
    """
    held = 0
    notice = _("The database was restored: it lacks what happened up to %(told)s UTC. Who got this is not known.")
    because = notice % {"told": f"{told:%d %b %H:%M:%S}"}
    for campaign in Campaign.objects.filter(status__in=[Status.PREPARING, Status.SENDING]):
        with suppress(MoveRefused):
            campaign.move(Status.PAUSED, because=because)
            held += 1
    for campaign in Campaign.objects.filter(status=Status.SCHEDULED, send_at__lte=told):
        with suppress(MoveRefused):
            campaign.move(Status.DRAFT, started_by=None)
            held += 1
    logger.error("The database was restored from a backup made before %s: %d campaigns wait for a person.", told, held)
    return held


def hold_if_restored() -> None:
    """Hold everything if the database went back in time. Before any push leaves, and at every beat."""
    if told := went_back():
        hold_everything(told)
