"""An installation that has grown: devices, campaigns, batches and deliveries, made by PostgreSQL itself from numbers.

Everything follows from the number of a device and of a campaign, so that two runs look at the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from campaigns.models import Batch, Campaign, Delivery, Notification
from campaigns.pipeline import tasks
from devices.models import App, Device, Segment, Tag
from devices.segments import parse

HOST = "127.0.0.1:9"  # nobody listens there, and nothing is sent
TAGS = ("premium", "beta", "ski", "coast", "news")
SEGMENTS: dict[str, list[tuple[str, str, str]]] = {
    "German": [("language", "is", "de")],
    "OS 8.1 and app 3": [("os_version", "at_least", "8.1"), ("app_version", "at_least", "3.0")],
    "Premium": [("tag", "is", "premium")],
    "Skiers who are not premium": [("tag", "is", "ski"), ("tag", "is_not", "premium")],
    "Berlin, not English": [("time_zone", "is", "Europe/Berlin"), ("language", "is_not", "en")],
}

DEVICES = f"""
INSERT INTO devices_device (
    app_id, public_id, secret_digest, service, address, address_digest, installation, keys, language, time_zone,
    os_version, os_rank, app_version, app_rank, model, attributes, test, status, retired_reason, retired_at, retired_by,
    hold_until, registered_at, seen_at
)
SELECT
    %(app)s, md5('public' || n)::uuid, encode(sha256(('secret' || n)::bytea), 'hex'), 'mpns', address,
    encode(sha256(address::bytea), 'hex'), 'phone-' || md5('phone' || n), NULL,
    (array['de','en-US','en-GB','fr','es','it','pt-BR','de-AT','pl','nl','ru','tr','sv','da','fi','cs'])
        [1 + h * h / 64],
    (array['Europe/Berlin','America/New_York','Europe/London','Europe/Paris','Asia/Tokyo','America/Sao_Paulo','UTC'])
        [1 + n %% 7],
    major || '.' || minor || '.' || build, (major::bigint << 48) | (minor::bigint << 32) | (build::bigint << 16),
    app_major || '.' || n %% 6, (app_major::bigint << 48) | ((n %% 6)::bigint << 32),
    (array['Nokia Lumia 920','Nokia Lumia 520','HTC 8X','Samsung ATIV S','Nokia Lumia 1020'])[1 + n %% 5],
    jsonb_build_object('plan', (array['free','plus','pro'])[1 + n %% 3], 'town', 'town-' || n %% 500),
    n %% 50000 = 0,
    CASE WHEN gone THEN 'retired' ELSE 'active' END,
    CASE WHEN gone THEN
        (array['The address expired.','Retired by the app.','The service does not know it.','Retired by ada.'])
            [1 + n %% 4]
    ELSE '' END,
    CASE WHEN gone THEN now() - n %% 90 * interval '1 day' END, NULL,
    CASE WHEN NOT gone AND n %% 200 = 3 THEN now() + interval '1 hour'
        WHEN n %% 300 = 7 THEN now() - interval '1 day' END,
    now() - n %% 700 * interval '1 day', now() - n %% 60 * interval '1 day'
FROM (
    SELECT n, n * 7 %% 31 AS h, n %% 40 = 11 AS gone, 7 + (n %% 9 > 2)::int AS major, (n %% 9 > 6)::int AS minor,
        10000 + n %% 13 * 41 AS build, 1 + n %% 4 AS app_major,
        'http://{HOST}/throttledthirdparty/01.00/' || encode(sha256(('address' || n)::bytea), 'hex') AS address
    FROM generate_series(%(first)s, %(last)s) AS n
) AS numbered
"""
HEARD = """
INSERT INTO devices_contact (device_id, mark, accepted_at, connection, connection_at)
SELECT id, left(address_digest, 16), CASE WHEN id % 10 > 0 THEN now() - id % 30 * interval '1 day' END,
    CASE id % 20 WHEN 0 THEN 'inactive' WHEN 1 THEN 'temporarily disconnected' WHEN 2 THEN '' WHEN 3 THEN ''
        ELSE 'connected' END,
    now() - interval '1 day'
FROM devices_device
"""
TAGGED = """
INSERT INTO devices_device_tags (device_id, tag_id)
SELECT id, %(tag)s FROM devices_device WHERE (id + %(number)s) %% %(every)s = 0
"""
# What becomes of a device in a campaign: mostly well, with everything that a page counts.
SLICES = """
CREATE TEMPORARY TABLE slice AS
SELECT id AS device, (row_number() OVER (ORDER BY id) - 1) / 500 AS batch FROM devices_device
"""
FATES = """
CREATE TEMPORARY TABLE fate AS
SELECT device, batch, CASE
    WHEN h < 940 THEN 'accepted' WHEN h < 960 THEN 'dropped' WHEN h < 972 THEN 'gone' WHEN h < 977 THEN 'rejected'
    WHEN h < 980 THEN 'unknown' WHEN h < 985 THEN 'expired' WHEN h < 995 THEN 'retry' ELSE 'skipped' END AS outcome,
    h %% 100 = 1 AS doubled
FROM (SELECT device, batch, (device * 7919 + %(campaign)s * 104729) %% 1000 AS h FROM slice) AS hashed
"""
COUNTED = ", ".join(
    f"count(*) FILTER (WHERE outcome = '{word}')"
    for word in ("accepted", "retry", "dropped", "gone", "rejected", "unknown", "expired", "skipped")
)
COLUMNS = """campaign_id, service, attempt, due_at, ids, doubtful, moved, size, status, claims, claimed_by, claimed_at,
    released, windows, accepted, retry, dropped, gone, rejected, unknown, expired, skipped, denied, deferred"""
BATCHES = f"""
WITH made AS (
    INSERT INTO campaigns_batch ({COLUMNS})
    SELECT %(campaign)s, 'mpns', 1, %(at)s, string_agg(int8send(device), ''::bytea ORDER BY device), '', '', count(*),
        'done', 0, '', NULL, count(*), 1, {COUNTED}, 0, 0
    FROM fate GROUP BY batch ORDER BY batch RETURNING id
)
SELECT min(id) FROM made
"""
# Who is tried again: a batch of its own, done in a campaign that ended, open (some parked) in one that goes on.
REPEATS = f"""
INSERT INTO campaigns_batch ({COLUMNS})
SELECT %(campaign)s, 'mpns', 2, %(again)s, string_agg(int8send(device), ''::bytea ORDER BY device), '', '', count(*),
    CASE WHEN %(ended)s THEN 'done' WHEN batch < 20 THEN 'parked' ELSE 'queued' END, 0, '', %(at)s,
    CASE WHEN %(ended)s THEN count(*) ELSE 0 END, 0, CASE WHEN %(ended)s THEN count(*) ELSE 0 END,
    0, 0, 0, 0, 0, 0, 0, 0, 0
FROM fate WHERE outcome = 'retry' GROUP BY batch ORDER BY batch
"""
ROW = """INSERT INTO campaigns_delivery (campaign_id, device_id, attempt, batch_id, outcome, latest, copies,
    http_status, words, message_id, milliseconds, reason, at)"""
ATTEMPTS = f"""
{ROW}
SELECT %(campaign)s, device, 1, %(batch)s + batch, outcome, outcome <> 'retry' OR NOT %(ended)s,
    CASE WHEN outcome IN ('accepted', 'unknown') THEN 1 + (doubled AND device %% 50 = 0)::int ELSE 0 END, 200,
    'X-NotificationStatus: Received; X-DeviceConnectionStatus: Connected; X-SubscriptionStatus: Active',
    md5(%(campaign)s || '-' || device)::uuid, 20 + device %% 300,
    CASE WHEN outcome = 'accepted' THEN '' ELSE 'The service said so.' END, %(at)s + batch * interval '1 second'
FROM fate
"""
SECOND_ATTEMPTS = f"""
{ROW}
SELECT %(campaign)s, device, 2, %(batch)s + batch, 'accepted', true, 1, 200, 'X-NotificationStatus: Received',
    md5(%(campaign)s || '+' || device)::uuid, 40, '', %(again)s FROM fate WHERE outcome = 'retry' AND %(ended)s
"""


def ask(statement: str, **given: Any) -> int:
    """Run a statement; return how many rows it made, or the number that it gives."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement, given or None)
        return int(cursor.fetchone()[0]) if cursor.description else cursor.rowcount


def devices(count: int) -> App:
    """Make one App with so many devices, tags on a third of them, and a segment of every kind."""
    App.objects.create(name="Nobody yet", slug="nobody")
    app = App.objects.create(name="Weather", slug="weather", ask_again_above=10_000_000)
    for first in range(1, count + 1, 100_000):
        ask(DEVICES, app=app.pk, first=first, last=min(first + 99_999, count))
    ask(HEARD)
    for number, name in enumerate(TAGS):
        ask(TAGGED, tag=Tag.objects.create(app=app, name=name).pk, number=number, every=5 + 6 * number)
    for name, conditions in SEGMENTS.items():
        rule = {
            "match": "all",
            "conditions": [dict(zip(("field", "op", "value"), row, strict=True)) for row in conditions],
        }
        parse(rule)
        Segment.objects.create(app=app, name=name, rule=rule)
    return app


@contextmanager
def without_indexes() -> Iterator[None]:
    """Make many deliveries: their indexes are built afterwards, which takes a third of the time."""
    with connection.schema_editor() as editor:
        for index in Delivery._meta.indexes:
            editor.remove_index(Delivery, index)
    yield
    with connection.schema_editor() as editor:
        for index in Delivery._meta.indexes:
            editor.add_index(Delivery, index)


def campaigns(app: App, deliveries: int) -> None:
    """Make campaigns to all devices until there are so many deliveries; the last goes on. And a draft to everybody."""
    ask(SLICES)
    everybody = ask("SELECT count(*) FROM slice")
    wanted = max(1, round(deliveries / max(1, everybody)))
    with without_indexes():
        for number in range(1, wanted + 1):
            campaign(app, number, everybody, ended=number < wanted)
    ask("DROP TABLE slice")
    draft = Campaign.objects.create(app=app, name="To everybody")
    said(draft)
    tasks.note_worker("sender", doing="sending")


def campaign(app: App, number: int, audience: int, *, ended: bool) -> None:
    """Make one campaign that everybody got, with counters that add up."""
    at = ask_moment(f"now() - interval '{(40 - number) * 12} hours'")
    times = {"started_at": at, "frozen_at": at, "finished_at": at if ended else None}
    status = Campaign.Status.FINISHED if ended else Campaign.Status.SENDING
    row = Campaign.objects.create(app=app, name=f"Storm {number}", audience=audience, status=status, **times)
    said(row)
    again = ask_moment(f"{'now() - interval ' if ended else 'now() + interval '}'2 hours'")
    given = {"campaign": row.pk, "at": at, "again": again, "ended": ended}
    ask(FATES, campaign=row.pk)
    first = ask(BATCHES, campaign=row.pk, at=at)
    ask(REPEATS, **given)
    ask(ATTEMPTS, campaign=row.pk, batch=first, ended=ended, at=at)
    ask(SECOND_ATTEMPTS, campaign=row.pk, batch=first, ended=ended, again=again)
    ask("DROP TABLE fate")


def said(campaign: Campaign) -> None:
    """Let a campaign say something."""
    fields = {"title": "Storm on Saturday", "text": "Gusts up to 110 km/h.", "link": "/Warnings.xaml"}
    Notification.objects.create(campaign=campaign, message="toast", fields=fields)


def ask_moment(words: str) -> Any:
    """Return a moment in the database's words."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {words}")
        return cursor.fetchone()[0]


def settle() -> None:
    """Let the database learn what it has, as its autovacuum does within minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM ANALYZE")


def counts() -> dict[str, int]:
    """Return how many there are of everything."""
    models = {"devices": Device, "campaigns": Campaign, "batches": Batch, "deliveries": Delivery}
    return {name: model._default_manager.count() for name, model in models.items()}
