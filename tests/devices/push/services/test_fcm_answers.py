"""FCM: what each answer means, row by row of Google's table, and how a service account shows who it is."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devices.push.base import Answer, Lost, Outcome, Request, TokenRefused, Verdict
from devices.push.fields import MessageInvalid
from devices.push.service_account import Credentials
from devices.push.services import find
from tests.devices.push.services.hard import ODD_BODIES
from tests.devices.push.services.test_fcm import CREDENTIALS, GOOGLE, PEM, RSA, account

SERVICE = find("fcm")


def error(status: int, code: str = "", said: str = "", field: str = "", **headers: str) -> Answer:
    """Return an answer as FCM spells it."""
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        kind = "type.googleapis.com/google.rpc.BadRequest"
        details.append({"@type": kind, "fieldViolations": [{"field": field, "description": "Invalid"}]})
    body = {"error": {"code": status, "message": "Told so.", "status": said, "details": details}}
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())


def interpreted(answer: Answer) -> Verdict:
    return SERVICE.interpret(answer, authenticated=True)


ACCEPTED, RETRY, GONE = Outcome.ACCEPTED, Outcome.RETRY, Outcome.GONE
REJECTED, DENIED = Outcome.REJECTED, Outcome.DENIED
ROWS = [
    (Answer(200, {}, b'{"name":"projects/p/messages/1"}'), ACCEPTED, ""),
    (Answer(200, {}, b""), ACCEPTED, ""),
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), REJECTED, ""),
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data"), REJECTED, ""),
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"), GONE, ""),
    (error(400, "", "INVALID_ARGUMENT", "message.token"), GONE, ""),
    (error(400, "", "INVALID_ARGUMENT"), REJECTED, ""),
    (error(401, "THIRD_PARTY_AUTH_ERROR", "UNAUTHENTICATED"), DENIED, ""),
    (error(401, "APNS_AUTH_ERROR", "UNAUTHENTICATED"), DENIED, ""),
    (error(401, "", "UNAUTHENTICATED"), DENIED, "stale"),
    (Answer(401), DENIED, "stale"),
    (error(403, "SENDER_ID_MISMATCH", "PERMISSION_DENIED"), DENIED, "alone"),
    (error(403, "", "PERMISSION_DENIED"), DENIED, ""),
    (Answer(403, {}, b"<html>"), DENIED, ""),
    (error(404, "UNREGISTERED", "NOT_FOUND"), GONE, ""),
    (error(404, "", "NOT_FOUND"), DENIED, ""),
    (Answer(404, {}, b"<html>UNREGISTERED</html>"), DENIED, ""),
    (error(429, "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"), RETRY, "rests"),
    (error(429, "", "RESOURCE_EXHAUSTED"), RETRY, "rests"),
    (Answer(429), RETRY, "rests"),
    (error(500, "INTERNAL", "INTERNAL"), RETRY, ""),
    (error(503, "UNAVAILABLE", "UNAVAILABLE"), RETRY, ""),
    (Answer(500), RETRY, ""),
    (Answer(502, {}, b"<html>Bad Gateway</html>"), RETRY, ""),
    (Answer(504), RETRY, ""),
    (Answer(301, {"location": "https://evil.example/"}), REJECTED, ""),
    (Answer(302, {"location": "http://127.0.0.1/"}), REJECTED, ""),
    (Answer(307), REJECTED, ""),
    (Answer(308), REJECTED, ""),
    (Answer(201), REJECTED, ""),
    (Answer(405), REJECTED, ""),
    (Answer(413), REJECTED, ""),
    (Answer(418), REJECTED, ""),
]


@pytest.mark.threats(6)
@pytest.mark.parametrize(("answer", "outcome", "besides"), ROWS)
def test_every_answer_of_fcm_has_its_meaning(answer: Answer, outcome: Outcome, besides: str) -> None:
    verdict = interpreted(answer)
    assert verdict.outcome is outcome
    assert verdict.reason
    assert verdict.stale_credential == (besides == "stale")
    assert verdict.device_alone == (besides == "alone")
    assert (verdict.rests is not None) == (besides == "rests")
    assert (verdict.ambiguous, verdict.hold, verdict.gone_since) == (False, None, None)


@pytest.mark.threats(8)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_no_body_means_more_than_the_status_of_its_answer(status: int, body: bytes) -> None:
    verdict = interpreted(Answer(status, {}, body))
    plain = interpreted(Answer(status))
    assert (verdict.outcome, verdict.reason, verdict.stale_credential) == (
        plain.outcome,
        plain.reason,
        plain.stale_credential,
    )
    assert all(0 < len(word) <= 200 for _, word in verdict.words)


def test_the_words_of_fcm_are_kept_and_cut() -> None:
    said = interpreted(error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data", retry_after="5"))
    assert said.words == (
        ("errorCode", "INVALID_ARGUMENT"),
        ("status", "INVALID_ARGUMENT"),
        ("message", "Told so."),
        ("field", "message.data"),
        ("retry-after", "5"),
    )
    assert interpreted(Answer(502, {}, b" <p>\n Bad " + b"x" * 900)).words == (("body", "<p> Bad " + "x" * 192),)


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("", 60), ("30", 30), ("0", 1), ("86400", 3600), ("soon", 60), ("-5", 60), ("9" * 400, 3600)],
)
def test_a_project_over_its_quota_rests_as_long_as_google_asks_or_a_minute(wish: str, seconds: int) -> None:
    verdict = interpreted(error(429, "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED", retry_after=wish))
    assert verdict.rests == verdict.retry_after == timedelta(seconds=seconds)


def test_a_wish_to_wait_is_honoured_where_another_try_follows() -> None:
    assert interpreted(error(503, "UNAVAILABLE", retry_after="120")).retry_after == timedelta(seconds=120)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    dated = interpreted(error(503, "UNAVAILABLE", retry_after=later)).retry_after
    assert dated is not None
    assert timedelta(seconds=590) < dated <= timedelta(seconds=600)
    assert interpreted(error(500, "INTERNAL")).retry_after is None
    assert interpreted(error(404, "UNREGISTERED", retry_after="120")).retry_after is None
    assert interpreted(error(403, retry_after="120")).retry_after is None


def test_no_answer_is_told_by_whether_the_push_may_have_left() -> None:
    assert interpreted(Answer(0, lost=Lost.NOT_SENT, error="no route")).outcome is RETRY
    verdict = interpreted(Answer(0, lost=Lost.AMBIGUOUS, error="reset"))
    assert (verdict.outcome, verdict.ambiguous) == (Outcome.UNKNOWN, True)


# Who we are


def unpacked(signed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a JWT whose signature holds (RFC 7515, 5.2)."""
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in signed.split(".")]
    head, claims, signature = parts
    RSA.public_key().verify(signature, signed.rpartition(".")[0].encode(), padding.PKCS1v15(), hashes.SHA256())
    return json.loads(head), json.loads(claims)


def test_a_token_is_asked_for_by_a_signed_assertion() -> None:
    request = SERVICE.authorize(CREDENTIALS)
    assert isinstance(request, Request)
    assert (request.url, request.method) == (GOOGLE, "POST")
    assert dict(request.all_headers) == {"Content-Type": "application/x-www-form-urlencoded"}
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert set(form) == {"grant_type", "assertion"}
    (signed,) = form["assertion"]
    head, claims = unpacked(signed)
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    issued = claims.pop("iat")
    assert abs(issued - time.time()) < 60
    assert claims == {
        "iss": "push@example-shop.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": GOOGLE,
        "exp": issued + 3600,
    }
    with pytest.raises(InvalidSignature):
        unpacked(bent(signed))


def bent(signed: str) -> str:
    """Return a JWT with other claims under the same signature."""
    head, _, signature = signed.split(".")
    return f"{head}.{base64.urlsafe_b64encode(b'{}').decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}', 3599),
        (b'{"access_token":"ya29.x","expires_in":"3599"}', 3599),
        (b'{"access_token":"ya29.x"}', 3600),
        (b'{"access_token":"ya29.x","expires_in":0}', 3600),
        (b'{"access_token":"ya29.x","expires_in":-5}', 3600),
        (b'{"access_token":"ya29.x","expires_in":"soon"}', 3600),
        (b'{"access_token":"ya29.x","expires_in":null}', 3600),
        (b'{"access_token":"ya29.x","expires_in":[]}', 3600),
        (b'{"access_token":"ya29.x","expires_in":99999999}', 3600),
        (b'{"access_token":"ya29.x","expires_in":"000086400' + b"9" * 400 + b'"}', 3600),
    ],
)
def test_a_token_is_read(body: bytes, seconds: int) -> None:
    token = SERVICE.token(Answer(200, {}, body))
    assert (token.value, token.seconds, token.least) == ("ya29.x", seconds, 0)
    assert "ya29" not in repr(token)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, {}, b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'),
        Answer(400, {}, b'{"access_token":"ya29.x"}'),
        Answer(302, {"location": "https://evil.example/"}, b'{"access_token":"ya29.x"}'),
        Answer(200, {}, b'{"access_token":""}'),
        Answer(200, {}, b'{"access_token":5}'),
        Answer(200, {}, b'{"access_token":"a\\r\\nX-Evil: 1"}'),
        Answer(200, {}, '{"access_token":"é"}'.encode()),
        *(Answer(200, {}, body) for body in ODD_BODIES),
    ],
)
@pytest.mark.threats(6, 8, 38)
def test_whatever_else_a_token_endpoint_says_is_a_sentence(answer: Answer) -> None:
    with pytest.raises(TokenRefused) as refusal:
        SERVICE.token(answer)
    assert str(refusal.value).startswith("Google gave no token for the service account (")
    assert len(str(refusal.value)) < 300


def test_without_an_account_nothing_is_asked_for() -> None:
    assert SERVICE.has_tokens
    with pytest.raises(TokenRefused, match="without a service account"):
        SERVICE.authorize(None)


def test_an_account_is_tried_without_any_phone() -> None:
    request = SERVICE.trial(CREDENTIALS, "bearer-1")
    assert request is not None
    said = json.loads(request.body)
    assert said["validate_only"] is True
    assert dict(request.all_headers)["Authorization"] == "Bearer bearer-1"
    assert request.url == "https://fcm.googleapis.com/v1/projects/example-shop/messages:send"


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (Answer(200, {}, b'{"name":"projects/p/messages/fake_message_id"}'), True),
        (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"), True),
        (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), True),
        (error(404, "UNREGISTERED", "NOT_FOUND"), True),
        (Answer(400, {}, b"<html>"), False),
        (error(401, "", "UNAUTHENTICATED"), False),
        (error(403, "", "PERMISSION_DENIED"), False),
        (error(404, "", "NOT_FOUND"), False),
        (error(429, "QUOTA_EXCEEDED"), False),
        (Answer(503), False),
        (Answer(302), False),
        (Answer(0, lost=Lost.NOT_SENT, error="no route"), False),
    ],
)
def test_whoever_hears_that_the_token_is_none_was_let_in(answer: Answer, taken: bool) -> None:
    assert (SERVICE.tried(answer).outcome is ACCEPTED) == taken


def pem_of(key: Any) -> str:
    made: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return made


@pytest.mark.threats(11)
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("", "no service account"),
        ("nonsense", "no service account"),
        ("[]", "no service account"),
        ("[" * 50_000, "no service account"),
        ('{"project_info":{"project_id":"x"}}', "google-services.json"),
        (account(type="authorized_user"), "no service account"),
        (account(client_email=None), "lacks client_email"),
        (account(private_key_id=5), "lacks private_key_id"),
        (account(project_id="../evil"), "project_id"),
        (account(project_id="a/b?x=longer"), "project_id"),
        (account(token_uri="https://evil.example/token"), "not Google's"),
        (account(token_uri="http://oauth2.googleapis.com/token"), "not Google's"),
        (account(token_uri="https://oauth2.googleapis.com/token/../x"), "not Google's"),
        (account(token_uri="https://oauth2.googleapis.com.evil.example/token"), "not Google's"),
        (account(token_uri="https://127.0.0.1@evil.example/token"), "not Google's"),
        (account(token_uri="http://169.254.169.254/token"), "not Google's"),
        (account(token_uri=GOOGLE + "\n"), "not Google's"),
        (account(private_key="nonsense"), "private_key"),
        (account(private_key=PEM.replace("PRIVATE KEY", "PUBLIC KEY")), "private_key"),
        (account(private_key=pem_of(ec.generate_private_key(ec.SECP256R1()))), "RSA"),
        (account(private_key=pem_of(rsa.generate_private_key(65537, 1024))), "2048"),
    ],
)
def test_an_account_that_is_none_or_leads_elsewhere_is_refused(file: str, told: str) -> None:
    with pytest.raises(MessageInvalid, match=told):
        Credentials(file)


def test_an_account_of_another_project_is_refused_and_no_key_is_shown() -> None:
    with pytest.raises(MessageInvalid, match="belongs to the project example-shop"):
        Credentials(account(), "other-shop")
    assert "PRIVATE" not in repr(CREDENTIALS)
    assert CREDENTIALS.subject == "push@example-shop.iam.gserviceaccount.com"
