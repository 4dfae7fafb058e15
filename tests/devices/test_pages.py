"""The pages of Apps, devices and segments: what they show, what they change, and for whom."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import filters
from devices.common.clock import now
from devices.common.secrets import digest
from devices.importing import load
from devices.models import ApiKey, App, Contact, Credential, Device, Segment, Tag, mark
from devices.push.services import all_services
from devices.registration import Registration, change
from devices.versions import rank
from tests.devices.conftest import HOST, Caller, uri
from tests.devices.test_api import ADDRESS_TRICKS
from tests.devices.test_certificates import made as certificate
from tests.devices.test_certificates import pem

DEVICES = "/devices/device/"


@pytest.fixture(autouse=True)
def _emulator(db: None, settings: Any) -> None:
    settings.EMULATOR = HOST
    cache.clear()


def device(app: App, number: int = 1, **more: Any) -> Device:
    address = uri(f"ok.a-{number}")
    values = {"installation": f"phone-{number}", "service": "mpns", "seen_at": now(), **more}
    return Device.objects.create(app=app, address=address, address_digest=digest(address), **values)


def text(answer: Any) -> str:
    content: bytes = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode()


def viewer(*codenames: str) -> Client:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def test_a_device_that_was_retired_says_why(app: App, admin_client: Client) -> None:
    row = device(app, status="retired", retired_reason="The channel expired.", retired_at=now())
    shown = text(admin_client.get(f"{DEVICES}{row.pk}/change/"))
    assert "The channel expired." in shown
    assert "Nothing is sent to it until it registers again" in shown


@pytest.mark.threats(20)
def test_what_a_device_says_of_itself_is_text_on_every_page(app: App, admin_client: Client) -> None:
    evil = "<script>alert(1)</script>"
    row = device(app, model=evil, language=evil, attributes={"a": evil}, retired_reason=evil)
    Contact.objects.create(device=row, mark=mark(row.address_digest), connection=evil)
    row.tags.add(Tag.objects.create(app=app, name=evil))
    Device.objects.filter(pk=row.pk).update(installation=evil, status="retired")
    for path in (DEVICES, f"{DEVICES}{row.pk}/change/", f"{DEVICES}?q={evil}"):
        assert evil not in text(admin_client.get(path))


def test_a_device_on_hold_is_shown_as_such_until_it_is_over(app: App, admin_client: Client, clock: Any) -> None:
    row = device(app, hold_until=now() + timedelta(hours=1))
    pages = (DEVICES, f"{DEVICES}{row.pk}/change/")
    assert ["On hold" in text(admin_client.get(path)) for path in pages] == [True, True]
    clock.advance(timedelta(hours=2))
    assert ["On hold" in text(admin_client.get(path)) for path in pages] == [False, False]


def test_the_buttons_of_a_device_do_what_they_say(app: App, admin_client: Client) -> None:
    row = device(app)

    def press(verb: str) -> Device | None:
        before = Device.objects.filter(pk=row.pk).values().get()
        led = admin_client.get(f"{DEVICES}{row.pk}/do/{verb}/", follow=True)
        assert led.redirect_chain == [(f"{DEVICES}{row.pk}/change/", 302)]
        assert "Nothing was done" in text(led)
        assert Device.objects.filter(pk=row.pk).values().get() == before
        assert admin_client.post(f"{DEVICES}{row.pk}/do/{verb}/").status_code == 302
        return Device.objects.filter(pk=row.pk).first()

    retired = press("retire")
    assert retired
    assert (retired.status, retired.retired_reason) == ("retired", "Retired by admin.")
    revived = press("revive")
    assert revived
    assert (revived.status, revived.retired_reason, revived.retired_at) == ("active", "", None)
    marked = press("test")
    assert marked
    assert marked.test
    assert admin_client.post(f"{DEVICES}{row.pk}/do/explode/").status_code == 404
    assert press("erase") is None


@pytest.mark.threats(10)
@pytest.mark.parametrize("address", ADDRESS_TRICKS)
def test_the_form_judges_addresses_as_the_api_does(app: App, admin_client: Client, address: str) -> None:
    answer = admin_client.post(f"{DEVICES}add/", {"app": app.pk, "service": "mpns", "address": address})
    assert answer.status_code == 200
    assert answer.context["form"].errors["address"]
    assert not Device.objects.exists()


def test_a_device_is_registered_by_hand(app: App, admin_client: Client) -> None:
    values = {"app": app.pk, "service": "mpns", "address": uri("ok.a-1"), "language": "DE_at", "tags": "ski, coast"}
    admin_client.post(f"{DEVICES}add/", values)
    row = Device.objects.get()
    assert row.language == "de-AT"
    assert set(row.tags.values_list("name", flat=True)) == {"ski", "coast"}


def test_the_list_finds_by_installation_address_id_and_number(app: App, admin_client: Client) -> None:
    rows = [device(app, number) for number in range(3)]
    ids = (str(rows[1].public_id), rows[1].public_id.hex.upper(), str(rows[1].pk))
    for words in ("phone-1", uri("ok.a-1"), *ids):
        found = admin_client.get(DEVICES, {"q": words}).context["cl"].result_list
        assert [row.pk for row in found] == [rows[1].pk]
    assert not admin_client.get(DEVICES, {"q": "%"}).context["cl"].result_list


def test_every_push_service_is_offered_and_no_device_is_asked_for_it(app: App, admin_client: Client) -> None:
    device(app)
    device(app, 2, service="other")  # of a version that knew one more
    with CaptureQueriesContext(connection) as seen:
        shown = admin_client.get(f"{DEVICES}?service=mpns").context["cl"]
    (services,) = [found for found in shown.filter_specs if found.title == "service"]
    assert services.lookup_choices == [(service.slug, service.label) for service in all_services()]
    assert [row.service for row in shown.result_list] == ["mpns"]
    assert not [
        query["sql"] for query in seen.captured_queries if 'DISTINCT "devices_device"."service"' in query["sql"]
    ]


def test_the_list_is_narrowed_by_what_devices_say(app: App, admin_client: Client) -> None:
    one = device(app, 1, language="de-AT", os_version="8.0", os_rank=rank("8.0"))
    Contact.objects.create(device=one, mark=mark(one.address_digest), connection="connected")
    moved = device(app, 3, language="fr")
    Contact.objects.create(device=moved, mark=mark(moved.address_digest), connection="connected")
    change(moved, Registration.read({"address": uri("ok.where-nobody-heard-of-it")}, moved))
    one.tags.add(Tag.objects.create(app=app, name="ski"))
    device(app, 2, language="fr", os_version="7.10", os_rank=rank("7.10"))
    for query in ("language=de", "os=8", "tag=ski", "connection=connected"):
        found = admin_client.get(f"{DEVICES}?{query}").context["cl"].result_list
        assert [row.pk for row in found] == [one.pk], query
    for query in ("language=%00", "os=x", "os=99999", "tag=" + "x" * 500, "status=%00", "p=999", "o=9.9"):
        assert admin_client.get(f"{DEVICES}?{query}").status_code in {200, 302}, query
        text(admin_client.get(f"{DEVICES}export/?{query}"))


def test_the_list_takes_as_many_queries_for_fifty_devices_as_for_one(app: App, admin_client: Client) -> None:
    def queries() -> int:
        admin_client.get(DEVICES)  # what the filters offer is looked up once a minute
        with CaptureQueriesContext(
            connection,
        ) as seen:
            admin_client.get(DEVICES)
        return len(seen)

    device(app)
    few = queries()
    load(
        app,
        io.BytesIO(("service,address,tags\n" + "".join(f"mpns,{uri(f'ok.b-{n}')},t\n" for n in range(60))).encode()),
    )
    assert queries() == few <= 25


def test_a_long_list_has_an_end_and_says_so(app: App, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "LISTED", 2)
    for number in range(4):
        device(app, number, language="de")
    answer = admin_client.get(DEVICES)
    assert answer.context["cl"].result_count == 2
    shown = text(answer)
    assert "the first 2 of 4; narrow the search to see the others" in shown
    assert "2 devices" not in shown
    narrowed = text(admin_client.get(f"{DEVICES}?language=de"))
    assert "2 results" not in narrowed
    assert narrowed.count("the first 2 of 4; narrow the search") == 2  # beside the search and beside the pages
    whole = text(admin_client.get(f"{DEVICES}?q=phone-3"))
    assert re.search(r"\b1 result\b", whole)
    assert "narrow the search" not in whole


def test_how_many_are_not_listed_is_counted_once_a_minute(
    app: App, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "LISTED", 2)
    counted: list[bool] = []
    count = QuerySet.count

    def counting(rows: Any) -> int:
        counted.append(rows.query.is_sliced)
        return count(rows)

    monkeypatch.setattr(QuerySet, "count", counting)
    for number in range(3):
        device(app, number, language="de")
    for _ in range(3):
        assert "of 3; narrow" in text(admin_client.get(DEVICES))
    assert counted.count(False) == 1
    assert "of 3; narrow" in text(admin_client.get(f"{DEVICES}?language=de"))
    assert counted.count(False) == 2


def test_the_export_holds_what_the_list_shows_and_no_formula(app: App, admin_client: Client) -> None:
    device(app, 1, model='=cmd|" /C calc"!A0', language="de", attributes={"town": "Köln"})
    device(app, 2, language="fr")
    answer = admin_client.get(f"{DEVICES}export/?language=de")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content = text(answer)
    assert content.startswith("\ufeff")
    (row,) = csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
    assert (row["model"], row["attributes"]) == ('\'=cmd|" /C calc"!A0', '{"town": "Köln"}')


@pytest.mark.threats(12)
def test_a_key_is_shown_once_and_opens_the_api_until_it_is_revoked(
    app: App, admin_client: Client, caller: Caller
) -> None:
    ApiKey.objects.all().delete()
    path = f"/devices/app/{app.pk}/"
    answer = admin_client.post(f"{path}keys/", {"name": "phones"})
    key = answer.context["key"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert key in text(answer)
    assert key not in text(admin_client.get(f"{path}change/"))
    assert caller.call("POST", "/devices", {"service": "mpns", "address": uri("ok.a")}, key=key)[0] == 201
    admin_client.post(f"{path}keys/{ApiKey.objects.get().pk}/revoke/")
    assert caller.call("POST", "/devices", {"service": "mpns", "address": uri("ok.a")}, key=key)[0] == 401


def test_only_what_was_done_is_told_as_a_success(app: App, admin_client: Client) -> None:
    row = device(app)
    key = f"/devices/app/{app.pk}/keys/{ApiKey.objects.create(app=app, digest='x').pk}/revoke/"
    for path, done, idle in (
        (key, "The key opens nothing any more.", "This key was revoked already."),
        (f"{DEVICES}{row.pk}/do/retire/", "Retired: nothing is sent to it any more.", "It was retired already."),
        (f"{DEVICES}{row.pk}/do/revive/", "Nothing is in its way any more.", "It was not retired."),
    ):
        for told, level, sign in ((done, "success", "done"), (idle, "info", "info")):
            shown = text(admin_client.post(path, follow=True))
            assert re.search(
                rf'<li class="{level}">\s*<svg[^>]*><use [^>]*#{sign}"></use></svg>\s*<span>{told}', shown
            ), told


@pytest.mark.threats(13)
def test_a_certificate_is_stored_told_and_never_shown(app: App, admin_client: Client) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    upload = pem(certificate(key, days=3650), key)
    path = f"/devices/app/{app.pk}/"
    file = SimpleUploadedFile("push.pem", upload)
    admin_client.post(f"{path}credentials/mpns/", {"mpns-file": file}, follow=True)
    stored = Credential.objects.get()
    assert stored.secret["key"].startswith("-----BEGIN PRIVATE KEY-----")
    shown = text(admin_client.get(f"{path}change/"))
    assert "CN=push.example.org" in shown
    assert stored.fingerprint in shown
    assert "PRIVATE KEY" not in shown
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM devices_credential")
        assert "PRIVATE KEY" not in cursor.fetchone()[0]
    admin_client.post(f"{path}credentials/mpns/", {"wish": "remove"})
    assert not Credential.objects.exists()


def test_an_upload_that_is_none_is_told_in_a_sentence_and_keeps_the_old_one(app: App, admin_client: Client) -> None:
    values: dict[str, Any] = {"secret": {"key": "old"}}
    Credential.objects.create(app=app, service="mpns", **values)
    path = f"/devices/app/{app.pk}/credentials/mpns/"
    answer = admin_client.post(path, {"mpns-file": SimpleUploadedFile("a.txt", b"hello")}, follow=True)
    assert "This is neither a PEM nor a PFX file." in text(answer)
    assert Credential.objects.get().secret == {"key": "old"}


def test_a_segment_is_written_counted_and_changed(app: App, admin_client: Client) -> None:
    device(app, 1, language="de-AT")
    device(app, 2, language="fr")
    values = {"app": app.pk, "name": "German", "match": "all", "c0-choice": "language:is", "c0-value": "de"}
    counted = text(admin_client.post("/devices/segment/count/", values))
    assert "<b>1</b>" in counted
    assert "Language is “de”" in counted
    assert admin_client.post("/devices/segment/add/", values).status_code == 302
    row = Segment.objects.get()
    assert row.rule == {"match": "all", "conditions": [{"field": "language", "op": "is", "value": "de"}]}
    page = f"/devices/segment/{row.pk}/change/"
    assert "device can be reached" in text(admin_client.get(page))
    wrong = admin_client.post(page, {**values, "c0-choice": "os_version:at_least", "c0-value": "eight"})
    assert "“eight” is not a version." in text(wrong)
    assert Segment.objects.get().rule == row.rule


@pytest.mark.threats(34)
@pytest.mark.parametrize(
    "values",
    [
        {"app": "x"},
        {"app": "9" * 30},
        {"match": "\0"},
        {"c0-choice": "x:y"},
        {"c999-choice": "tag:is", "c999-value": "\0"},
    ],
)
def test_nonsense_in_a_segment_gets_a_sentence(app: App, admin_client: Client, values: dict[str, str]) -> None:
    sent = {"app": str(app.pk), "name": "x", "match": "all", "c0-choice": "tag:is", "c0-value": "a", **values}
    assert "field-error" in text(admin_client.post("/devices/segment/count/", sent))
    assert admin_client.post("/devices/segment/add/", sent).status_code == 200
    assert not Segment.objects.exists()


def test_an_import_tells_what_became_of_the_file(app: App, admin_client: Client) -> None:
    good = f"service,address\nmpns,{uri('ok.a-1')}\nmpns,nowhere\n".encode()
    answer = admin_client.post(f"{DEVICES}import/", {"app": app.pk, "file": SimpleUploadedFile("a.csv", good)})
    assert (answer.context["report"].created, answer.context["report"].refused) == (1, 1)
    assert "Line 3: address" in text(answer)
    answer = admin_client.post(f"{DEVICES}import/", {"app": app.pk, "file": SimpleUploadedFile("a.png", b"\x89PNG")})
    assert answer.context["form"].errors["file"]


def test_a_new_app_is_shown_with_where_its_keys_are_made(admin_client: Client) -> None:
    form = {"name": "Weather", "slug": "weather", "time_zone": "UTC", "ask_again_above": "10000"}
    answer = admin_client.post("/devices/app/add/", form, follow=True)
    assert answer.redirect_chain == [(f"/devices/app/{App.objects.get().pk}/change/", 302)]
    assert "Make a key" in text(answer)


def test_deleting_an_app_tells_what_goes_with_it_in_numbers(app: App, admin_client: Client) -> None:
    for number in range(3):
        device(app, number)
    path = f"/devices/app/{app.pk}/delete/"
    shown = text(admin_client.get(path))
    assert "3 devices" in shown
    assert "phone-1" not in shown
    admin_client.post(path, {"post": "yes"})
    assert not App.objects.exists()


@pytest.mark.threats(29)
def test_who_may_only_look_changes_nothing(app: App) -> None:
    row = device(app)
    client = viewer("view_device", "view_app", "view_segment")
    segment = Segment.objects.create(app=app, name="All")
    assert client.get(f"{DEVICES}{row.pk}/change/").status_code == 200
    assert client.get(f"{DEVICES}export/").status_code == 403
    assert "Export CSV" not in text(client.get(DEVICES))
    before = [list(table.objects.values()) for table in (Device, ApiKey, Credential, Segment)]
    for path in (
        f"{DEVICES}add/",
        f"{DEVICES}import/",
        *(f"{DEVICES}{row.pk}/do/{verb}/" for verb in ("retire", "revive", "test", "erase")),
        f"/devices/app/{app.pk}/keys/",
        f"/devices/app/{app.pk}/keys/{ApiKey.objects.get().pk}/revoke/",
        f"/devices/app/{app.pk}/credentials/mpns/",
        "/devices/segment/add/",
        f"/devices/segment/{segment.pk}/change/",
    ):
        assert client.post(path, {"name": "x"}).status_code == 403, path
    assert [list(table.objects.values()) for table in (Device, ApiKey, Credential, Segment)] == before


def test_who_may_not_look_sees_nothing(app: App) -> None:
    row, client = device(app), viewer()
    for path in (DEVICES, f"{DEVICES}{row.pk}/change/", f"{DEVICES}export/", f"/devices/app/{app.pk}/change/"):
        assert client.get(path).status_code == 403, path
        assert Client().get(path).status_code == 302, path


@pytest.mark.parametrize("pk", ["0", "999", "9" * 30])
def test_what_is_not_there_gets_a_page(admin_client: Client, pk: str) -> None:
    for path in (f"{DEVICES}{pk}/change/", f"/devices/segment/{pk}/change/", f"/devices/app/{pk}/keys/"):
        answer = admin_client.post(path) if "keys" in path else admin_client.get(path)
        assert answer.status_code == 404, path
