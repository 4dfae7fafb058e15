"""What an App shows FCM, APNs and WNS: refused at the door in words, checked by the service itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from devices.models import App, Credential
from devices.registration import Registration, RegistrationRefused
from tests.campaigns.fleet import handed_out
from tests.emulator import EmulatorProcess

SID = "ms-app://s-1-15-2-1-2-3-4-5-6-7"
GUID = "00000000-1111-2222-3333-444444444444"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """An emulator with a door for TLS."""
    with EmulatorProcess("--tls-port", "0", "--tls-folder", str(tmp_path_factory.mktemp("tls"))) as emulator:
        yield emulator


@pytest.fixture
def app(db: None) -> App:
    return App.objects.create(name="Shop", slug="shop")


@pytest.fixture
def through(emulator: EmulatorProcess, settings: Any) -> EmulatorProcess:
    """Let the emulator through."""
    settings.EMULATOR = emulator.url.removeprefix("http://")
    settings.EMULATOR_TLS = emulator.secure_url.removeprefix("https://")
    settings.EMULATOR_AUTHORITY = str(emulator.authority)
    return emulator


def rsa_pem(bits: int = 2048) -> str:
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA = rsa_pem()


def p8(password: bytes | None = None, curve: ec.EllipticCurve | None = None) -> str:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode()


def account(**changed: Any) -> dict[str, Any]:
    """Return a service account as Google's console gives it."""
    told = {
        "type": "service_account",
        "project_id": "shop-12345",
        "private_key_id": "abc",
        "private_key": RSA,
        "client_email": "push@shop-12345.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return {name: value for name, value in (told | changed).items() if value is not None}


def certificate(topic: str, ends: timedelta = 30 * DAY) -> str:
    """Return PEM of a certificate for ``topic`` with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Push"), x509.NameAttribute(NameOID.USER_ID, topic)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime.now(UTC) - 60 * DAY)
        .not_valid_after(datetime.now(UTC) + ends)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return made.public_bytes(Encoding.PEM).decode() + pem


def post(client: Client, app: App, service: str, **fields: Any) -> str:
    """Fill in the form of a service; return what the page says."""
    named = {
        f"{service}-{name}": SimpleUploadedFile("file", value.encode()) if name in FILES else value
        for name, value in fields.items()
    }
    answer = client.post(f"/devices/app/{app.pk}/credentials/{service}/", named)
    assert answer.status_code == 302
    return " ".join(str(one) for one in get_messages(answer.wsgi_request))


FILES = {"account", "signing_key", "file"}
KEY = {"topic": "org.example.shop", "team_id": "TEAM123456", "key_id": "KEY1234567"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (json.dumps(account(type="authorized_user")), "This is no service account"),
        ('{"project_info": {}}', "google-services.json, which belongs into the app"),
        ("no json", "This is no service account"),
        ("[1]", "This is no service account"),
        (json.dumps(account(private_key=None)), "lacks private_key"),
        (json.dumps(account(client_email=7)), "lacks client_email"),
        (json.dumps(account(project_id="../x")), "project_id is not one"),
        (json.dumps(account(client_email="\ud800@shop-12345.example")), "client_email is not one"),
        (json.dumps(account(client_email="push\0@shop-12345.example")), "client_email is not one"),
        (json.dumps(account(client_email="push@" + "x" * 400)), "client_email is not one"),
        (
            json.dumps(account(token_uri="https://oauth2.googleapis.com.evil.example/token")),
            "token_uri is not Google's",
        ),
        (json.dumps(account(token_uri="http://169.254.169.254/token")), "token_uri is not Google's"),
        (json.dumps(account(token_uri="https://127.0.0.1:1/elsewhere")), "token_uri is not Google's"),
        (json.dumps(account(token_uri="https://127.0.0.1:1/token")), "not a server that credentials may be shown to"),
        (json.dumps(account(private_key=p8())), "The private key must be RSA"),
        (json.dumps(account(private_key=rsa_pem(1024))), "at least 2048 bits"),
        (json.dumps(account(private_key="-----BEGIN PRIVATE KEY-----\nx")), "no private key that can be read"),
        ("x" * 70_000, "not the file as it was downloaded"),
    ],
)
def test_a_service_account_that_cannot_be_used_gets_a_sentence(
    admin_client: Client, app: App, given: str, told: str
) -> None:
    assert told in post(admin_client, app, "fcm", account=given)
    assert not Credential.objects.exists()


def test_a_service_account_of_another_project_gets_a_sentence(admin_client: Client, app: App) -> None:
    said = post(admin_client, app, "fcm", account=json.dumps(account()), project_id="other-54321")
    assert "belongs to the project shop-12345, not to other-54321" in said
    assert not Credential.objects.exists()


def test_a_service_account_is_stored_told_and_never_shown(admin_client: Client, app: App) -> None:
    assert "are stored: push@shop-12345" in post(admin_client, app, "fcm", account=json.dumps(account()))
    page = admin_client.get(f"/devices/app/{app.pk}/change/").content.decode()
    assert "push@shop-12345.iam.gserviceaccount.com" in page
    assert "PRIVATE KEY" not in page
    assert "PRIVATE KEY" not in repr(Credential.objects.get()) + str(Credential.objects.get())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({**KEY, "signing_key": p8(b"secret")}, "protected by a passphrase"),
        ({**KEY, "signing_key": RSA}, "This is an RSA key"),
        ({**KEY, "signing_key": p8(curve=ec.SECP384R1())}, "no key of the curve P-256"),
        ({**KEY, "signing_key": "nonsense"}, "no private key that can be read"),
        (KEY, "no private key that can be read"),
        ({**KEY, "team_id": "short", "signing_key": p8()}, "The team ID has ten"),
        ({**KEY, "key_id": "key1234567", "signing_key": p8()}, "The key ID has ten"),
        ({**KEY, "topic": "", "signing_key": p8()}, "Write the app's bundle ID"),
        ({**KEY, "topic": "a b", "signing_key": p8()}, "Write the app's bundle ID"),
        ({**KEY, "signing_key": p8(), "server": "https://evil.example"}, "Only an address of this machine"),
        (
            {**KEY, "signing_key": p8(), "server": "https://127.0.0.1:1"},
            "not a server that credentials may be shown to",
        ),
        (
            {"topic": "org.example.shop", "file": certificate("org.example.other")},
            "This certificate is for org.example.other",
        ),
        ({"file": certificate("org.example.shop", ends=-DAY)}, "This certificate expired"),
        ({**KEY, "file": certificate("org.example.shop"), "signing_key": p8()}, "a key or a certificate, not both"),
    ],
)
def test_a_key_of_apples_that_cannot_be_used_gets_a_sentence(
    admin_client: Client, app: App, fields: dict[str, str], told: str
) -> None:
    assert told in post(admin_client, app, "apns", **fields)
    assert not Credential.objects.exists()


def test_the_longest_bundle_id_is_stored(admin_client: Client, app: App) -> None:
    """Apple's are up to 155 characters long; PostgreSQL cuts nothing off by itself."""
    topic = "org.example." + "s" * 143
    assert "are stored" in post(admin_client, app, "apns", **{**KEY, "topic": topic, "signing_key": p8()})
    row = Credential.objects.get()
    row.clean_fields()
    secret: Any = row.secret
    assert secret["topic"] == topic


def test_a_certificate_names_its_topic_itself_and_its_end_is_known(admin_client: Client, app: App) -> None:
    assert "are stored" in post(admin_client, app, "apns", file=certificate("org.example.shop"))
    row = Credential.objects.get()
    assert (row.fingerprint, row.expires_at is not None) == ("org.example.shop", True)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"client_id": "shop", "secret": "x"}, "Write the package SID"),
        ({"client_id": GUID, "secret": "x"}, "needs its tenant ID"),
        ({"client_id": SID, "secret": "x", "tenant_id": GUID}, "write the application (client) ID"),
        ({"client_id": GUID, "secret": "x", "tenant_id": "common"}, "The tenant's ID is 32"),
        ({"client_id": SID, "secret": " "}, "This field is required"),
        ({"client_id": SID, "secret": "x", "server": "http://evil.example:80"}, "Only an address of this machine"),
    ],
)
def test_a_secret_of_microsofts_that_cannot_be_used_gets_a_sentence(
    admin_client: Client, app: App, fields: dict[str, str], told: str
) -> None:
    assert told in post(admin_client, app, "wns", **fields)
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("service", "address", "told"),
    [
        ("fcm", "has blanks in it:APA91b", "no blanks"),
        ("fcm", "short", "8 to 2,048"),
        ("fcm", "5a" * 32, "a device token of Apple's service"),
        ("fcm", "https://fcm.googleapis.com/fcm/send/x", "a web address"),
        ("apns", "<5a5a5a5a 5a5a5a5a>", "without blanks and brackets"),
        ("apns", "cF3k2example:APA91bH", "A device token is hexadecimal"),
        ("apns", "5a5", "A device token is hexadecimal"),
        ("apns", "sandbox:", "A device token is hexadecimal"),
        ("wns", "https://db5p.notify.windows.com/w/?token=x", "browser's subscription of Web Push"),
        ("wns", "https://db5p.notify.windows.com/", "ends with ?token="),
        ("wns", "http://db5p.notify.windows.com/?token=x", "must begin with https://"),
        ("wns", "https://evil.example/?token=x", "not a host of this push service"),
        ("wns", "https://notify.windows.com.evil.example/?token=x", "not a host of this push service"),
        ("wns", "https://u:p@db5p.notify.windows.com/?token=x", "not spelled as a plain"),
        ("wns", "5a" * 32, "not spelled as a plain"),
    ],
)
def test_an_address_of_another_service_gets_a_sentence(service: str, address: str, told: str) -> None:
    with pytest.raises(RegistrationRefused) as refused:
        Registration.read({"service": service, "address": address})
    assert told in refused.value.problems["address"]


# Asked by the service itself


@pytest.mark.parametrize("service", ["fcm", "apns", "wns"])
def test_the_service_itself_says_whether_credentials_are_taken(
    admin_client: Client, app: App, through: EmulatorProcess, service: str
) -> None:
    fields = handed_out(through, service)
    fields = {name: value for name, value in fields.items() if value}
    assert "are stored" in post(admin_client, app, service, **fields)
    answer = admin_client.post(f"/devices/app/{app.pk}/credentials/{service}/try/")
    said = " ".join(str(one) for one in get_messages(answer.wsgi_request))
    assert "are taken" in said


@pytest.mark.parametrize(
    ("service", "changed", "told"),
    [
        ("fcm", {"account": "other key"}, "invalid_grant"),
        ("apns", {"signing_key": p8()}, "InvalidProviderToken"),
        ("wns", {"secret": "wrong"}, "invalid_client"),
    ],
)
def test_credentials_that_are_not_taken_are_told_in_the_services_own_words(
    admin_client: Client, app: App, through: EmulatorProcess, service: str, changed: dict[str, str], told: str
) -> None:
    fields = handed_out(through, service)
    if service == "fcm":
        fields["account"] = json.dumps(json.loads(fields["account"]) | {"private_key": RSA})
    else:
        fields |= changed
    post(admin_client, app, service, **fields)
    answer = admin_client.post(f"/devices/app/{app.pk}/credentials/{service}/try/")
    said = " ".join(str(one) for one in get_messages(answer.wsgi_request))
    assert "are not taken" in said
    assert told in said


@pytest.mark.parametrize("service", ["fcm", "wns"])
def test_a_service_that_cannot_answer_says_nothing_about_the_credentials(
    admin_client: Client, app: App, through: EmulatorProcess, service: str
) -> None:
    assert "are stored" in post(admin_client, app, service, **handed_out(through, service))
    through.control(f"{service}/settings", {"token_status": 503})
    try:
        answer = admin_client.post(f"/devices/app/{app.pk}/credentials/{service}/try/")
    finally:
        through.control(f"{service}/settings", {"token_status": 0})
    said = " ".join(str(one) for one in get_messages(answer.wsgi_request))
    assert "could not be checked now. No token could be asked for: 503" in said
    assert "not taken" not in said


def test_a_push_service_that_cannot_be_reached_says_nothing_about_the_credentials(
    admin_client: Client, app: App, through: EmulatorProcess, settings: Any
) -> None:
    fields = handed_out(through, "apns") | {"server": "https://127.0.0.1:9"}
    settings.EMULATOR_TLS = "127.0.0.1:9"
    assert "are stored" in post(admin_client, app, "apns", **fields)
    answer = admin_client.post(f"/devices/app/{app.pk}/credentials/apns/try/")
    said = " ".join(str(one) for one in get_messages(answer.wsgi_request))
    assert "could not be checked now. APNs could not be reached" in said


def test_credentials_of_an_earlier_version_that_are_not_taken_any_more_get_a_sentence(
    admin_client: Client, app: App
) -> None:
    Credential.objects.create(app=app, service="apns", secret={"topic": "org.example.shop", "team_id": "TEAM"})  # type: ignore[misc]
    answer = admin_client.post(f"/devices/app/{app.pk}/credentials/apns/try/")
    said = " ".join(str(one) for one in get_messages(answer.wsgi_request))
    assert "cannot be used: The team ID has ten capital letters and digits." in said


def test_what_is_no_service_or_has_nothing_to_try_is_not_there(admin_client: Client, app: App, var: Path) -> None:
    for service in ("mpns", "webpush", "nothing"):
        assert admin_client.post(f"/devices/app/{app.pk}/credentials/{service}/try/").status_code == 404
    assert "takes nothing without" in " ".join(
        str(one) for one in get_messages(admin_client.post(f"/devices/app/{app.pk}/credentials/fcm/try/").wsgi_request)
    )
