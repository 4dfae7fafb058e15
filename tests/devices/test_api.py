"""The registration API from the outside: what it stores, what it refuses, and that it tells nobody more than theirs."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from devices import api as api_module
from devices.common.limits import Limit
from devices.common.secrets import digest
from devices.models import ApiKey, App, Device
from tests.devices.conftest import KEY, Caller, uri
from tests.waiting import ended

FULL = {
    "installation": "phone-1",
    "language": "DE_at",
    "time_zone": "Europe/Vienna",
    "os_version": "8.0.10517",
    "app_version": "3.1",
    "model": "Nokia Lumia 920",
    "tags": ["ski", "coast", "ski"],
    "attributes": {"town": "Wien", "level": 3, "paid": True},
}


def test_a_new_device_is_created_with_all_it_says(caller: Caller) -> None:
    status, answer = caller.register(**FULL)
    assert status == 201
    device = Device.objects.get(public_id=answer["id"])
    assert device.secret_digest == digest(answer["secret"])
    assert (device.language, device.time_zone, device.os_version) == ("de-AT", "Europe/Vienna", "8.0.10517")
    assert set(device.tags.values_list("name", flat=True)) == {"ski", "coast"}
    assert device.attributes == {"town": "Wien", "level": 3, "paid": True}


def test_the_same_address_renews_its_device_which_gets_a_new_secret(caller: Caller) -> None:
    _, first = caller.register(**FULL)
    status, again = caller.register(language="fr")
    assert (status, again["id"]) == (200, first["id"])
    device = Device.objects.get()
    assert (device.language, device.installation, device.tags.count()) == ("fr", "phone-1", 2)
    assert caller.call("GET", f"/devices/{first['id']}", key=first["secret"])[0] == 401
    assert caller.call("GET", f"/devices/{first['id']}", key=again["secret"])[0] == 200


@pytest.mark.threats(16, 18)
def test_to_know_an_installation_is_worth_nothing(caller: Caller) -> None:
    _, victim = caller.register(**FULL)
    before = list(Device.objects.values())
    known = caller.register(installation="phone-1", address=uri("ok.a-evil"), language="xx")
    unknown = caller.register(installation="phone-none", address=uri("ok.a-evil-2"), language="xx")
    assert known[0] == unknown[0] == 201
    assert set(known[1]) == set(unknown[1])
    assert known[1]["id"] != victim["id"]
    assert list(Device.objects.filter(public_id=victim["id"]).values()) == before
    own = caller.call("GET", f"/devices/{victim['id']}", key=victim["secret"])
    assert (own[0], own[1]["address"], own[1]["tags"]) == (200, uri("ok.a-1"), ["coast", "ski"])
    for method in ("GET", "PATCH", "DELETE"):
        assert caller.call(method, f"/devices/{victim['id']}", {}, key=known[1]["secret"])[0] == 401


@pytest.mark.threats(16)
def test_a_client_that_lost_its_secret_goes_on_and_takes_nothing_from_anybody(caller: Caller) -> None:
    _, lost = caller.register(**FULL)
    status, again = caller.register(**FULL)  # its address is still the same: it is renewed
    assert (status, again["id"]) == (200, lost["id"])
    status, fresh = caller.register(**{**FULL, "address": uri("ok.a-new")})  # it has a new one: it is a new device
    assert status == 201
    assert caller.call("GET", f"/devices/{again['id']}", key=again["secret"])[0] == 200
    assert caller.call("GET", f"/devices/{fresh['id']}", key=fresh["secret"])[0] == 200
    assert Device.objects.filter(installation="phone-1").count() == 2


def test_a_device_moves_to_a_new_address_by_its_own_secret(caller: Caller) -> None:
    _, own = caller.register(**FULL)
    status, shown = caller.call("PATCH", f"/devices/{own['id']}", {"address": uri("ok.a-2")}, key=own["secret"])
    assert (status, shown["address"], shown["language"]) == (200, uri("ok.a-2"), "de-AT")
    assert Device.objects.count() == 1


def test_a_retired_device_comes_back_to_life(caller: Caller) -> None:
    caller.register(**FULL)
    Device.objects.update(status=Device.Status.RETIRED, retired_reason="expired", retired_by=7)
    assert caller.register(**FULL)[0] == 200
    assert list(Device.objects.values_list("status", "retired_reason", "retired_by")) == [("active", "", None)]


@pytest.mark.faults(57)
def test_fifty_identical_registrations_at_once_make_one_row(
    transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMULATOR = "127.0.0.1:9100"
    monkeypatch.setattr(api_module, "PER_ADDRESS", Limit("off", 10_000))
    app = App.objects.create(name="Weather", slug="weather")
    ApiKey.objects.create(app=app, name="phones", digest=digest(KEY), hint=KEY[:8])
    statuses: list[int] = []

    def one() -> None:
        try:
            statuses.append(Caller().register(**FULL)[0])
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    ended(*threads)
    assert sorted(statuses) == [200] * 49 + [201]
    assert Device.objects.count() == 1


def test_a_device_reads_changes_and_erases_itself_by_its_secret(caller: Caller) -> None:
    _, own = caller.register(**FULL)
    path, secret = f"/devices/{own['id']}", own["secret"]
    status, shown = caller.call("GET", path, key=secret)
    assert (status, shown["tags"], shown["status"]) == (200, ["coast", "ski"], "active")
    status, shown = caller.call("PATCH", path, {"language": "fr", "tags": []}, key=secret)
    assert (status, shown["language"], shown["tags"], shown["model"]) == (200, "fr", [], "Nokia Lumia 920")
    assert caller.call("DELETE", path, key=secret) == (204, None)
    assert not Device.objects.exists()
    assert caller.call("GET", path, key=secret)[0] == 401


@pytest.mark.threats(16, 18)
def test_no_way_leads_to_somebody_elses_device(caller: Caller) -> None:
    _, mine = caller.register(installation="mine")
    _, other = caller.register(installation="other", address=uri("ok.a-2"))
    for method in ("GET", "PATCH", "DELETE"):
        foreign = caller.call(method, f"/devices/{other['id']}", {}, key=mine["secret"])
        unknown = caller.call(method, f"/devices/{uuid.uuid4()}", {}, key=mine["secret"])
        assert foreign == unknown
        assert foreign[0] == 401
        assert caller.call(method, f"/devices/{other['id']}", {}, key=KEY)[0] == 401
        assert caller.call(method, f"/devices/{other['id']}", {}, key="")[0] == 401
    assert Device.objects.count() == 2


@pytest.mark.threats(12)
def test_a_made_up_secret_is_looked_up_by_an_index_and_not_in_every_row(caller: Caller) -> None:
    _, own = caller.register()
    with CaptureQueriesContext(connection) as asked:
        assert caller.call("GET", f"/devices/{own['id']}", key="ds_made-up")[0] == 401
    conditions = [query["sql"].partition("WHERE")[2] for query in asked if "devices_device" in query["sql"]]
    assert len(conditions) == 1
    assert "public_id" in conditions[0]
    assert "secret_digest" not in conditions[0]


@pytest.mark.threats(16)
def test_a_change_takes_nothing_from_another_device(caller: Caller) -> None:
    _, mine = caller.register(installation="mine")
    caller.register(installation="other", address=uri("ok.a-2"))
    before = list(Device.objects.order_by("pk").values())
    status, answer = caller.call("PATCH", f"/devices/{mine['id']}", {"address": uri("ok.a-2")}, key=mine["secret"])
    assert (status, answer["detail"].split()[0]) == (409, "address")
    assert list(Device.objects.order_by("pk").values()) == before


@pytest.mark.threats(15)
@pytest.mark.parametrize("change", [{"scope": ApiKey.Scope.SEND}, {"revoked_at": "2026-01-01T00:00Z"}])
def test_a_key_opens_only_what_it_is_for(caller: Caller, change: dict[str, Any]) -> None:
    ApiKey.objects.update(**change)
    status, answer = caller.register()
    assert status == 401
    assert answer["detail"].startswith("This needs")


ADDRESS_TRICKS = [
    "http://127.0.0.1:9101/throttledthirdparty/01.00/ok.a",
    "http://127.0.0.1/throttledthirdparty/01.00/ok.a",
    "http://169.254.169.254/throttledthirdparty/01.00/x",
    "http://db3.notify.live.net@127.0.0.1:9100/throttledthirdparty/01.00/x",
    "http://db3.notify.live.net\\@evil.example/throttledthirdparty/01.00/x",
    "http://db3.notify.live.net.evil.example/throttledthirdparty/01.00/x",
    "http://evilnotify.live.net/throttledthirdparty/01.00/x",
    "file:///etc/passwd",
    "x" * 5000,
    "http://db3.notify.live.net/throttledthirdparty/01.00/a\r\nX-Evil: 1",
]


@pytest.mark.threats(1, 10)
@pytest.mark.parametrize("address", ADDRESS_TRICKS)
def test_a_foreign_or_malformed_address_is_refused_when_made_and_when_changed(caller: Caller, address: str) -> None:
    status, answer = caller.register(address=address)
    assert status == 422
    assert "address" in answer["detail"]
    _, own = caller.register()
    changed = caller.call("PATCH", f"/devices/{own['id']}", {"address": address}, key=own["secret"])
    assert changed == (422, answer)
    assert Device.objects.get().address == uri("ok.a-1")


@pytest.mark.threats(19, 52)
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"time_zone": "Europe/Wien"}, "time_zone"),
        ({"language": "german please"}, "language"),
        ({"tags": ["x" * 1000]}, "tags"),
        ({"tags": "ski"}, "tags"),
        ({"tags": ["a\u202eb"]}, "tags"),
        ({"tags": [str(number) for number in range(51)]}, "tags"),
        ({"attributes": {"Town": "x"}}, "attributes"),
        ({"attributes": {"town": {"deep": 1}}}, "attributes"),
        ({"attributes": {"town": float("inf")}}, "attributes"),
        ({"model": "a\x00b"}, "model"),
        ({"model": ["x"]}, "model"),
        ({"installation": "x" * 201}, "installation"),
        ({"service": "carrier-pigeon"}, "service"),
        ({"service": None}, "service"),
        ({"address": None}, "address"),
        ({"app": 3}, "app"),
        ({"status": "retired"}, "status"),
    ],
)
def test_bad_input_gets_a_sentence_that_names_the_field(caller: Caller, fields: dict[str, Any], named: str) -> None:
    status, answer = caller.register(**fields)
    assert status == 422
    assert named in answer["detail"]
    assert answer["detail"].endswith(".")
    assert not Device.objects.exists()


def test_every_problem_is_told_at_once(caller: Caller) -> None:
    _, answer = caller.register(language="german please", time_zone="Mars/Base")
    assert "language" in answer["detail"]
    assert "time_zone" in answer["detail"]


@pytest.mark.threats(14, 52)
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b'{"model": "' + b"x" * 1_000_000 + b'"}', "application/json", 413),
        (b'{"tags": ["' + b"x" * 20_000 + b'"]}', "application/json", 413),
    ],
)
def test_a_body_that_is_none_is_refused(caller: Caller, body: bytes, kind: str, status: int) -> None:
    answer = caller.call("POST", "/devices", body, content_type=kind)
    assert answer[0] == status
    assert answer[1]["detail"].endswith(".")


@pytest.mark.threats(14)
def test_calls_are_limited_by_address_also_with_wrong_keys(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "PER_ADDRESS", Limit("few", 5))
    statuses = [caller.call("POST", "/devices", {}, key="wrong")[0] for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    assert 1 <= int(caller.last.headers["Retry-After"]) <= 61
    forged = caller.call("POST", "/devices", {}, headers={"X-Forwarded-For": "9.9.9.9"})
    assert forged[0] == 429


@pytest.mark.threats(14)
def test_calls_are_limited_by_key(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "PER_KEY", Limit("few", 3))
    assert [caller.register()[0] for _ in range(4)] == [201, 200, 200, 429]


@pytest.mark.threats(12)
def test_a_key_is_nowhere_to_be_read(caller: Caller) -> None:
    _, own = caller.register()
    for table in (ApiKey, Device):
        for row in table.objects.values():
            assert KEY not in str(row)
            assert own["secret"] not in str(row)


def test_the_last_use_of_a_key_is_noted_but_not_at_every_call(caller: Caller) -> None:
    caller.register()
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    caller.register()
    assert ApiKey.objects.get().last_used_at == first


def test_the_page_of_the_api_keeps_the_policy(caller: Caller) -> None:
    page = caller.client.get("/api/v1/docs")
    assert page.status_code == 200
    assert b"cdn" not in page.content
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/devices/", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/devices", 405),
        ("GET", "/devices", 405),
        ("POST", "/devices/not-an-id", 404),
        ("GET", f"/devices/{'9' * 40}", 404),
        ("GET", "/devices/%00", 404),
    ],
)
def test_every_error_is_json_whoever_made_it(caller: Caller, method: str, path: str, status: int) -> None:
    found, answer = caller.call(method, path, {})
    assert (found, list(answer)) == (status, ["detail"])
    assert caller.last.headers["Content-Type"].startswith("application/json")
    assert status != 405 or "Allow" in caller.last.headers


def test_a_foreign_host_and_a_database_that_is_away_are_told_in_json_too(
    caller: Caller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_HOSTS = ["push.example.org"]
    assert caller.register()[0] == 400
    settings.ALLOWED_HOSTS = ["testserver"]
    caller.client.raise_request_exception = False

    def away(*args: Any) -> int:
        raise OperationalError("away")

    monkeypatch.setattr(api_module, "PER_ADDRESS", type("Away", (), {"exceeded": away}))
    status, answer = caller.register()
    assert (status, list(answer)) == (503, ["detail"])
    assert caller.last.headers["Retry-After"] == "5"
