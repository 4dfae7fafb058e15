"""What a page may do with a publishable key, and everything it may not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import api as api_module
from devices.browsers import cors
from devices.browsers.user_agents import model_of
from devices.common.limits import Limit
from devices.models import App, Device, Site
from devices.push.vapid import encoded, new_key, public_key
from tests.devices.browsers.conftest import ENDPOINT, ORIGIN, PUBLIC, Visitor, key_for, only, subscription
from tests.devices.push.vector import AUTH, UA_PUBLIC, raw

GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"
OTHER = "https://fcm.googleapis.com/fcm/send/new-1"


def test_a_visitor_is_registered_with_all_that_the_page_says(visitor: Visitor) -> None:
    status, told = visitor.subscribe(
        language="de_at", time_zone="Europe/Vienna", tags=["news"], attributes={"plan": "pro"}, installation="u-7"
    )
    device = only()
    assert (status, told) == (201, {"id": str(device.public_id)})
    assert (device.service, device.address, device.keys) == ("webpush", ENDPOINT, {"p256dh": UA_PUBLIC, "auth": AUTH})
    assert (device.language, device.time_zone, device.installation) == ("de-AT", "Europe/Vienna", "u-7")
    assert device.attributes == {"plan": "pro"}
    assert [tag.name for tag in device.tags.all()] == ["news"]
    assert device.model == "Firefox 140, Linux"
    assert visitor.last.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in visitor.last.headers
    assert "Origin" in visitor.last.headers["Vary"]


def test_the_same_browser_on_every_visit_is_one_device(visitor: Visitor) -> None:
    assert visitor.subscribe(tags=["news"])[0] == 201
    first = only()
    assert visitor.subscribe(language="fr")[0] == 200
    again = only()
    assert (again.pk, again.language, [tag.name for tag in again.tags.all()]) == (first.pk, "fr", ["news"])


def test_a_visitor_who_unsubscribes_is_kept_as_retired_and_may_come_back(visitor: Visitor) -> None:
    visitor.subscribe()
    assert visitor.unsubscribe() == (204, None)
    assert (only().status, only().retired_reason) == ("retired", "Its visitor unsubscribed.")
    assert visitor.unsubscribe() == (204, None)
    assert visitor.subscribe()[0] == 200
    assert only().status == "active"


def test_a_renewed_subscription_keeps_the_device(visitor: Visitor) -> None:
    visitor.subscribe(tags=["news"])
    first = only()
    assert visitor.subscribe(OTHER, former={"endpoint": ENDPOINT, "auth": AUTH})[0] == 200
    assert (only().pk, only().address) == (first.pk, OTHER)


def test_a_renewal_that_comes_late_leaves_one_device_that_is_sent_to(visitor: Visitor) -> None:
    visitor.subscribe()
    visitor.subscribe(OTHER)
    assert visitor.subscribe(OTHER, former={"endpoint": ENDPOINT, "auth": AUTH})[0] == 200
    assert {device.address: device.status for device in Device.objects.all()} == {ENDPOINT: "retired", OTHER: "active"}


@pytest.mark.threats(16, 18)
def test_who_knows_an_endpoint_alone_takes_nothing_from_its_browser(visitor: Visitor) -> None:
    visitor.subscribe()
    wrong = encoded(b"x" * 16)
    status, told = visitor.call("POST", {"subscription": subscription(auth=wrong)})
    assert (status, told) == (
        409,
        {"detail": "This endpoint is known with other keys, and a browser never changes them."},
    )
    assert visitor.unsubscribe(auth=wrong) == (204, None)
    assert visitor.subscribe(OTHER, former={"endpoint": ENDPOINT, "auth": wrong})[0] == 201
    kept = Device.objects.get(address=ENDPOINT)
    assert (kept.status, kept.keys) == ("active", {"p256dh": UA_PUBLIC, "auth": AUTH})


@pytest.mark.threats(15, 17, 18)
def test_a_publishable_key_opens_nothing_else(visitor: Visitor) -> None:
    _, told = visitor.subscribe()
    for method, path in [
        ("GET", f"/api/v1/devices/{told['id']}"),
        ("PATCH", f"/api/v1/devices/{told['id']}"),
        ("DELETE", f"/api/v1/devices/{told['id']}"),
        ("POST", "/api/v1/devices"),
    ]:
        assert visitor.call(method, {"service": "webpush", "address": OTHER}, path=path)[0] == 401
    assert visitor.call("GET", b"", path="/api/v1/browsers")[0] == 405
    assert Device.objects.count() == 1


@pytest.mark.threats(15)
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://www.example.org",
        "https://www.example.org:8443",
        "null",
        "",
        "https://example.org",
    ],
)
def test_a_key_on_another_page_registers_nobody_and_the_page_reads_nothing(visitor: Visitor, origin: str) -> None:
    status, told = visitor.call("POST", {"subscription": subscription()}, origin=origin)
    assert status == 403
    assert "This key is not for pages of" in told["detail"]
    assert "Access-Control-Allow-Origin" not in visitor.last.headers
    assert not Device.objects.exists()


def test_a_key_of_another_site_is_for_its_own_pages(visitor: Visitor) -> None:
    app = App.objects.create(name="Other", slug="other")
    key_for(app)
    Site.objects.create(app=app, key="site_other").origins.create(origin="https://other.example.org")
    assert visitor.call("POST", {"subscription": subscription()}, key="site_other")[0] == 403
    assert visitor.call("POST", {"subscription": subscription()}, key="site_unknown")[0] == 401
    assert visitor.call("POST", {"subscription": subscription()}, key="\0")[0] == 401
    mine = visitor.call("POST", {"subscription": subscription()}, key="site_other", origin="https://other.example.org")
    assert mine[0] == 201
    assert only().app == app


def test_a_browser_that_asks_first_is_told_by_its_origin(visitor: Visitor) -> None:
    asked = visitor.client.options("/api/v1/browsers", headers={"Origin": ORIGIN})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert asked.headers["Access-Control-Allow-Methods"] == "POST, DELETE"
    assert asked.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    for origin in ("https://evil.example", "*", "null", "x" * 400, "\0"):
        asked = visitor.client.options("/api/v1/browsers", headers={"Origin": origin})
        assert asked.status_code == 403
        assert "Access-Control-Allow-Origin" not in asked.headers


@pytest.mark.threats(51)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "subscription is missing"),
        ({"subscription": "x"}, "subscription is missing"),
        ({"subscription": subscription("http://updates.push.services.mozilla.com/x")}, "must begin with https"),
        ({"subscription": subscription("https://push.unknown.example/x")}, "is not a host of this push service"),
        ({"subscription": subscription(p256dh=encoded(raw(UA_PUBLIC)[:64]))}, "p256dh has 64 bytes"),
        ({"subscription": subscription(p256dh=encoded(raw(UA_PUBLIC)[:64] + b"\x0f"))}, "no point"),
        ({"subscription": subscription(auth=encoded(b"x" * 15))}, "auth has 15 bytes"),
        ({"subscription": {"endpoint": ENDPOINT}}, "keys"),
        ({"subscription": subscription(), "former": {"endpoint": ENDPOINT}}, "former must have"),
        ({"subscription": subscription(), "test": True}, "There is no field “test”"),
        ({"subscription": subscription(), "service": "webpush"}, "There is no field “service”"),
        ({"subscription": subscription(), "tags": "news"}, "tags must be a list"),
        ({"subscription": subscription(), "language": 7}, "language must be text"),
    ],
)
def test_bad_input_gets_a_sentence_and_changes_nothing(visitor: Visitor, body: dict[str, Any], told: str) -> None:
    status, answer = visitor.call("POST", body)
    assert status == 422
    assert told in answer["detail"]
    assert not Device.objects.exists()


def test_a_browser_that_subscribed_with_another_key_is_told_so(visitor: Visitor, site: Site) -> None:
    status, told = visitor.subscribe(application_key=public_key(new_key()))
    assert status == 409
    assert "with another key than this App's" in told["detail"]
    site.app.credentials.all().delete()
    status, told = visitor.subscribe(application_key=PUBLIC)
    assert (status, "no key for browsers yet" in told["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"language": "en-US@posix", "time_zone": "Europe/Vienna"}, ("", "Europe/Vienna")),
        ({"language": "de-DE-u-co-phonebk", "time_zone": "Etc/Unknown"}, ("", "")),
        ({"language": "de", "time_zone": "+02:00"}, ("de", "")),
    ],
)
def test_what_a_browser_tells_of_itself_refuses_no_visitor(
    visitor: Visitor, said: dict[str, str], kept: tuple[str, str]
) -> None:
    assert visitor.subscribe(**said)[0] == 201
    assert (only().language, only().time_zone) == kept


def test_preflights_are_counted(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cors, "PER_ADDRESS", Limit("few-preflights", 2))
    asked = [visitor.client.options("/api/v1/browsers", headers={"Origin": ORIGIN}).status_code for _ in range(3)]
    assert asked == [204, 204, 429]


def test_padding_and_the_other_alphabet_are_the_same_browser(visitor: Visitor) -> None:
    visitor.subscribe()
    other = UA_PUBLIC.replace("-", "+").replace("_", "/") + "="
    assert visitor.call("POST", {"subscription": subscription(p256dh=other, auth=AUTH + "==")})[0] == 200
    assert visitor.unsubscribe(auth=AUTH + "==") == (204, None)
    assert only().status == "retired"


@pytest.mark.threats(14, 49)
def test_calls_are_limited_by_address_and_by_key(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "PER_KEY", Limit("few-by-key", 2))
    assert [visitor.subscribe()[0] for _ in range(3)] == [201, 200, 429]
    monkeypatch.setattr(api_module, "PER_KEY", Limit("off", 10**6))
    monkeypatch.setattr(api_module, "PER_ADDRESS", Limit("few-by-address", 2))
    assert [visitor.subscribe(application_key="x")[0] for _ in range(3)] == [409, 409, 429]
    assert visitor.last.headers["Access-Control-Allow-Origin"] == ORIGIN  # so that the page can tell its visitor


@pytest.mark.threats(52)
def test_a_body_that_is_none_is_refused(visitor: Visitor) -> None:
    assert visitor.call("POST", b"{")[0] == 400
    assert visitor.call("POST", b"[]")[0] == 422
    assert visitor.call("POST", b" " * 20_000)[0] == 413
    assert visitor.call("DELETE", {"subscription": []})[0] == 422


def test_a_visit_costs_few_queries(visitor: Visitor) -> None:
    visitor.subscribe(tags=["news"])
    with CaptureQueriesContext(connection) as asked:
        visitor.subscribe(tags=["news"])
    assert len(asked) <= 22


@pytest.mark.parametrize(
    ("user_agent", "model"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {GECKO} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge 142, Windows",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {GECKO} Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome 142, Android",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {GECKO} Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari 18, iPhone",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {GECKO} Version/18.5 Safari/605.1.15", "Safari 18, macOS"),
        ("curl/8.0", ""),
        ("", ""),
        ("Firefox/" + "9" * 10_000, "Firefox 9999"),
    ],
)
def test_a_browser_is_recognised_by_what_it_says_of_itself(user_agent: str, model: str) -> None:
    assert model_of(user_agent) == model
