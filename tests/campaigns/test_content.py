"""One list tells what a person writes of a campaign: form, fingerprint of a draft and duplicate are made of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from campaigns.compose import fingerprint
from campaigns.compose.forms import READ_HERE, CampaignForm
from campaigns.models import Campaign, Notification
from devices.common.clock import now
from devices.models import App, Segment
from tests.campaigns.conftest import House
from tests.campaigns.test_pages import browser, marketer, page

__all__ = ["browser", "marketer"]  # fixtures
OURS = {"created_by", "started_by", "created_at"}  # what we note of it


def test_whatever_can_be_edited_is_in_the_list() -> None:
    editable = {field.name for field in Campaign._meta.concrete_fields if field.editable and not field.primary_key}
    assert editable - OURS == set(Campaign.CONTENT)
    said = {field.name for field in Notification._meta.concrete_fields if not field.primary_key}
    assert said - {"campaign"} == set(Notification.CONTENT)
    assert set(CampaignForm.Meta.fields) == set(Campaign.CONTENT) - set(READ_HERE)


def other(house: House, name: str) -> Any:
    values: dict[str, Callable[[], Any]] = {
        "app": lambda: App.objects.create(name="Another", slug="another"),
        "name": lambda: "Another",
        "segment": lambda: Segment.objects.create(app=house.app, name="S"),
        "send_at": now,
        "time_zone": lambda: "Europe/Vienna",
        "expires_after": lambda: timedelta(hours=3),
        "never_twice": lambda: True,
        "per_minute": lambda: 60,
    }
    return values[name]()


@pytest.mark.parametrize("name", Campaign.CONTENT)
def test_each_of_them_changes_the_fingerprint_and_comes_along_in_a_duplicate(
    house: House, browser: Any, name: str
) -> None:
    draft = house.campaign()
    before = fingerprint.of_draft(draft)
    Campaign.objects.filter(pk=draft.pk).update(**{name: other(house, name)})
    draft.refresh_from_db()
    assert fingerprint.of_draft(draft) != before
    browser.post(page(draft, "duplicate/"))
    copy = Campaign.objects.exclude(pk=draft.pk).get()
    if name == "name":
        assert copy.name == "Copy of Another"
    elif name == "send_at":
        assert copy.send_at is None  # nobody wants the same hour again without saying so
    else:
        assert getattr(copy, name) == getattr(draft, name)


@pytest.mark.parametrize(("name", "value"), [("options", {"mpns": {"delay": 450}}), ("fields", {"title": "x"})])
def test_so_does_what_it_says(house: House, browser: Any, name: str, value: Any) -> None:
    draft = house.campaign()
    before = fingerprint.of_draft(draft)
    draft.notifications.update(**{name: value})
    assert fingerprint.of_draft(draft) != before
    browser.post(page(draft, "duplicate/"))
    assert getattr(Notification.objects.exclude(campaign=draft).get(), name) == value
