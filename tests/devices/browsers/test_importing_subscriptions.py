"""Subscriptions as other programs keep them come in whole, and what is none is told by its line or element."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from devices import importing, lists
from devices.importing import FileRefused, Report
from devices.models import App, Credential, Device, Site
from tests.devices.browsers.conftest import ENDPOINT, FIREFOX, PUBLIC, only, subscription
from tests.devices.push.vector import AUTH, UA_PUBLIC

CHROME = "https://fcm.googleapis.com/fcm/send/"
MADE = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def app(site: Site) -> App:
    """An App with a key for browsers."""
    return site.app


def load(app: App, content: str | bytes, encoding: str = "utf-8") -> Report:
    return importing.load(app, io.BytesIO(content if isinstance(content, bytes) else content.encode(encoding)))


def taken(app: App, *values: Any) -> Device:
    """Import JSON lines, all of which are taken; return the one device they make."""
    report = load(app, "".join(json.dumps(value) + "\n" for value in values))
    assert (report.created + report.updated, report.refused) == (len(values), 0), report.problems
    return only()


def told(app: App, value: Any) -> str:
    """Return why a JSON line is not taken."""
    report = load(app, json.dumps(value))
    assert (report.created, report.updated, report.refused) == (0, 0, 1)
    return report.problems[0].sentence


def record(model: str = "push_notifications.webpushdevice", **fields: Any) -> dict[str, Any]:
    """Return a record of a dump."""
    return {"model": model, "pk": 7, "fields": {"p256dh": UA_PUBLIC, "auth": AUTH, **fields}}


def table(*columns: str) -> str:
    return ",".join(columns) + "\n"


def test_what_a_browser_prints_is_taken_by_line_and_in_brackets(app: App) -> None:
    endpoints = [f"{ENDPOINT}{number}" for number in range(3)]
    printed = [subscription(endpoint) for endpoint in endpoints]
    lines = "\n\n".join(json.dumps(one) for one in printed) + "\r\n"
    for content in (lines, json.dumps(printed), json.dumps(printed, indent=2)):
        assert load(app, content).created == 3
        assert sorted(Device.objects.values_list("address", flat=True)) == endpoints
        assert load(app, content).updated == 3
        Device.objects.all().delete()
    load(app, lines)
    device = Device.objects.first()
    assert device is not None
    assert (device.service, device.keys) == ("webpush", {"p256dh": UA_PUBLIC, "auth": AUTH})
    assert (device.status, device.test, bool(device.secret_digest)) == ("active", False, True)


@pytest.mark.parametrize("folded", [True, False])
def test_what_stands_beside_a_subscription_is_taken_with_it(app: App, folded: bool) -> None:
    beside: dict[str, Any] = {
        "tags": ["ski"],
        "attributes": {"level": 3},
        "language": "de_at",
        "time_zone": "Europe/Vienna",
    }
    beside |= {"installation": "kitchen", "createdAt": MADE.timestamp() * 1000, "userAgent": FIREFOX}
    printed = {"subscription": subscription()} if folded else subscription()
    device = taken(app, {**printed, **beside, "applicationServerKey": PUBLIC + "="})
    assert (device.language, device.time_zone, device.installation) == ("de-AT", "Europe/Vienna", "kitchen")
    assert (device.attributes, [tag.name for tag in device.tags.all()]) == ({"level": 3}, ["ski"])
    assert (device.registered_at, device.model) == (MADE, "Firefox 140, Linux")


def test_a_subscription_kept_as_text_is_read(app: App) -> None:
    assert taken(app, {"subscription": json.dumps(subscription())}).address == ENDPOINT
    Device.objects.all().delete()
    quoted = json.dumps(subscription()).replace('"', '""')
    assert load(app, f'user_id,subscription\n7,"{quoted}"\n').ignored == ["user_id"]
    assert only().keys == {"p256dh": UA_PUBLIC, "auth": AUTH}


@pytest.mark.parametrize(
    "columns",
    [("endpoint", "p256dh", "auth"), ("auth", "id", "endpoint", "p256dh"), ("Registration_ID", "auth", "P256DH")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_subscriptions_is_known_by_its_columns(app: App, columns: tuple[str, ...], encoding: str) -> None:
    cells = {"endpoint": ENDPOINT, "registration_id": ENDPOINT, "p256dh": UA_PUBLIC, "auth": AUTH, "id": "9"}
    report = load(app, table(*columns) + table(*(cells[name.lower()] for name in columns)), encoding)
    assert (report.created, report.ignored) == (1, [])
    assert only().keys == {"p256dh": UA_PUBLIC, "auth": AUTH}


def test_the_table_of_django_push_notifications_is_taken(app: App) -> None:
    head = table(
        *("id", "name", "active", "date_created", "application_id", "registration_id", "p256dh", "auth"),
        *("browser", "user"),
    )
    rows = [
        f"1,Vera,True,2024-05-06 07:08:09+00:00,shop,{ENDPOINT}1,{UA_PUBLIC},{AUTH},FIREFOX,3\n",
        f"2,Vera,False,2024-05-06 07:08:09,,{ENDPOINT}2,{UA_PUBLIC},{AUTH},CHROME,\n",
        f"3,Vera,True,,,bare:id-of_old,{UA_PUBLIC},{AUTH},CHROME,\n",
    ]
    report = load(app, head + "".join(rows))
    assert (report.created, report.refused, report.ignored) == (3, 0, ["application_id", "user"])
    first, second, third = Device.objects.order_by("pk")
    assert [one.installation for one in (first, second, third)] == ["Vera"] * 3
    assert (first.registered_at, second.registered_at, first.model) == (MADE, MADE, "Firefox")
    assert [one.status for one in (first, second, third)] == ["active", "retired", "active"]
    assert "not active" in second.retired_reason
    assert second.retired_at is not None
    assert third.address == f"{CHROME}bare:id-of_old"
    assert (load(app, head + "".join(rows)).updated, Device.objects.count()) == (3, 3)


def test_the_table_of_django_webpush_is_taken(app: App) -> None:
    content = table("id", "browser", "user_agent", "endpoint", "auth", "p256dh")
    content += f'1,chrome,"{FIREFOX}",{ENDPOINT},{AUTH},{UA_PUBLIC}\n'
    assert load(app, content).created == 1
    assert only().model == "Firefox 140, Linux"


@pytest.mark.parametrize(
    "one",
    [
        record(registration_id=ENDPOINT, browser="FIREFOX", name=None, active=True, user=3, application_id=None),
        record("webpush.subscriptioninfo", endpoint=ENDPOINT, browser="firefox", user_agent=""),
        record("shop.browser", endpoint=ENDPOINT, browser="FireFox"),  # a model of somebody's own
    ],
)
def test_dumps_of_both_packages_are_taken_and_other_records_are_named(app: App, one: dict[str, Any]) -> None:
    others = [
        {"model": "webpush.group", "pk": 1, "fields": {"name": "ski"}},
        {"model": "push_notifications.gcmdevice", "pk": 1, "fields": {"registration_id": "x"}},
    ]
    report = load(app, json.dumps([*others, one], indent=1))
    assert (report.created, report.refused) == (1, 0), report.problems
    assert report.ignored[:2] == ["webpush.group", "push_notifications.gcmdevice"]
    assert (only().model, only().installation) == ("Firefox", "")


def test_bad_rows_are_told_by_line_or_element_and_the_others_come_in(app: App) -> None:
    good, bad = subscription(f"{ENDPOINT}1"), subscription("https://evil.example/x")
    other = subscription(f"{ENDPOINT}2")
    report = load(app, "\n".join([json.dumps(good), "", "{torn", json.dumps(bad), "[]", json.dumps(other)]))
    assert (report.created, report.elements) == (2, False)
    assert [problem.line for problem in report.problems] == [3, 4, 5]
    assert ["no JSON object" in problem.sentence for problem in report.problems] == [True, False, True]
    assert "evil.example" in report.problems[1].sentence
    Device.objects.all().delete()
    report = load(app, json.dumps([bad, good, None, other]))
    assert (report.created, report.elements, [problem.line for problem in report.problems]) == (2, True, [1, 3])
    Device.objects.all().delete()
    row = table(ENDPOINT, UA_PUBLIC, AUTH)
    report = load(app, table("endpoint", "p256dh", "auth") + table(ENDPOINT, UA_PUBLIC) + row + table("x", "y", "z"))
    assert (report.created, [problem.line for problem in report.problems]) == (1, [2, 4])


POINT = UA_PUBLIC[:-4] + "AAAA"


@pytest.mark.threats(10)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"endpoint": ""}, "endpoint is missing"),
        ({"endpoint": 7}, "endpoint is missing"),
        ({"endpoint": "http://fcm.googleapis.com/fcm/send/x"}, "https://"),
        ({"endpoint": "https://127.0.0.1/x"}, "names no host"),
        ({"endpoint": "bare", "browser": "EDGE"}, "not a whole address"),
        ({"endpoint": "bare"}, "not a whole address"),
        ({"keys": None}, "p256dh"),
        ({"keys": {"p256dh": POINT, "auth": AUTH}}, "curve P-256"),
        ({"keys": {"p256dh": UA_PUBLIC, "auth": "AAAA"}}, "auth has 3 bytes"),
        ({"keys": "{"}, "keys is not a JSON object"),
        ({"subscription": [1]}, "subscription is not a JSON object"),
        ({"vapid_public_key": UA_PUBLIC}, "bound to another key (BCVxsr7N_eNg…) than this App's"),
        ({"application_key": "ключ"}, "not base64url"),
        ({"applicationServerKey": 7}, "not base64url"),
        ({"created_at": "yesterday"}, "registered_at is no moment"),
        ({"created_at": 10**30}, "registered_at is no moment"),
        ({"created_at": 7}, "registered_at is no moment"),
        ({"created_at": True}, "registered_at is no moment"),
        ({"made_at": "2999-01-01T00:00:00Z"}, "registered_at is no moment"),
        ({"status": "gone"}, "status must be one of: active, retired"),
        ({"active": "perhaps"}, "active must be true or false"),
        ({"tags": {"a": 1}}, "tags must be a list"),
        ({"tags": ["\ud800"]}, "tags: “?” is not a tag"),
        ({"attributes": {"a": []}}, "“a” must be text"),
        ({"language": "German, I think"}, "language tag"),
    ],
)
def test_what_is_wrong_with_a_row_is_a_sentence_and_changes_nothing(
    app: App, change: dict[str, Any], sentence: str
) -> None:
    assert sentence in told(app, {**subscription(), **change})
    assert not Device.objects.exists()


def test_an_app_without_a_key_takes_none_for_it_could_not_say_later_what_they_are_bound_to(app: App) -> None:
    Credential.objects.all().delete()
    assert "no key for browsers yet" in told(app, {**subscription(), "application_key": PUBLIC})
    assert "no key for browsers yet" in told(app, subscription())
    assert not Device.objects.exists()


@pytest.mark.parametrize("reason", ["a\ud800b", "a\u0000b", "a\u202eb"])
def test_a_reason_is_checked_as_every_other_text(app: App, reason: str) -> None:
    row = {**subscription(), "status": "retired", "retired_reason": reason}
    assert "control characters" in told(app, row)


@pytest.mark.threats(36)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"endpoint,p256dh\n", "auth is missing"),
        (b"registration_id,browser\n", "p256dh and auth are missing"),
        (b"endpoint,auth,p256dh,auth\n", "not twice"),
        (b'{\n "endpoint": "x"\n}\n', "first line is not JSON by itself"),
        (b'[{"a": 1}, {"b"', "Element 2 is not JSON"),
        (b'[{"a": 1}, NaN]', "Element 2 is not JSON"),
        (b'[{"a": 1}', "After element 1"),
        (b"[", "After element|Element 1"),
        (b"[1,]", "Element 2"),
        (b"[] []", "After element 0"),
        (b"[1 2]", "After element 1"),
        (b'[{"a": 1}] []', "After element 1"),
        (b"[" * 200_000, "Element 1"),
        (b'["' + b"x" * 1_200_000 + b'"]', "longer than any"),
        (b'[{"a": "\xff"}]', "not UTF-8"),
        (b'{"a": 1}\n{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": 1}\n{"a": "\0"}', "Line 2 has a NUL"),
        (b'{"a": 1}\n{"a": "' + b"x" * 50_000, "Line 2 is longer"),
    ],
)
def test_a_file_that_is_no_list_changes_nothing(app: App, content: bytes, sentence: str) -> None:
    with pytest.raises(FileRefused, match=sentence):
        load(app, content.replace(b'{"a": 1}', json.dumps(subscription()).encode()))
    assert not Device.objects.exists()


def test_an_empty_array_is_a_list_of_nobody(app: App) -> None:
    report = load(app, "\n [ \n ] \n")
    assert (report.created, report.refused) == (0, 0)


@pytest.mark.parametrize("piece", [1, 2, 7])
def test_an_array_is_read_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(lists, "PIECE", piece)
    values = [{"a": 'ü \\ " ]'}, {"b": [12, {"c": 1.5e3}]}, {}]
    for text in (json.dumps(values, ensure_ascii=False), json.dumps(values, indent=3), "[12345, 6, -7.25 , {}]"):
        found = list(lists.json_elements(io.BytesIO(text.encode())))
        expected = [one if isinstance(one, dict) else None for one in json.loads(text)]
        assert found == list(enumerate(expected, start=1))


class Endless:
    """A JSON array of so many elements, made while it is read."""

    def __init__(self, count: int) -> None:
        self.element = json.dumps(subscription()).encode() + b","
        self.count = count
        self.seek(0)

    def seek(self, offset: int) -> None:
        self.left, self.rest = self.count, b"["

    def read(self, size: int) -> bytes:
        while len(self.rest) < size and self.left:
            self.left -= 1
            self.rest += self.element if self.left else self.element[:-1] + b"]"
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


def test_no_array_is_in_the_memory_as_a_whole() -> None:
    file = Endless(20_000)  # of 6 MB
    tracemalloc.start()
    try:
        count = sum(value is not None for _number, value in lists.json_elements(cast(IO[bytes], file)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, peak < 1_500_000) == (20_000, True), peak


def test_a_subscription_is_known_by_its_endpoint_and_by_nothing_else(app: App) -> None:
    """Names repeat in other programs' tables: two rows with one are two browsers, here and there."""
    rows = [{**subscription(f"{ENDPOINT}{number}"), "name": "Vera"} for number in range(3)]
    assert load(app, json.dumps(rows[:2])).created == 2
    assert load(app, json.dumps([rows[2], rows[1], rows[1]])).created == 1
    assert Device.objects.filter(installation="Vera").count() == 3
    assert load(app, json.dumps([{**rows[0], "name": "Eva"}])).updated == 1
    assert sorted(Device.objects.values_list("installation", flat=True)) == ["Eva", "Vera", "Vera"]


def test_browsers_of_one_name_are_brought_up_to_date_together(app: App, django_assert_max_num_queries: Any) -> None:
    rows = json.dumps([{**subscription(f"{ENDPOINT}{number}"), "name": "Vera"} for number in range(50)])
    assert load(app, rows).created == 50
    with django_assert_max_num_queries(12):
        assert load(app, rows).updated == 50


def test_a_known_browser_keeps_what_the_row_does_not_say_and_when_it_registered(app: App) -> None:
    load(app, json.dumps({**subscription(), "tags": ["ski"], "language": "fr", "createdAt": MADE.isoformat()}))
    Device.objects.update(secret_digest="its own")
    later = (MADE + timedelta(days=9)).isoformat()
    for times in (1, 2):  # a row that meets an earlier one goes another way
        device = taken(app, *[{**subscription(), "createdAt": later, "language": "de"}] * times)
        assert (device.registered_at, device.language, device.secret_digest) == (MADE, "de", "its own")
        assert [tag.name for tag in device.tags.all()] == ["ski"]


def test_an_inactive_row_retires_and_an_active_one_brings_back(app: App) -> None:
    assert taken(app, subscription()).status == "active"
    assert taken(app, {**subscription(), "active": False}).status == "retired"
    device = taken(app, {**subscription(), "active": "t"})
    assert (device.status, device.retired_reason, device.retired_at) == ("active", "", None)


def test_a_long_name_is_cut_and_an_installation_goes_before_it(app: App) -> None:
    assert taken(app, {**subscription(), "name": "x" * 255}).installation == "x" * 200
    assert taken(app, {**subscription(), "name": "x", "installation": "y"}).installation == "y"


def test_the_page_and_the_command_tell_what_became_of_every_element(
    app: App, admin_client: Client, tmp_path: Path
) -> None:
    content = json.dumps([{**subscription(), "ip": "192.0.2.1"}, subscription("https://evil.example/")])
    address = "/devices/device/import/"
    file = SimpleUploadedFile("list.json", content.encode())
    page = admin_client.post(address, {"app": app.pk, "file": file}).content.decode()
    assert "Element 2: address" in page
    assert "Not taken over:" in page
    assert ">ip<" in page
    assert "dumpdata" in page
    path = tmp_path / "list.json"
    path.write_text(content)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="left out"):
        call_command("importdevices", str(path), app=app.slug, stdout=out, stderr=err)
    assert "0 new, 1 brought up to date, 1 left out." in out.getvalue()
    assert "Element 2: address" in err.getvalue()
    assert "no place for it: ip." in err.getvalue()
