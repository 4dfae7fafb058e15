"""WNS: what each answer means, row by row of Microsoft's table, and how both kinds of registration get a token."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from devices.push.base import Answer, Lost, Outcome, Request, TokenRefused, Verdict
from devices.push.fields import MessageInvalid
from devices.push.services import find
from devices.push.services.wns import Credentials
from tests.devices.push.services.hard import ODD_BODIES
from tests.devices.push.services.test_wns import SID, STORE

SERVICE = find("wns")
GUID, TENANT = "00000000-1111-2222-3333-444444444444", "aaaaaaaa-BBBB-cccc-dddd-eeeeeeeeeeee"
ENTRA = Credentials(GUID, "s&cret=/+ ü", TENANT)
ACCEPTED, RETRY, GONE, DROPPED = Outcome.ACCEPTED, Outcome.RETRY, Outcome.GONE, Outcome.DROPPED
REJECTED, DENIED, UNKNOWN = Outcome.REJECTED, Outcome.DENIED, Outcome.UNKNOWN


def interpreted(status: int, word: str = "", **more: str) -> Verdict:
    headers = {"x-wns-status": word, "x-wns-notificationstatus": word} if word else {}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return SERVICE.interpret(Answer(status, headers), authenticated=True)


ROWS = [
    (200, "received", "", ACCEPTED, ""),
    (200, "Received", "", ACCEPTED, ""),
    (200, "dropped", "Device is offline and X-WNS-Cache-Policy is no-cache", DROPPED, ""),
    (200, "dropped", "", DROPPED, ""),
    (200, "channelthrottled", "", RETRY, "throttled"),
    (200, "", "", UNKNOWN, ""),
    (200, "perhaps", "", UNKNOWN, ""),
    (400, "dropped", "", REJECTED, ""),
    (401, "dropped", "", DENIED, "stale"),
    (401, "", "", DENIED, "stale"),
    (403, "dropped", "Channel URL incompatible with caller app", DENIED, "alone"),
    (403, "", "", DENIED, "alone"),
    (404, "dropped", "", GONE, ""),
    (405, "", "", REJECTED, ""),
    (406, "channelthrottled", "", RETRY, "slow"),
    (406, "dropped", "", RETRY, "slow"),
    (410, "dropped", "Revoked channel URL", GONE, ""),
    (410, "dropped", "", GONE, ""),
    (410, "dropped", "Domain Blocked", DENIED, ""),
    (410, "", "the DOMAIN BLOCKED for abuse", DENIED, ""),
    (413, "dropped", "", REJECTED, ""),
    (429, "", "", DENIED, ""),
    (500, "", "", RETRY, ""),
    (502, "", "", RETRY, ""),
    (503, "", "", RETRY, ""),
    (504, "dropped", "", RETRY, ""),
    (201, "received", "", REJECTED, ""),
    (301, "", "", REJECTED, ""),
    (302, "received", "", REJECTED, ""),
    (307, "", "", REJECTED, ""),
    (308, "", "", REJECTED, ""),
    (412, "", "", REJECTED, ""),
    (418, "", "", REJECTED, ""),
]


@pytest.mark.threats(6)
@pytest.mark.parametrize(("status", "word", "description", "outcome", "besides"), ROWS)
def test_every_answer_of_wns_has_its_meaning(
    status: int, word: str, description: str, outcome: Outcome, besides: str
) -> None:
    verdict = interpreted(status, word, x_wns_error_description=description)
    assert verdict.outcome is outcome
    assert verdict.reason
    assert verdict.stale_credential == (besides == "stale")
    assert verdict.device_alone == (besides == "alone")
    assert verdict.hold == (timedelta(minutes=10) if besides == "throttled" else None)
    assert verdict.rests == (timedelta(minutes=1) if besides == "slow" else None)
    assert (verdict.ambiguous, verdict.gone_since, verdict.retry_after) == (False, None, None)


@pytest.mark.parametrize("name", ["x-wns-status", "x-wns-notificationstatus"])
def test_either_name_of_the_status_is_read(name: str) -> None:
    for word, outcome in (("received", ACCEPTED), (" DROPPED ", DROPPED), ("ChannelThrottled", RETRY)):
        assert SERVICE.interpret(Answer(200, {name: word})).outcome is outcome


@pytest.mark.parametrize("name", ["retry_after", "x_wns_continue_after"])
def test_a_wish_to_wait_is_honoured_where_another_try_follows(name: str) -> None:
    wish = {name: "90"}
    assert interpreted(200, "channelthrottled", **wish).hold == timedelta(seconds=90)
    assert interpreted(406, "dropped", **wish).rests == timedelta(seconds=90)
    assert interpreted(503, **wish).retry_after == timedelta(seconds=90)
    assert interpreted(503, **wish).rests is None
    for status in (200, 400, 403, 404, 410, 429):
        assert interpreted(status, "dropped", **wish).retry_after is None
    assert interpreted(406, **{name: "soon"}).rests == timedelta(minutes=1)
    assert interpreted(200, "channelthrottled", **{name: "999999"}).hold == timedelta(hours=1)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("connected", "connected"),
        ("Connected", "connected"),
        ("disconnected", "disconnected"),
        ("tempdisconnected", "temp_disconnected"),
        ("tempconnected", "temp_disconnected"),
        ("unknown", ""),
        ("<script>", ""),
        ("", ""),
    ],
)
def test_a_device_is_as_connected_as_wns_says(said: str, kept: str) -> None:
    assert interpreted(200, "received", x_wns_deviceconnectionstatus=said).connection == kept
    assert interpreted(500, x_wns_deviceconnectionstatus=said).connection == kept


def test_the_words_of_wns_are_kept_and_cut() -> None:
    traces = {"x_wns_msg_id": "6ED0B2F9647F58F0", "x_wns_debug_trace": "AM3PEPF00006225"}
    failed = interpreted(410, "dropped", x_wns_error_description="Revoked " + "x" * 900, **traces)
    assert dict(failed.words) == {
        "x-wns-status": "dropped",
        "x-wns-notificationstatus": "dropped",
        "x-wns-error-description": "Revoked " + "x" * 192,
        "x-wns-msg-id": "6ED0B2F9647F58F0",
        "x-wns-debug-trace": "AM3PEPF00006225",
    }
    taken = interpreted(200, "received", **traces)
    assert set(dict(taken.words)) == {"x-wns-status", "x-wns-notificationstatus"}
    told = interpreted(200, "dropped", x_wns_error_description="x" * 900).reason
    assert told.startswith("WNS dropped it: x")
    assert len(told) <= 200


@pytest.mark.threats(8)
@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_no_body_means_anything(body: bytes) -> None:
    for status in (200, 401, 403, 410, 500):
        assert SERVICE.interpret(Answer(status, {}, body)) == SERVICE.interpret(Answer(status))


def test_no_answer_is_told_by_whether_the_push_may_have_left() -> None:
    assert SERVICE.interpret(Answer(0, lost=Lost.NOT_SENT, error="no route")).outcome is RETRY
    verdict = SERVICE.interpret(Answer(0, lost=Lost.AMBIGUOUS, error="reset"))
    assert (verdict.outcome, verdict.ambiguous) == (UNKNOWN, True)


# Who we are


@pytest.mark.parametrize(
    ("credentials", "url", "scope"),
    [
        (STORE, "https://login.live.com/accesstoken.srf", "notify.windows.com"),
        (ENTRA, f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token", "https://wns.windows.com/.default"),
    ],
)
def test_a_token_is_asked_for_by_client_credentials(credentials: Credentials, url: str, scope: str) -> None:
    request = SERVICE.authorize(credentials)
    assert isinstance(request, Request)
    assert (request.method, request.url) == ("POST", url)
    assert dict(request.all_headers) == {"Content-Type": "application/x-www-form-urlencoded"}
    assert b"ms-app%3A%2F%2F" in request.body or credentials is ENTRA
    assert {name: value for name, (value,) in parse_qs(request.body.decode(), strict_parsing=True).items()} == {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.secret,
        "scope": scope,
    }
    assert credentials.secret not in repr((credentials, request))


def test_the_emulator_takes_both_ways() -> None:
    for tenant, client, path in (("", SID, "accesstoken.srf"), (TENANT, GUID, f"{TENANT}/oauth2/v2.0/token")):
        request = SERVICE.authorize(Credentials(client, "secret", tenant, "http://127.0.0.1:9100"))
        assert isinstance(request, Request)
        assert request.url == f"http://127.0.0.1:9100/{path}"


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"access_token":"EgAd","token_type":"bearer","expires_in":86400}', 86_400),
        (b'{"token_type":"Bearer","expires_in":"86399","ext_expires_in":"86399","access_token":"EgAd"}', 86_399),
        (b'{"access_token":"EgAd","token_type":"bearer"}', 3600),
        (b'{"access_token":"EgAd","expires_in":"soon"}', 3600),
        (b'{"access_token":"EgAd","expires_in":86399.5}', 3600),
        (b'{"access_token":"EgAd","expires_in":true}', 3600),
        (b'{"access_token":"EgAd","expires_in":"86399 "}', 3600),
        ('{"access_token":"EgAd","expires_in":"٨٦٣٩٩"}'.encode(), 3600),
        (b'{"access_token":"EgAd","expires_in":604801}', 3600),
        (b'{"access_token":"EgAd","expires_in":604800}', 604_800),
    ],
)
def test_a_token_is_read_also_where_numbers_are_texts(body: bytes, seconds: int) -> None:
    token = SERVICE.token(Answer(200, {}, body))
    assert (token.value, token.seconds) == ("EgAd", seconds)


@pytest.mark.threats(6, 8, 38)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, {}, b'{"error":"invalid_client","error_description":"Wrong secret"}'),
        Answer(401, {}, b'{"error":"invalid_client"}'),
        Answer(302, {"location": "http://127.0.0.1/"}, b'{"access_token":"EgAd"}'),
        Answer(200, {}, b'{"access_token":"a\\r\\nX-Evil: 1"}'),
        *(Answer(200, {}, body) for body in ODD_BODIES),
    ],
)
def test_whatever_else_a_token_endpoint_says_is_a_sentence(answer: Answer) -> None:
    with pytest.raises(TokenRefused, match=r"^Microsoft gave no token for the secret \(") as refusal:
        SERVICE.token(answer)
    assert len(str(refusal.value)) < 300


def test_the_words_of_a_refusal_are_told() -> None:
    with pytest.raises(TokenRefused, match="invalid_client: Wrong secret"):
        SERVICE.token(Answer(400, {}, b'{"error":"invalid_client","error_description":"Wrong secret"}'))
    with pytest.raises(TokenRefused, match="without a secret"):
        SERVICE.authorize(None)


def test_a_token_says_that_the_secret_is_taken() -> None:
    assert SERVICE.tries_credentials
    assert SERVICE.trial(STORE, "t") is None


@pytest.mark.threats(11)
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"client_id": "shop"}, "client_id"),
        ({"client_id": GUID}, "client_id"),
        ({"client_id": SID + "-8"}, "client_id"),
        ({"client_id": SID + "\n"}, "client_id"),
        ({"client_id": SID, "tenant_id": TENANT}, "client_id"),
        ({"client_id": GUID, "tenant_id": "common"}, "tenant_id"),
        ({"client_id": GUID, "tenant_id": f"{TENANT}/../evil"}, "tenant_id"),
        ({"client_id": GUID, "tenant_id": f"{TENANT}@evil.example"}, "tenant_id"),
        ({"secret": ""}, "secret"),
        ({"secret": " \n"}, "secret"),
        ({"server": "https://evil.example"}, "server"),
        ({"server": "http://127.0.0.1"}, "server"),
        ({"server": "http://127.0.0.1:9100@evil.example"}, "server"),
        ({"server": "http://127.0.0.1:9100/x"}, "server"),
        ({"server": "http://10.0.0.1:9100"}, "server"),
    ],
)
def test_credentials_that_are_none_name_their_field(changed: dict[str, str], field: str) -> None:
    with pytest.raises(MessageInvalid) as refusal:
        Credentials(**{"client_id": SID, "secret": "secret", **changed})
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_a_package_is_taken_in_either_spelling() -> None:
    for client_id in (SID, SID.replace("s-1", "S-1"), f"{SID}/"):
        assert Credentials(client_id, "secret").subject == "an app of the Store"
    assert ENTRA.subject == "an app registration of Entra"
