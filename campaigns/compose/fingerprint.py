"""Which version of a draft somebody has before their eyes, as one short word in a form.

Two people write at the same draft, or one writes while another reads what is about to be sent: whoever posts shows the
fingerprint of what they saw, and a page that is no longer true is shown again instead of being acted upon.
"""

from __future__ import annotations

import hashlib
import json

from campaigns.models import Campaign, Notification


def of_draft(campaign: Campaign) -> str:
    """Return the fingerprint of everything a person wrote; it changes whenever any of that does."""
    said = campaign.notifications.order_by("variant", "language").values_list(*Notification.CONTENT)
    columns = [Campaign._meta.get_field(name).attname for name in Campaign.CONTENT]  # type: ignore[union-attr]
    return _digest([getattr(campaign, column) for column in columns], list(said))


def of_stored(pk: int) -> str:
    """Return the fingerprint of a draft as it is stored now, whatever a form made of it; "" when it is gone."""
    campaign = Campaign.objects.filter(pk=pk).first()
    return of_draft(campaign) if campaign else ""


def of_send(campaign: Campaign) -> str:
    """Return the fingerprint of what would be sent to whom: the draft's, and the rule its segment has now."""
    return _digest(of_draft(campaign), campaign.segment.rule if campaign.segment else {})


def _digest(*facts: object) -> str:
    spelled = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(spelled.encode()).hexdigest()[:20]
