"""What an installation of the version before holds is there after the migration, and again after the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("devices", "0005_ask_again_above"), ("campaigns", "0006_export_right")]
AFTER = [("devices", "0007_contact"), ("campaigns", "0007_contents_and_circuits")]
TOAST = {"title": "Storm", "text": "Gusts", "param": "/W.xaml?a=1", "sound": "Audio/a.mp3", "delay": 450}


def migrated(to: list[tuple[str, str]]) -> Any:
    """Go to these migrations and return the models as they were or are then."""
    executor = MigrationExecutor(connection)
    executor.migrate(to)
    return MigrationExecutor(connection).loader.project_state(to).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """The models of the version before; the present ones again afterwards."""
    yield migrated(BEFORE)
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    MigrationExecutor(connection).migrate(leaves)


def fill(apps: Any) -> tuple[int, int]:
    """Make a draft of every kind and two devices; return the keys of the device that was heard of and of the toast."""
    app = apps.get_model("devices", "App").objects.create(name="A", slug="a")
    common = {"app": app, "service": "mpns", "secret_digest": "s", "seen_at": "2026-01-01T00:00:00Z"}
    devices = apps.get_model("devices", "Device").objects
    heard = {"connection": "connected", "connection_at": "2026-01-02T00:00:00Z", "accepted_at": "2026-01-03T00:00:00Z"}
    device = devices.create(address="x", address_digest="d" * 64, **common, **heard)
    devices.create(address="y", address_digest="e" * 64, **common)
    campaign = apps.get_model("campaigns", "Campaign").objects.create(app=app, name="C")
    rows = apps.get_model("campaigns", "Notification").objects
    toast = rows.create(campaign=campaign, message="toast", fields=TOAST)
    rows.create(campaign=campaign, language="de", message="raw", fields={"body": "{}", "delay": 900})
    rows.create(campaign=campaign, language="fr", message="flip_tile", fields={"title": "T", "clear": ["count"]})
    apps.get_model("campaigns", "Breaker").objects.create(
        service="mpns", since="2026-01-01T00:00:00Z", open_until="2026-01-01T00:00:00Z"
    )
    return device.pk, toast.pk


def contents(apps: Any) -> dict[str, tuple[Any, Any]]:
    rows = apps.get_model("campaigns", "Notification").objects.order_by("pk")
    return {row.language: (row.fields, getattr(row, "options", None)) for row in rows}


def test_drafts_campaigns_and_what_was_heard_of_devices_come_along(before: Any) -> None:
    device, _ = fill(before)
    was = contents(before)
    after = migrated(AFTER)
    own = {"page": "/W.xaml?a=1", "sound": "Audio/a.mp3", "delay": 450}
    assert contents(after) == {
        "": ({"title": "Storm", "text": "Gusts"}, {"mpns": own}),
        "de": ({"body": "{}"}, {"mpns": {"delay": 900}}),
        "fr": ({"title": "T", "clear": ["count"]}, {}),
    }
    (contact,) = after.get_model("devices", "Contact").objects.all()
    assert (contact.device_id, contact.mark, contact.connection) == (device, "d" * 16, "connected")
    assert (contact.accepted_at.day, contact.connection_at.day) == (3, 2)
    assert after.get_model("campaigns", "Breaker").objects.get().circuit == "mpns"
    back = migrated(BEFORE)
    assert contents(back) == was
    row = back.get_model("devices", "Device").objects.get(pk=device)
    assert (row.connection, row.accepted_at.day, row.connection_at.day) == ("connected", 3, 2)
    assert back.get_model("devices", "Device").objects.exclude(pk=device).get().connection == ""


def test_a_present_form_reads_what_was_migrated(before: Any) -> None:
    _, toast = fill(before)
    MigrationExecutor(connection).migrate(AFTER)
    from campaigns.compose.composing import Composition
    from campaigns.models import Notification
    from campaigns.pipeline.rendering import message_of, options_of
    from devices.push.services import find

    row = Notification.objects.get(pk=toast)
    composition = Composition.stored(row.message, row.fields, row.options)
    assert composition.errors == []
    assert composition.to_store() == {"message": "toast", "fields": row.fields, "options": row.options}
    body = find("mpns").encode(message_of(row), "8.0 Update 3", options_of(row, find("mpns"))).body
    assert b"<wp:Param>/W.xaml?a=1</wp:Param><wp:Sound>Audio/a.mp3</wp:Sound>" in body
