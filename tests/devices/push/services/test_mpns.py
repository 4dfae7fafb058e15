"""MPNS: what every documented answer means (docs/push-services/mpns.md has the table), and how a push is addressed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.push.base import Answer, Lost, Outcome, Payload, Target
from devices.push.services import find
from devices.push.services.mpns import Credentials

MPNS = find("mpns")
HOUR = timedelta(hours=1)
HTTP = "http://sn1.notify.live.net/throttledthirdparty/01.00/AAE"
HTTPS = "https://sn1.notify.live.net/unthrottledthirdparty/01.00/AAE"
ID = "6f1a5e5e-0a0c-4a7e-9b1d-0d9c1d9e2f10"


def answer(status: int, notification: str = "", device: str = "", subscription: str = "", **more: str) -> Answer:
    """Return an answer as it comes off the wire; words that are "" are left out."""
    headers = {
        "x-notificationstatus": notification,
        "x-deviceconnectionstatus": device,
        "x-subscriptionstatus": subscription,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return Answer(status, {name: value for name, value in headers.items() if value})


# The vendor's table, row by row (docs/push-services/mpns.md): answer → outcome, hold.
ROWS = [
    (answer(200, "Received", "Connected", "Active"), Outcome.ACCEPTED, None),
    (answer(200, "Received", "TempDisconnected", "Active"), Outcome.ACCEPTED, None),
    (answer(200, "QueueFull", "Connected", "Active"), Outcome.RETRY, None),
    (answer(200, "QueueFull", "TempDisconnected", "Active"), Outcome.RETRY, None),
    (answer(200, "Suppressed", "Connected", "Active"), Outcome.DROPPED, None),
    (answer(200, "Suppressed", "TempDisconnected", "Active"), Outcome.DROPPED, None),
    (answer(400), Outcome.REJECTED, None),
    (answer(401), Outcome.GONE, None),
    (answer(403), Outcome.DENIED, None),
    (answer(404, "Dropped", "Connected", "Expired"), Outcome.GONE, None),
    (answer(404, "Dropped", "TempDisconnected", "Expired"), Outcome.GONE, None),
    (answer(404, "Dropped", "Disconnected", "Expired"), Outcome.GONE, None),
    (answer(405), Outcome.REJECTED, None),
    (answer(406, "Dropped", "Connected", "Active"), Outcome.RETRY, HOUR),
    (answer(406, "Dropped", "TempDisconnected", "Active"), Outcome.RETRY, HOUR),
    (answer(412, "Dropped", "Inactive"), Outcome.RETRY, HOUR),
    (answer(503), Outcome.RETRY, None),
    (answer(502), Outcome.RETRY, None),
    (answer(418), Outcome.REJECTED, None),
]


@pytest.mark.parametrize(("given", "outcome", "hold"), ROWS, ids=[str(number) for number in range(1, 20)])
def test_every_row_of_the_table(given: Answer, outcome: Outcome, hold: timedelta | None) -> None:
    verdict = MPNS.interpret(given)
    assert (verdict.outcome, verdict.hold, verdict.ambiguous) == (outcome, hold, False)
    assert verdict.reason.endswith((".", ")."))


def test_without_an_answer_it_depends_on_whether_it_left() -> None:
    definite = MPNS.interpret(Answer(0, lost=Lost.NOT_SENT, error="Could not connect."))
    assert (definite.outcome, definite.ambiguous) == (Outcome.RETRY, False)
    doubtful = MPNS.interpret(Answer(0, lost=Lost.AMBIGUOUS, error="Timed out."))
    assert (doubtful.outcome, doubtful.ambiguous) == (Outcome.UNKNOWN, True)
    assert "Timed out." in doubtful.reason


def test_a_certificate_that_does_not_do_is_our_fault() -> None:
    lost = Answer(0, lost=Lost.NOT_SENT, error="alert unknown ca", certificate_refused=True)
    verdict = MPNS.interpret(lost, authenticated=True)
    assert (verdict.outcome, verdict.ambiguous) == (Outcome.DENIED, False)
    assert "alert unknown ca" in verdict.reason


def test_whose_fault_a_401_is_depends_on_the_channel() -> None:
    assert MPNS.interpret(answer(401), authenticated=True).outcome is Outcome.DENIED
    assert MPNS.interpret(answer(401), authenticated=False).outcome is Outcome.GONE


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 406, 412, 503])
def test_an_expired_subscription_wins_over_everything(status: int) -> None:
    for spelling in ("Expired", "expired", " EXPIRED "):
        given = answer(status, "Received", "Connected", spelling)
        assert MPNS.interpret(given, authenticated=True).outcome is Outcome.GONE


@pytest.mark.parametrize(
    ("spelling", "connection"),
    [
        *[(word, "connected") for word in ("Connected", "connected", " CONNECTED ")],
        *[(word, "temp_disconnected") for word in ("TempDisconnected", "Temp Disconnected", "tempdisconnected")],
        *[(word, "temp_disconnected") for word in ("Temporarily Disconnected", "TemporarilyDisconnected")],
        *[(word, "inactive") for word in ("Inactive", "InActive", "inactive")],
        *[(word, "disconnected") for word in ("Disconnected", "disconnected")],
        *[(word, "") for word in ("", "N/A", "n/a", "NotApplicable", "Not Applicable")],
        *[(word, "unknown") for word in ("On the moon", "ÿþ", "connected;")],
    ],
)
def test_the_connection_was_spelled_in_many_ways(spelling: str, connection: str) -> None:
    verdict = MPNS.interpret(answer(200, "Received", spelling, "Active"))
    assert (verdict.outcome, verdict.connection) == (Outcome.ACCEPTED, connection)


@pytest.mark.parametrize(
    ("spelling", "outcome"),
    [
        *(("received", Outcome.ACCEPTED), ("RECEIVED", Outcome.ACCEPTED), ("queuefull", Outcome.RETRY)),
        *(("Queue Full", Outcome.RETRY), ("suppressed", Outcome.DROPPED), ("Dropped", Outcome.DROPPED)),
    ],
)
def test_so_was_the_notification(spelling: str, outcome: Outcome) -> None:
    assert MPNS.interpret(answer(200, spelling, "connected", "active")).outcome is outcome


@pytest.mark.parametrize("words", ["", "Delivered", "Received?", "ÿþ", "N/A"])
def test_a_200_without_a_known_word_is_unknown_and_nothing_is_made_up(words: str) -> None:
    verdict = MPNS.interpret(answer(200, words, "Connected"))
    assert (verdict.outcome, verdict.ambiguous) == (Outcome.UNKNOWN, False)


@pytest.mark.parametrize("status", [201, 202, 204])
def test_another_success_is_no_failure_to_be_told(status: int) -> None:
    assert MPNS.interpret(answer(status)).outcome is Outcome.UNKNOWN


def test_the_services_own_words_are_kept_as_they_came() -> None:
    verdict = MPNS.interpret(answer(200, "Sort Of", "N/A", "Aktiv"))
    assert verdict.words == (
        ("X-NotificationStatus", "Sort Of"),
        ("X-DeviceConnectionStatus", "N/A"),
        ("X-SubscriptionStatus", "Aktiv"),
    )
    assert MPNS.interpret(answer(503)).words == ()
    assert MPNS.interpret(answer(200, "x" * 5000)).words == (("X-NotificationStatus", "x" * 100),)


def test_a_phone_that_is_away_is_told() -> None:
    away = MPNS.interpret(answer(200, "Received", "TempDisconnected", "Active")).reason
    assert "until the phone is back" in away
    assert away != MPNS.interpret(answer(200, "Received", "Connected", "Active")).reason


@pytest.mark.parametrize("status", [500, 503, 504, 599, 429])
def test_a_busy_service_says_when(status: int) -> None:
    assert MPNS.interpret(answer(status, retry_after="120")).retry_after == timedelta(seconds=120)
    assert MPNS.interpret(answer(status, retry_after="soon")).retry_after is None
    assert MPNS.interpret(answer(status)).retry_after is None


@pytest.mark.parametrize("status", [301, 302, 307, 402, 410, 413, 999])
def test_what_nobody_documented_is_final_and_told(status: int) -> None:
    verdict = MPNS.interpret(answer(status, retry_after="5"))
    assert (verdict.outcome, verdict.retry_after, verdict.hold) == (Outcome.REJECTED, None, None)
    assert str(status) in verdict.reason


# --- the request ---


def test_a_push_is_addressed_to_its_channel() -> None:
    payload = Payload(b"<x/>", (("Content-Type", "text/xml"),))
    request = MPNS.build(Target(HTTP), payload, ID, None)
    assert (request.url, request.method, request.body, request.certificate) == (HTTP, "POST", b"<x/>", None)
    assert (request.headers, request.own) == ((("Content-Type", "text/xml"),), (("X-MessageID", ID),))


def test_the_certificate_is_shown_on_authenticated_channels_only() -> None:
    credentials = Credentials("certificate", "key")
    payload = Payload(b"x")
    shown = MPNS.build(Target(HTTPS), payload, ID, credentials).certificate
    assert shown is not None
    assert (shown.certificate, shown.key) == ("certificate", "key")
    assert MPNS.build(Target(HTTP), payload, ID, credentials).certificate is None
    assert MPNS.build(Target(HTTPS), payload, ID, None).certificate is None


@pytest.mark.threats(13)
def test_a_key_is_never_printed() -> None:
    request = MPNS.build(Target(HTTPS), Payload(b"x"), ID, Credentials("certificate", "very secret"))
    assert "very secret" not in repr(request)
    assert "very secret" not in repr(Credentials("certificate", "very secret"))


@pytest.mark.parametrize(
    ("version", "variant"),
    [
        *(((7, 0, 7004), "7.0"), ((7, 0, 7392), "7.0"), ((7,), "7.0"), ((6, 5), "7.0"), ((0,), "7.0")),
        *(((7, 10), "7.1"), ((7, 10, 7720), "7.1"), ((7, 10, 8779, 8), "7.1"), ((7, 5, 0, 0), "7.1"), ((7, 1), "7.1")),
        *(((7, 10, 8858), "7.8"), ((7, 10, 8862, 144), "7.8"), ((7, 8), "7.8"), ((7, 8, 0, 0), "7.8")),
        *(((8,), "8.0"), ((8, 0, 9903), "8.0"), ((8, 0, 10327, 77), "8.0"), ((8, 0, 10491), "8.0")),
        *(((8, 0, 10492), "8.0 Update 3"), ((8, 0, 10512, 142), "8.0 Update 3"), ((8, 10, 12393), "8.0 Update 3")),
        *(((8, 1), "8.0 Update 3"), ((10, 0, 10586), "8.0 Update 3"), ((), "7.1")),
    ],
)
def test_devices_are_told_apart_by_what_they_understand(version: tuple[int, ...], variant: str) -> None:
    assert MPNS.variant(Target(HTTP, version)) == variant


def test_services_are_found_by_their_slug() -> None:
    assert find("mpns") is MPNS
    with pytest.raises(LookupError, match="no push service called “pigeon”"):
        find("pigeon")
