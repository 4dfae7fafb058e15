"""APNs: what each answer means, row by row of Apple's table, and how a key or a certificate shows who it is."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from devices.push.apple_key import Credentials
from devices.push.base import Answer, Lost, Outcome, Token, TokenRefused, Verdict
from devices.push.fields import MessageInvalid
from devices.push.message import Toast
from devices.push.services import find
from tests.devices.push.services.hard import ODD_BODIES
from tests.devices.push.services.test_apns import CREDENTIALS, KEY, MESSAGE_ID, PEM, TARGET, TOKEN

SERVICE = find("apns")
ACCEPTED, RETRY, GONE = Outcome.ACCEPTED, Outcome.RETRY, Outcome.GONE
REJECTED, DENIED = Outcome.REJECTED, Outcome.DENIED
SINCE = 1_735_689_600_123  # milliseconds: 2025-01-01T00:00:00.123Z


def interpreted(status: int, reason: str = "", **more: Any) -> Verdict:
    body = json.dumps({"reason": reason, **more}).encode() if reason or more else b""
    return SERVICE.interpret(Answer(status, {}, body), authenticated=True)


ROWS = [
    (200, "", ACCEPTED, ""),
    (400, "BadCollapseId", REJECTED, ""),
    (400, "BadDeviceToken", DENIED, "alone"),
    (400, "BadExpirationDate", REJECTED, ""),
    (400, "BadMessageId", REJECTED, ""),
    (400, "BadPriority", REJECTED, ""),
    (400, "BadTopic", REJECTED, ""),
    (400, "DuplicateHeaders", REJECTED, ""),
    (400, "InvalidPushType", REJECTED, ""),
    (400, "MissingDeviceToken", REJECTED, ""),
    (400, "MissingTopic", REJECTED, ""),
    (400, "PayloadEmpty", REJECTED, ""),
    (400, "DeviceTokenNotForTopic", DENIED, "alone"),
    (400, "IdleTimeout", RETRY, ""),
    (400, "TopicDisallowed", DENIED, ""),
    (403, "BadCertificate", DENIED, ""),
    (403, "BadCertificateEnvironment", DENIED, ""),
    (403, "Forbidden", DENIED, ""),
    (403, "InvalidProviderToken", DENIED, ""),
    (403, "MissingProviderToken", DENIED, ""),
    (403, "UnrelatedKeyIdInToken", DENIED, ""),
    (403, "BadEnvironmentKeyIdInToken", DENIED, ""),
    (403, "ExpiredProviderToken", DENIED, "stale"),
    (403, "SomethingNew", DENIED, ""),
    (404, "BadPath", REJECTED, ""),
    (405, "MethodNotAllowed", REJECTED, ""),
    (410, "Unregistered", GONE, ""),
    (410, "ExpiredToken", GONE, ""),
    (410, "SomethingNew", GONE, ""),
    (413, "PayloadTooLarge", REJECTED, ""),
    (429, "TooManyProviderTokenUpdates", RETRY, "rests"),
    (429, "TooManyRequests", RETRY, "waits"),
    (429, "", RETRY, ""),
    (500, "InternalServerError", RETRY, ""),
    (503, "ServiceUnavailable", RETRY, ""),
    (503, "Shutdown", RETRY, ""),
    (502, "", RETRY, ""),
    (400, "SomethingNew", REJECTED, ""),
    (301, "", REJECTED, ""),
    (307, "", REJECTED, ""),
    (418, "", REJECTED, ""),
]


@pytest.mark.threats(6)
@pytest.mark.parametrize(("status", "reason", "outcome", "besides"), ROWS)
def test_every_reason_of_apple_has_its_meaning(status: int, reason: str, outcome: Outcome, besides: str) -> None:
    verdict = interpreted(status, reason)
    assert verdict.outcome is outcome
    assert verdict.reason
    assert verdict.stale_credential == (besides == "stale")
    assert verdict.device_alone == (besides == "alone")
    assert verdict.rests == (timedelta(minutes=20) if besides == "rests" else None)
    waits = {"rests": timedelta(minutes=20), "waits": timedelta(minutes=5)}
    assert verdict.retry_after == waits.get(besides)
    assert (verdict.ambiguous, verdict.hold, verdict.gone_since) == (False, None, None)
    assert verdict.words == ((("reason", reason),) if reason and status != 200 else ())


@pytest.mark.parametrize("reason", ["Unregistered", "SomethingNew"])
def test_a_dead_token_is_dead_since_a_moment(reason: str) -> None:
    verdict = interpreted(410, reason, timestamp=SINCE)
    assert verdict.gone_since == datetime(2025, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)
    assert dict(verdict.words)["timestamp"] == str(SINCE)


def test_an_expired_token_is_dead_whenever_it_registered() -> None:
    assert interpreted(410, "ExpiredToken", timestamp=SINCE).gone_since is None


@pytest.mark.parametrize("wrong", ["soon", True, False, 0, -5, 1.5, 10**14, 10**400, None, [], {}])
def test_a_moment_that_is_none_is_not_told(wrong: Any) -> None:
    verdict = interpreted(410, "Unregistered", timestamp=wrong)
    assert (verdict.outcome, verdict.gone_since) == (GONE, None)
    assert verdict.words == (("reason", "Unregistered"),)


@pytest.mark.threats(8)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 429, 500])
@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_no_body_means_more_than_the_status_of_its_answer(status: int, body: bytes) -> None:
    verdict, plain = SERVICE.interpret(Answer(status, {}, body)), SERVICE.interpret(Answer(status))
    assert (verdict.outcome, verdict.stale_credential, verdict.gone_since) == (plain.outcome, False, None)
    assert all(len(word) <= 200 for _, word in verdict.words)


def test_no_answer_is_told_by_whether_the_push_may_have_left() -> None:
    assert SERVICE.interpret(Answer(0, lost=Lost.NOT_SENT, error="no route")).outcome is RETRY
    verdict = SERVICE.interpret(Answer(0, lost=Lost.AMBIGUOUS, error="reset"))
    assert (verdict.outcome, verdict.ambiguous) == (Outcome.UNKNOWN, True)
    refused = SERVICE.interpret(Answer(0, lost=Lost.NOT_SENT, error="bad key", certificate_refused=True))
    assert refused.outcome is DENIED


# Who we are


def unpacked(signed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a JWT whose signature holds (RFC 7518, 3.4)."""
    head, claims, signature = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in signed.split(".")]
    assert len(signature) == 64
    halves = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    text = signed.rpartition(".")[0].encode()
    KEY.public_key().verify(encode_dss_signature(*halves), text, ec.ECDSA(hashes.SHA256()))
    return json.loads(head), json.loads(claims)


def test_a_token_is_signed_here_and_good_for_an_hour() -> None:
    token = SERVICE.authorize(CREDENTIALS)
    assert isinstance(token, Token)
    assert (token.seconds, token.least) == (3600, 1200)
    head, claims = unpacked(token.value)
    assert head == {"alg": "ES256", "kid": "KEY1234567"}
    assert set(claims) == {"iss", "iat"}
    assert claims["iss"] == "TEAM123456"
    assert isinstance(claims["iat"], int)
    assert abs(claims["iat"] - time.time()) < 60
    with pytest.raises(InvalidSignature):
        unpacked(f"{token.value.split('.')[0]}.e30.{token.value.split('.')[2]}")


def test_a_token_belongs_to_a_key_whatever_app_it_is_for() -> None:
    assert set(SERVICE.token_subject) == {"team_id", "key_id", "signing_key", "server"}
    with pytest.raises(TokenRefused, match="without a key"):
        SERVICE.authorize(None)
    with pytest.raises(TokenRefused):
        SERVICE.token(Answer(200, {}, b'{"access_token":"x"}'))


def certificate_for(*user_ids: str) -> str:
    """Return a certificate (PEM) whose subject names these bundle IDs."""
    named = [x509.NameAttribute(NameOID.USER_ID, one) for one in user_ids]
    name = x509.Name([*named, x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_certificate_shows_itself_in_place_of_a_token() -> None:
    credentials = Credentials(certificate=certificate_for("org.example.shop"), key=PEM)
    assert (credentials.topic, credentials.fingerprint) == ("org.example.shop", "org.example.shop")
    assert SERVICE.authorize(credentials) is None
    request = SERVICE.build(TARGET, SERVICE.encode(Toast(title="A"), ""), MESSAGE_ID, credentials)
    assert request.certificate is not None
    assert (request.certificate.key, request.http2, request.authenticated) == (PEM, True, True)
    headers = dict(request.all_headers)
    assert headers["apns-topic"] == "org.example.shop"
    assert "authorization" not in headers
    assert "PRIVATE" not in repr((credentials, request, request.certificate))
    assert SERVICE.circuit(TARGET, credentials) == "apns:production certificate"


def pem_of(key: Any) -> str:
    made: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return made


@pytest.mark.threats(11)
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"topic": ""}, "topic"),
        ({"topic": "org example"}, "topic"),
        ({"topic": "org.example\r\nx: 1"}, "topic"),
        ({"team_id": "short"}, "team_id"),
        ({"team_id": "team123456"}, "team_id"),
        ({"key_id": "KEY12345678"}, "key_id"),
        ({"signing_key": ""}, "signing_key"),
        ({"signing_key": "nonsense"}, "signing_key"),
        ({"signing_key": pem_of(rsa.generate_private_key(65537, 2048))}, "signing_key"),
        ({"signing_key": pem_of(ec.generate_private_key(ec.SECP384R1()))}, "signing_key"),
        ({"certificate": certificate_for("org.example.shop")}, "certificate"),
        ({"signing_key": "", "certificate": certificate_for("org.other")}, "certificate"),
        ({"server": "https://evil.example"}, "server"),
        ({"server": "http://127.0.0.1:9100"}, "server"),
        ({"server": "https://127.0.0.1:9100@evil.example"}, "server"),
        ({"server": "https://127.0.0.1.evil.example:443"}, "server"),
        ({"server": "https://127.0.0.1:9100/x"}, "server"),
    ],
)
def test_credentials_that_are_none_name_their_field(changed: dict[str, str], field: str) -> None:
    good = {"topic": "org.example.shop", "team_id": "TEAM123456", "key_id": "KEY1234567", "signing_key": PEM}
    with pytest.raises(MessageInvalid) as refusal:
        Credentials(**{**good, **changed})
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_a_certificate_without_a_bundle_id_needs_one_typed() -> None:
    assert Credentials(topic="org.example.shop", certificate=certificate_for(), key=PEM).topic == "org.example.shop"
    with pytest.raises(MessageInvalid):
        Credentials(certificate=certificate_for(), key=PEM)


def test_credentials_are_tried_with_a_token_that_nobody_has() -> None:
    request = SERVICE.trial(CREDENTIALS, "jwt-1")
    assert request is not None
    assert request.url == f"https://api.push.apple.com/3/device/{'0' * 64}"
    assert TOKEN not in request.url
    headers = dict(request.all_headers)
    assert (headers["authorization"], headers["apns-topic"]) == ("bearer jwt-1", "org.example.shop")
    assert headers["apns-push-type"] == "alert"
    assert set(json.loads(request.body)) == {"aps"}


@pytest.mark.parametrize(
    ("status", "reason", "taken"),
    [
        (200, "", True),
        (400, "BadDeviceToken", True),
        (400, "TopicDisallowed", False),
        (400, "BadTopic", False),
        (403, "InvalidProviderToken", False),
        (403, "ExpiredProviderToken", False),
        (429, "TooManyProviderTokenUpdates", False),
        (503, "ServiceUnavailable", False),
        (302, "", False),
    ],
)
def test_whoever_hears_that_the_token_is_bad_was_let_in(status: int, reason: str, taken: bool) -> None:
    body = json.dumps({"reason": reason}).encode() if reason else b""
    assert (SERVICE.tried(Answer(status, {}, body)).outcome is ACCEPTED) == taken
    assert SERVICE.tried(Answer(0, lost=Lost.NOT_SENT, error="no route")).outcome is RETRY
