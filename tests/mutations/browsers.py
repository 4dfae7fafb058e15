"""Mistakes on the way to browsers and back: encryption, signatures, the door for visitors, reports."""

from __future__ import annotations

from tests.mutations.table import Mutation

VECTOR = "tests/devices/push/test_aes128gcm.py"
VAPID = "tests/devices/push/test_vapid.py"
SERVICE = "tests/devices/push/services/test_webpush.py"
FLOW = "tests/campaigns/pipeline/test_webpush_flow.py"
DOOR = "tests/devices/browsers/test_door.py"
REPORTS = "tests/campaigns/monitor/test_reports.py"
CODE = "devices/push/services/webpush.py"
SUBSCRIBING = "devices/browsers/subscribing.py"

MISTAKES = (
    Mutation(
        (),
        "one key pair for all messages",
        "devices/push/aes128gcm.py",
        "ours = key or ec.generate_private_key(CURVE)",
        "ours = key or ec.derive_private_key(7, CURVE)",
        (f"{VECTOR}::test_no_two_pushes_share_a_key_or_a_salt",),
    ),
    Mutation(
        (),
        "a salt that is the same",
        "devices/push/aes128gcm.py",
        "salt = salt or os.urandom(16)",
        "salt = salt or bytes(16)",
        (f"{VECTOR}::test_no_two_pushes_share_a_key_or_a_salt",),
    ),
    Mutation(
        (),
        "a text of any length is encrypted",
        "devices/push/aes128gcm.py",
        "if len(plaintext) > PLAINTEXT_LIMIT:",
        "if len(plaintext) > 2 * PLAINTEXT_LIMIT:",
        (f"{VECTOR}::test_the_largest_text_makes_the_largest_body_and_one_byte_more_none",),
    ),
    Mutation(
        (),
        "one token for all origins",
        "devices/push/vapid.py",
        'claims = {"aud": origin, ',
        'claims = {"aud": "https://push.example.net", ',
        (f"{SERVICE}::test_the_headers_are_those_of_the_rfcs",),
    ),
    Mutation(
        (),
        "a token is kept until its end",
        "devices/push/vapid.py",
        "HALF = LIFE // 2",
        "HALF = LIFE",
        (f"{VAPID}::test_a_token_is_kept_until_half_its_life_is_over_and_never_lives_for_over_12_hours",),
    ),
    Mutation(
        (),
        "a contact that nobody can reach",
        "devices/push/vapid.py",
        "if len(labels) < 2 or ",
        "if ",
        (f"{VAPID}::test_a_contact_that_apple_would_refuse_is_refused_here",),
    ),
    Mutation(
        (),
        "a key of another curve is taken",
        "devices/push/vapid.py",
        " or not isinstance(key.curve, ec.SECP256R1):",
        " or key.key_size > 256:",
        (f"{VAPID}::test_another_key_gets_a_sentence",),
    ),
    Mutation(
        (),
        "a point off the curve is taken",
        CODE,
        "if not aes128gcm.is_point(point):",
        "if point[0] != 4:",
        (f"{SERVICE}::test_other_keys_get_a_sentence",),
    ),
    Mutation(
        (),
        "http to a vendor",
        CODE,
        'if url.scheme != "https" and ',
        'if url.scheme == "ftp" and ',
        (f"{SERVICE}::test_an_endpoint_elsewhere_is_refused",),
    ),
    Mutation(
        (),
        "every second copy has a topic of its own",
        CODE,
        'topic = message_id.replace("-", "")',
        'topic = message_id.replace("-", "")[:24] + str(time.time_ns())[-8:]',
        (f"{FLOW}::test_an_answer_that_is_lost_brings_a_second_copy_with_the_same_topic",),
    ),
    Mutation(
        (),
        "a subscription that is gone is kept",
        CODE,
        '410: (Outcome.GONE, "The',
        '410: (Outcome.REJECTED, "The',
        (f"{FLOW}::test_what_a_vendor_answers_becomes_what_happens_to_the_device",),
    ),
    Mutation(
        (),
        "one subscription with another key is taken for our fault",
        CODE,
        'if FOREIGN_KEY in said or "VapidPkHashMismatch" in said:',
        'if "VapidPkHashMismatch" in said:',
        (f"{FLOW}::test_a_subscription_bound_to_another_key_is_retired_where_the_vendor_says_so",),
    ),
    Mutation(
        (),
        "all vendors fail together",
        CODE,
        'return f"{self.slug}:{origin(target.address)}"',
        "return self.slug",
        (f"{SERVICE}::test_what_fails_together_is_one_vendor",),
    ),
    Mutation(
        (),
        "a campaign goes out without a key",
        "campaigns/compose/preflight.py",
        "stored = set(rows.values_list",
        "stored = {service.slug for service in strict} | set(rows.values_list",
        (f"{FLOW}::test_without_a_key_nothing_is_sent_and_the_page_says_what_to_do",),
    ),
    Mutation(
        (),
        "a push leaves unsigned when the key is gone",
        "campaigns/pipeline/rendering.py",
        "return None, service.credentials_needed",
        'return None, ""',
        (f"{FLOW}::test_without_a_key_nothing_is_sent_and_the_page_says_what_to_do",),
    ),
    Mutation(
        (),
        "a publishable key works on every page",
        "devices/browsers/api.py",
        "if origin not in {row.origin for row in site.origins.all()}:",
        "if not origin:",
        (f"{DOOR}::test_a_key_on_another_page_registers_nobody_and_the_page_reads_nothing",),
    ),
    Mutation(
        (),
        "every page may read the answers",
        "devices/browsers/cors.py",
        "        if known:",
        "        if origin:",
        (f"{DOOR}::test_a_key_on_another_page_registers_nobody_and_the_page_reads_nothing",),
    ),
    Mutation(
        (),
        "who knows an endpoint replaces its keys",
        SUBSCRIBING,
        "and row.keys is not None and not _same(row.keys, registration.keys)",
        "and row.keys is not None and not row.keys",
        (f"{DOOR}::test_who_knows_an_endpoint_alone_takes_nothing_from_its_browser",),
    ),
    Mutation(
        (),
        "who knows an endpoint takes over its device",
        SUBSCRIBING,
        "or former is None or not _proved(old, former[1]):",
        "or former is None:",
        (f"{DOOR}::test_who_knows_an_endpoint_alone_takes_nothing_from_its_browser",),
    ),
    Mutation(
        (),
        "who knows an endpoint unsubscribes it",
        SUBSCRIBING,
        "row is not None and _proved(row, auth) and",
        "row is not None and",
        (f"{DOOR}::test_who_knows_an_endpoint_alone_takes_nothing_from_its_browser",),
    ),
    Mutation(
        (),
        "a subscription of another key is taken",
        SUBSCRIBING,
        "if theirs is not None and theirs != key:",
        "if theirs is None:",
        (f"{DOOR}::test_a_browser_that_subscribed_with_another_key_is_told_so",),
    ),
    Mutation(
        (),
        "calls of visitors are not counted",
        "devices/api.py",
        "(devices|browsers)",
        "(devices|phones)",
        (f"{DOOR}::test_calls_are_limited_by_address_and_by_key",),
    ),
    Mutation(
        (),
        "a report id is believed without its seal",
        "campaigns/pipeline/reports.py",
        "if hmac.compare_digest(seal, ",
        "if seal or hmac.compare_digest(seal, ",
        (f"{REPORTS}::test_no_id_can_be_made_up_or_bent_into_another",),
    ),
    Mutation(
        (),
        "a report that is repeated is counted again",
        "campaigns/monitor/reports.py",
        "new = Counter(tuple(row) for row in cursor.fetchall())",
        "new = Counter((row[0], row[1], row[3]) for row in rows)",
        (f"{REPORTS}::test_what_a_device_says_is_counted_once",),
    ),
    Mutation(
        (),
        "reports are forgotten while the database is away",
        "campaigns/monitor/reports.py",
        "self._waiting = {said[:3]: said for said in group} | self._waiting",
        "self._waiting = dict(self._waiting)",
        (f"{REPORTS}::test_while_the_database_is_away_reports_wait_in_bounds",),
    ),
    Mutation(
        (),
        "what devices said outlives the retention",
        "campaigns/upkeep/pruning.py",
        "while _remove_reports(campaign.pk):",
        "while campaign.pk is None:",
        (
            "tests/campaigns/upkeep/test_pruning.py"
            "::test_what_devices_said_goes_with_the_deliveries_and_its_counts_stay",
        ),
    ),
)
