"""The seam for live browsers, whose keys the emulator never sees."""

from __future__ import annotations

import pytest

from devices.emulator import inboxes
from devices.emulator.clock import Clock
from devices.emulator.exchange import Request
from devices.emulator.inboxes import Inboxes
from devices.emulator.ledger import Ledger
from devices.emulator.shared import Shared
from devices.emulator.webpush import service as services
from devices.emulator.webpush.control import Control
from devices.emulator.webpush.inbox import Received
from devices.emulator.webpush.service import WebPush
from devices.emulator.webpush.subscriptions import MOST_KEPT, Push, Subscription, Subscriptions
from tests.devices.emulator.webpush.sender import Vapid

HOST = "127.0.0.1:8100"


@pytest.fixture
def service() -> WebPush:
    return WebPush(Shared(Clock(), Ledger(None), 10))


def pushed(service: WebPush, subscription: Subscription, vapid: Vapid, body: bytes, **headers: str) -> bytes:
    """Push and return the status line."""
    given = {
        "host": HOST, "ttl": "60", "content-encoding": "aes128gcm",
        "authorization": vapid.authorization(f"http://{HOST}"), **headers,
    }  # fmt: skip
    encoded = {name.encode(): value.encode() for name, value in given.items()}
    request = Request(b"POST", subscription.endpoint_path.encode(), encoded, body, len(body))
    return service.answer(request).answer.split(b"\r\n")[0]


def test_a_live_browser_gets_what_arrives_as_it_arrived(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", vapid.public)
    got: list[Push] = []
    subscription.listener = got.append
    assert pushed(service, subscription, vapid, b"sealed", topic="news").endswith(b"201 Created")
    (push,) = got
    assert (push.body, push.ttl, push.topic, push.encoding) == (b"sealed", 60, "news", "aes128gcm")
    assert service.counts["undecryptable"] == 0
    assert service.counts["delivered"] == 1


def test_what_comes_while_nobody_listens_is_handed_over_later(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", "")
    pushed(service, subscription, vapid, b"old", topic="news")
    pushed(service, subscription, vapid, b"new", topic="news")
    pushed(service, subscription, vapid, b"never", ttl="0")
    pushed(service, subscription, vapid, b"brief", ttl="5")
    service.shared.clock.advance(6)
    got: list[Push] = []
    subscription.listener = got.append
    subscription.listener = None
    subscription.listener = got.append
    assert [push.body for push in got] == [b"new"]


def test_a_listener_that_leaves_in_between_loses_nothing(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", "")
    for body in (b"one", b"two"):
        pushed(service, subscription, vapid, body)
    got: list[bytes] = []

    def once(push: Push) -> None:
        got.append(push.body)
        subscription.listener = None

    subscription.listener = once
    assert got == [b"one"]
    subscription.listener = once
    assert got == [b"one", b"two"]


def test_another_key_is_refused(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", vapid.public)
    assert pushed(service, subscription, Vapid(), b"sealed").endswith(b"401 Unauthorized")


def test_closing_ends_it(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", vapid.public)
    got: list[Push] = []
    subscription.listener = got.append
    subscription.close()
    assert pushed(service, subscription, vapid, b"sealed").endswith(b"410 Gone")
    assert got == []


def test_live_browsers_outlive_a_reset(service: WebPush, vapid: Vapid) -> None:
    subscription = service.subscriptions.open("mozilla", vapid.public)
    service.reset()
    assert service.subscriptions.find(subscription.endpoint_path.encode()) is subscription


def test_only_so_many_messages_wait() -> None:
    subscription = Subscriptions(lambda: 0.0).open("apple", "")
    for number in range(MOST_KEPT + 5):
        subscription.deliver(Push(b"%d" % number, 60))
    assert len(subscription.waiting) == MOST_KEPT
    assert subscription.waiting[0].body == b"5"


def test_only_the_latest_messages_can_be_taken_back(
    service: WebPush, vapid: Vapid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_WAITING", 2)
    subscription = service.subscriptions.open("mozilla", "")
    for body in (b"one", b"two", b"three"):
        pushed(service, subscription, vapid, body)
    targets = [f"/m/{push.id}".encode() for push in subscription.waiting]
    got = [service.answer(Request(b"DELETE", target)).answer[9:12] for target in targets]
    assert got == [b"404", b"204", b"204"]


def test_a_live_browser_is_not_steered(service: WebPush) -> None:
    subscription = service.subscriptions.open("mozilla", "")
    command = Control(service).commands["/emulator/webpush/offline"]
    with pytest.raises(ValueError, match="by itself"):
        command({"endpoint": subscription.endpoint_path, "offline": False})


def test_the_inbox_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST", 4)
    monkeypatch.setattr(inboxes, "MOST_EACH", 2)
    inbox: Inboxes[Received] = Inboxes()
    for endpoint in "aaabbcd":
        inbox.put(endpoint, Received(Push(b"", 60), None))
    assert {endpoint: len(inbox.of(endpoint)) for endpoint in "abcd"} == {"a": 0, "b": 2, "c": 1, "d": 1}


def test_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(ValueError, match="vendor must be one of"):
        Subscriptions(lambda: 0.0).open("opera", "")
