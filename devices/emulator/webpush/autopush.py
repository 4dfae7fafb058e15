"""The half of a push service that browsers talk to: Mozilla's "autopush", JSON messages on one websocket per browser.

A Firefox whose preference ``dom.push.serverURL`` is the emulator's address gets its subscriptions here. RFC 8030,
sections 5.3 and 6, leaves this half to the service; the messages are those that section 8 of the project's page on
Web Push lists, with what a Firefox was seen to send.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devices.emulator.exchange import Reply, Request, plain
from devices.emulator.webpush.encoding import decoded, encoded, public_key
from devices.emulator.webpush.subscriptions import Push, Subscription
from devices.emulator.websocket import Websocket

LONGEST_MESSAGE = 64 * 1024  # characters of one message from a browser
MOST_CONNECTED = 100  # websockets at a time
MOST_BROWSERS = 1000  # that are remembered; the one that is away for longest makes room
MOST_CHANNELS = 200  # subscriptions of one browser
MOST_OPENED = 100_000  # subscriptions altogether, because those that are gone are remembered for their 410
MOST_UNACKNOWLEDGED = 100  # messages sent to one browser before it acknowledges one; what follows waits

OUTCOMES = {100: "delivered", 101: "undecryptable", 102: "undelivered"}  # the codes of an acknowledgement
VIOLATION = 1008  # closes a websocket that breaks the rules (RFC 6455, section 7.4.1)
GOING_AWAY = 1001

_LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
Message = dict[str, Any]


class Broken(ValueError):
    """A message that no browser sends. Its text is the reason in the close frame."""


@dataclass(slots=True, eq=False)
class Browser:
    """One browser by its ``uaid``, connected or away.

    ``sent`` holds what it has not acknowledged, by version: the channel and the message.
    """

    uaid: str
    channels: dict[str, Subscription] = field(default_factory=dict)
    sent: dict[str, tuple[str, Push]] = field(default_factory=dict)
    session: Session | None = None

    def attend(self) -> None:
        """Take messages while connected and not too many are unacknowledged; else they wait in the subscriptions."""
        for channel_id, subscription in list(self.channels.items()):
            willing = self.session is not None and len(self.sent) < MOST_UNACKNOWLEDGED
            if not willing:
                subscription.listener = None
            elif subscription.listener is None:
                subscription.listener = self._listener(channel_id)

    def connect(self, session: Session, now: float) -> None:
        """Send again what was never acknowledged and has not expired at ``now``, then what waited."""
        self.session = session
        self.sent = {version: one for version, one in self.sent.items() if not one[1].expired(now)}
        for version, (channel_id, push) in self.sent.items():
            session.notify(channel_id, version, push)
        self.attend()

    def leave(self) -> None:
        """Let messages wait."""
        self.session = None
        self.attend()

    def drop(self, channel_id: str) -> None:
        """End a subscription, if there is one: its endpoint answers with 410 from now on."""
        subscription = self.channels.pop(channel_id, None)
        if subscription is not None:
            subscription.close()
            self.sent = {version: one for version, one in self.sent.items() if one[0] != channel_id}
            self.attend()

    def _listener(self, channel_id: str) -> Callable[[Push], None]:
        def deliver(push: Push) -> None:
            if push.topic:  # RFC 8030, section 5.4: what was not delivered gives way to the next of its topic
                old = [v for v, (owner, was) in self.sent.items() if owner == channel_id and was.topic == push.topic]
                for version in old:
                    del self.sent[version]
            version = secrets.token_urlsafe(16)
            self.sent[version] = (channel_id, push)
            if self.session is not None:
                self.session.notify(channel_id, version, push)
            if len(self.sent) >= MOST_UNACKNOWLEDGED:
                self.attend()

        return deliver


class Autopush:
    """Every browser that has said hello.

    ``subscribe`` makes the subscription for a VAPID key in base64url ("" without one); ``now`` tells the emulated
    moment in unix seconds.
    """

    def __init__(self, subscribe: Callable[[str], Subscription], now: Callable[[], float]) -> None:
        self.subscribe = subscribe
        self.now = now
        self.sessions: set[Session] = set()
        self.browsers: dict[str, Browser] = {}  # the one that came or left last stands last
        self.opened = 0
        self.outcomes: Counter[str] = Counter()

    def welcome(self, request: Request) -> Reply:
        """Answer a request with ``Upgrade: websocket``.

        403 for a host that is not this machine and for pages of websites, whose scripts could otherwise come in by
        the browser of whoever runs the emulator; 405 for another verb, 503 when everything is taken.
        """
        host = request.headers.get(b"host", b"")
        origin = request.headers.get(b"origin", b"").lower()
        if request.method != b"GET":
            return Reply(plain(405, b"", (("Allow", "GET"),)), close=True)
        if not _LOOPBACK.fullmatch(host) or origin == b"null" or origin.startswith((b"http:", b"https:")):
            return Reply(plain(403), close=True)
        if len(self.sessions) >= MOST_CONNECTED:
            return Reply(plain(503, b"", (("Retry-After", "5"),)), close=True)
        session = Session(self, f"{'https' if request.secure else 'http'}://{host.decode()}")
        session.socket = Websocket(request, session, LONGEST_MESSAGE)
        return Reply(plain(400), successor=session.socket)

    def browser(self, uaid: str) -> Browser:
        """Return the browser with this id, or a new one with a new id."""
        known = self.browsers.pop(uaid, None) or Browser(secrets.token_hex(16))
        self.browsers[known.uaid] = known
        if len(self.browsers) > MOST_BROWSERS:
            self._forget(next(one for one in self.browsers.values() if one.session is None and one is not known))
        return known

    def left(self, browser: Browser) -> None:
        """Note that a browser has gone away."""
        browser.leave()
        if self.browsers.pop(browser.uaid, None):
            self.browsers[browser.uaid] = browser

    def forget(self) -> None:
        """Forget every browser and end its subscriptions. Whoever is connected has to come again, and gets a new id."""
        for session in list(self.sessions):
            session.socket.close(GOING_AWAY, "forgotten")
        for browser in list(self.browsers.values()):
            self._forget(browser)

    def shown(self) -> dict[str, object]:
        """Return what a page or a test may want to know, as JSON can carry it."""
        browsers = self.browsers.values()
        return {
            "connected": sum(browser.session is not None for browser in browsers),
            "known": len(browsers),
            "subscriptions": sum(len(browser.channels) for browser in browsers),
            "unacknowledged": sum(len(browser.sent) for browser in browsers),
            "outcomes": dict(self.outcomes),
        }

    def _forget(self, browser: Browser) -> None:
        for channel_id in list(browser.channels):
            browser.drop(channel_id)
        self.browsers.pop(browser.uaid, None)


class Session:
    """One websocket of one browser; a ``websocket.Conversation``. ``origin`` is where its endpoints lie."""

    socket: Websocket

    def __init__(self, autopush: Autopush, origin: str) -> None:
        self._autopush = autopush
        self._origin = origin
        self._browser: Browser | None = None

    # websocket.Conversation

    def opened(self) -> None:
        """Count the connection."""
        self._autopush.sessions.add(self)

    def lost(self) -> None:
        """Let messages wait until the browser comes again."""
        self._autopush.sessions.discard(self)
        browser, self._browser = self._browser, None
        if browser is not None:
            self._autopush.left(browser)

    def heard(self, text: str) -> None:
        """Take one message; what no browser says closes the websocket with 1008 and a reason."""
        try:
            try:
                message = json.loads(text)
            except (ValueError, RecursionError):
                raise Broken("not JSON") from None
            if not isinstance(message, dict):
                raise Broken("not an object")
            self._take(message)
        except Broken as error:
            self.socket.close(VIOLATION, str(error))

    def notify(self, channel_id: str, version: str, push: Push) -> None:
        """Send one push message."""
        message: Message = {"messageType": "notification", "channelID": channel_id, "version": version, "ttl": push.ttl}
        if push.body:
            message["data"] = encoded(push.body)
            message["headers"] = {"encoding": push.encoding}
        self._say(message)

    def _say(self, message: Message) -> None:
        self.socket.say(json.dumps(message, separators=(",", ":")))

    def _take(self, message: Message) -> None:
        if not message:  # a ping, and its answer
            self._say({})
            return
        kind = _text(message, "messageType")
        if kind == "hello":
            self._hello(message)
        elif self._browser is None:
            raise Broken("the first message must be hello")
        elif kind == "register":
            self._register(message, self._browser)
        elif kind == "unregister":
            channel_id = _text(message, "channelID")
            self._browser.drop(channel_id)
            self._say({"messageType": kind, "channelID": channel_id, "status": 200})
        elif kind == "ack":
            self._acknowledge(message, self._browser)
        # anything else, such as broadcast_subscribe and nack, needs no answer

    def _hello(self, message: Message) -> None:
        if self._browser is not None:
            raise Broken("hello was said")
        if message.get("use_webpush") is not True:
            raise Broken("use_webpush must be true")
        browser = self._autopush.browser(_text(message, "uaid", missing=""))
        if browser.session is not None:  # it noticed before we did that its earlier connection is dead
            browser.session.socket.close(GOING_AWAY, "connected again")
        self._browser = browser
        told = {"uaid": browser.uaid, "status": 200, "use_webpush": True, "broadcasts": {}}
        self._say({"messageType": "hello", **told})
        browser.connect(self, self._autopush.now())

    def _register(self, message: Message, browser: Browser) -> None:
        channel_id, key = _text(message, "channelID"), _text(message, "key", missing="")
        answer: Message = {"messageType": "register", "channelID": channel_id}
        known = browser.channels.get(channel_id)
        try:
            key = key and _public_key(key)
        except ValueError:
            answer["status"] = 400
            self._say(answer)
            return
        if not _is_uuid(channel_id):
            answer["status"] = 400
        elif known is not None and key not in {"", known.key}:
            answer["status"] = 409
        elif known is None and (len(browser.channels) >= MOST_CHANNELS or self._autopush.opened >= MOST_OPENED):
            answer["status"] = 503
        else:
            if known is None:
                known = browser.channels[channel_id] = self._autopush.subscribe(key)
                self._autopush.opened += 1
                browser.attend()
            answer |= {"status": 200, "pushEndpoint": f"{self._origin}{known.endpoint_path}"}
        self._say(answer)

    def _acknowledge(self, message: Message, browser: Browser) -> None:
        updates = message.get("updates")
        if not isinstance(updates, list) or not all(isinstance(update, dict) for update in updates):
            raise Broken("updates must be a list of objects")
        for update in updates:
            channel_id, version = _text(update, "channelID"), _text(update, "version")
            if version in browser.sent and browser.sent[version][0] == channel_id:
                del browser.sent[version]
                code = update.get("code")
                self._autopush.outcomes[OUTCOMES.get(code, "unknown") if type(code) is int else "unknown"] += 1
        browser.attend()


def _text(message: Message, name: str, missing: str | None = None) -> str:
    """Return a field that must be text. Raises Broken."""
    value = message.get(name, missing)
    if not isinstance(value, str):
        raise Broken(f"{name} must be text")
    return value


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _public_key(text: str) -> str:
    """Return a VAPID key (RFC 8292, section 3.2) as senders write it, without the padding that Firefox adds.

    Raises ValueError for what is no uncompressed point on P-256.
    """
    octets = decoded(text)
    public_key(octets)
    return encoded(octets)
