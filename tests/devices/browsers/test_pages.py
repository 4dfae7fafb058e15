"""An App's page: the key for browsers, whose change costs them all, and the code for the site."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User
from django.test import Client

from devices.browsers.cors import clean_origin
from devices.models import App, Credential, Device, Site
from devices.push import vapid
from devices.push.vapid import KeyRefused
from tests.devices.browsers.conftest import ENDPOINT, PRIVATE, PUBLIC, Visitor


@pytest.fixture
def app(db: None) -> App:
    """An App without a key."""
    return App.objects.create(name="Weather", slug="weather")


def save(client: Client, app: App, **typed: str) -> str:
    """Send the form of the key; return what the page says then."""
    form = {f"webpush-{name}": value for name, value in typed.items() if name in {"contact", "private"}}
    more = {name: value for name, value in typed.items() if name in {"wish", "confirm"}}
    answer = client.post(f"/devices/app/{app.pk}/credentials/webpush/", {**form, **more}, follow=True)
    return answer.content.decode()


def stored(app: App) -> dict[str, Any]:
    row = Credential.objects.get(app=app, service="webpush")
    assert row.fingerprint == vapid.public_key(row.secret["private"])
    return {**row.secret, "public": row.fingerprint}


def test_a_key_is_made_with_one_click_and_never_shown(admin_client: Client, app: App) -> None:
    page = save(admin_client, app, contact="ops@example.org")
    made = stored(app)
    assert made["contact"] == "mailto:ops@example.org"
    assert made["public"] in page
    assert made["private"] not in page
    assert "mailto:ops@example.org" in page
    raw = Credential.objects.extra(select={"raw": "secret"}).values_list("raw", flat=True)[0]
    assert made["private"] not in str(raw)


def test_another_contact_keeps_the_key(admin_client: Client, app: App) -> None:
    save(admin_client, app, contact="ops@example.org")
    before = stored(app)
    Device.objects.create(app=app, service="webpush", address=ENDPOINT, address_digest="a", seen_at="2026-01-01T00:00Z")
    save(admin_client, app, contact="https://example.org/contact")
    assert stored(app) == {**before, "contact": "https://example.org/contact"}
    assert Device.objects.get().status == "active"


def test_a_key_can_be_brought_along(admin_client: Client, app: App) -> None:
    save(admin_client, app, contact="ops@example.org", private=PRIVATE + "=\n")
    assert stored(app)["public"] == PUBLIC


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"contact": "localhost"}, "Write whom push services may ask"),
        ({"contact": "ops@localhost"}, "is not a public name"),
        ({"contact": ""}, "This field is required"),
        ({"contact": "ops@example.org", "private": "x"}, "This is no private key"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(admin_client: Client, app: App, typed: dict[str, str], told: str) -> None:
    assert told in save(admin_client, app, **typed)
    assert not Credential.objects.exists()


@pytest.mark.parametrize("change", [{"wish": "renew"}, {"private": PRIVATE}, {"wish": "remove"}])
def test_a_change_that_loses_browsers_asks_for_the_apps_name_and_tells_how_many(
    admin_client: Client, app: App, change: dict[str, str]
) -> None:
    page = save(admin_client, app, contact="ops@example.org")
    assert "To take another one or none" not in page
    before = stored(app)
    for number in range(3):
        values: Any = {"address_digest": str(number), "seen_at": "2026-01-01T00:00Z"}
        Device.objects.create(app=app, service="webpush", address=f"{ENDPOINT}{number}", **values)
    phone = Device.objects.create(app=app, service="mpns", address="x", address_digest="x", seen_at="2026-01-01T00:00Z")
    assert "3 devices are bound to this one" in admin_client.get(f"/devices/app/{app.pk}/change/").content.decode()
    for word in ("", "weather", "Weather!"):
        page = save(admin_client, app, contact="ops@example.org", confirm=word, **change)
        assert "Nothing was changed: 3 devices would be lost for good." in page
        assert stored(app) == before
    assert not Device.objects.filter(status="retired").exists()
    page = save(admin_client, app, contact="ops@example.org", confirm=" Weather ", **change)
    assert "3 devices are retired." in page
    if change.get("wish") == "remove":
        assert not Credential.objects.exists()
    else:
        assert stored(app)["private"] != before["private"]
    reasons = set(Device.objects.filter(service="webpush").values_list("status", "retired_reason"))
    assert reasons == {("retired", "It is bound to credentials that were replaced.")}
    phone.refresh_from_db()
    assert phone.status == "active"


@pytest.mark.parametrize("change", [{"wish": "renew"}, {}, {"wish": "remove"}])
def test_a_key_that_cannot_be_read_any_more_still_has_its_browsers(
    admin_client: Client, app: App, settings: Any, change: dict[str, str]
) -> None:
    save(admin_client, app, contact="ops@example.org")
    before = stored(app)
    Device.objects.create(app=app, service="webpush", address=ENDPOINT, address_digest="a", seen_at="2026-01-01T00:00Z")
    own, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, [Fernet.generate_key().decode()]
    assert "1 devices would be lost" in save(admin_client, app, contact="ops@example.org", **change)
    assert Credential.objects.get().fingerprint == before["public"]
    brought = save(admin_client, app, contact="ops@example.org", private=before["private"])  # the very same key
    assert "are stored" in brought
    assert (Device.objects.get().status, stored(app)["public"]) == ("active", before["public"])
    settings.ENCRYPTION_KEYS = own


def test_a_key_nobody_subscribed_with_is_replaced_without_a_word(admin_client: Client, app: App) -> None:
    save(admin_client, app, contact="ops@example.org")
    before = stored(app)
    save(admin_client, app, contact="ops@example.org", wish="renew")
    assert stored(app)["private"] != before["private"]


def site(client: Client, app: App, origins: str, **more: str) -> str:
    return client.post(f"/devices/app/{app.pk}/site/", {"origins": origins, **more}, follow=True).content.decode()


def test_the_code_for_the_site_is_made_for_this_app(admin_client: Client, app: App) -> None:
    save(admin_client, app, contact="ops@example.org")
    page = site(admin_client, app, "https://www.example.org/\nhttp://localhost:8090, https://EXAMPLE.org:443")
    row = Site.objects.get()
    assert [one.origin for one in row.origins.all()] == [
        "http://localhost:8090",
        "https://example.org",
        "https://www.example.org",
    ]
    public = stored(app)["public"]
    for text in (row.key, public, "http://testserver/api/v1", "pushadmin.subscribe"):
        assert text in page
    worker = admin_client.get(f"/devices/app/{app.pk}/site-worker.js")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    assert "pushadmin-worker.js" in worker.headers["Content-Disposition"]
    for text in (row.key, public, "http://testserver/api/v1", "PushAdmin 1, made for the App “weather”"):
        assert text in worker.content.decode()
    own = admin_client.get(f"/devices/app/{app.pk}/worker.js").content.decode()
    assert row.key not in own
    assert public in own
    assert stored(app)["private"] not in page + worker.content.decode() + own


def test_another_key_ends_the_former_one(admin_client: Client, app: App) -> None:
    save(admin_client, app, contact="ops@example.org", private=PRIVATE)
    site(admin_client, app, "https://www.example.org")
    former = Visitor(Site.objects.get().key)
    assert former.subscribe()[0] == 201
    site(admin_client, app, "https://www.example.org", wish="renew")
    assert former.subscribe()[0] == 401
    assert Visitor(Site.objects.get().key).subscribe()[0] == 200


@pytest.mark.parametrize(
    "typed", ["www.example.org", "http://www.example.org", "*", "https://*.example.org", "null", "https://a b"]
)
def test_what_is_no_origin_changes_nothing(admin_client: Client, app: App, typed: str) -> None:
    save(admin_client, app, contact="ops@example.org")
    site(admin_client, app, "https://kept.example.org")
    page = site(admin_client, app, f"https://good.example.org\n{typed}")
    assert "is no origin" in page or "must begin with https" in page
    assert [one.origin for one in Site.objects.get().origins.all()] == ["https://kept.example.org"]
    with pytest.raises(KeyRefused):
        clean_origin(typed)


def test_too_many_origins_are_refused(admin_client: Client, app: App) -> None:
    assert "50 are allowed" in site(admin_client, app, "\n".join(f"https://a{n}.example.org" for n in range(51)))
    assert not Site.objects.exists()


@pytest.mark.threats(29)
def test_who_may_not_change_an_app_changes_neither_key_nor_site(app: App, client: Client) -> None:
    person = User.objects.create_user("eve", password="x", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_app", "view_device"]))
    client.force_login(person)
    assert (
        client.post(f"/devices/app/{app.pk}/credentials/webpush/", {"webpush-contact": "ops@example.org"}).status_code
        == 403
    )
    assert client.post(f"/devices/app/{app.pk}/site/", {"origins": "https://evil.example"}).status_code == 403
    assert not Credential.objects.exists()
    assert not Site.objects.exists()
