"""What a device says of a push: ``POST /api/v1/reports``. No key: the report id proves that the push was ours."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _
from ninja import Status

from campaigns.models import Report
from campaigns.monitor import reports
from campaigns.pipeline.reports import NotOurs, read
from devices.api import ERRORS, Refused, api, request_body

LIMIT = 512  # bytes
WORDS = {"shown": Report.Word.SHOWN, "clicked": Report.Word.CLICKED, "dismissed": Report.Word.DISMISSED}
SCHEMA = {
    "type": "object",
    "properties": {
        "report": {"type": "string", "minLength": 43, "maxLength": 43, "description": "As the push brought it."},
        "word": {"type": "string", "enum": list(WORDS)},
        "button": {"type": "integer", "minimum": 0, "maximum": 2, "description": "0: the notification itself."},
    },
    "required": ["report", "word"],
}


@api.post(
    "/reports",
    auth=None,
    response={204: None, 503: ERRORS[400], **ERRORS},
    openapi_extra=request_body(SCHEMA, "text/plain"),
    summary="Tell what became of a push",
)
def report(request: Any) -> Status[None]:
    """Take what a device says, once each: a repetition changes nothing. The body is JSON, whatever type it names:

    as text/plain a service worker of another origin may send it without asking first (Fetch, CORS).
    """
    raw = request.body[: LIMIT + 1]
    try:
        said = json.loads(raw) if len(raw) <= LIMIT else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Refused(400, _("Send a JSON object of at most %(most)d bytes.") % {"most": LIMIT})
    word, button = WORDS.get(str(said.get("word"))), said.get("button", 0)
    if word is None:
        raise Refused(422, _("word is one of: %(words)s.") % {"words": ", ".join(WORDS)})
    if not isinstance(button, int) or isinstance(button, bool) or not 0 <= button <= reports.LONGEST_BUTTON:
        raise Refused(422, _("button is 0, 1 or 2."))
    try:
        campaign, device = read(str(said.get("report")))
    except NotOurs:
        raise Refused(422, _("report is not an id that came with a push from here.")) from None
    try:
        reports.say(campaign, device, word, button)
    except reports.Full:
        raise Refused(503, _("Too many reports wait. Come again later."), 60) from None
    return Status(204, None)
