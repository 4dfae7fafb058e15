"""MPNS, Microsoft's push service for Windows Phone 7 and 8. Switched off on 20 February 2018; emulator only.

One POST per device to its channel URI; the answer's headers tell the state of message, device and subscription.
Sources: Microsoft, "Push Notification Service Response Codes for Windows Phone 8" (v=VS.105) and "… for Windows Phone"
(v=VS.92); "Sending push notifications for Windows Phone"; "Toasts", "Flip", "Iconic" and "Cycle Tile template for
Windows Phone 8". docs/push-services/mpns.md tells where they contradict each other and what we chose.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import ClassVar
from xml.etree import ElementTree

from devices.push import address
from devices.push.base import (
    AddressRefused,
    Answer,
    ClientCertificate,
    Lost,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Verdict,
    retry_after,
)
from devices.push.message import (
    CycleTile,
    FlipTile,
    IconicTile,
    Message,
    MessageInvalid,
    Problem,
    Raw,
    StandardTile,
    Tile,
    Toast,
)

NAMESPACE = "WPNotification"
ElementTree.register_namespace("wp", NAMESPACE)
HOUR = timedelta(hours=1)
# The two forms of channel URI: the classic one, where path and scheme both tell whether a certificate is due, and the
# later one of 8.1, where only the scheme does.
PATH = re.compile(
    r"/(?:(?P<tier>throttled|unthrottled)thirdparty/[0-9]+\.[0-9]+|u/1/[A-Za-z0-9-]+)/(?P<id>[A-Za-z0-9._~:=-]+)"
)
CLASS_BASE = {"tile": 1, "toast": 2, "raw": 3}
CLASS_DELAY = {0: 0, 450: 10, 900: 20}
TARGET = {"toast": "toast", "tile": "token"}  # a tile is called "token" on the wire; raw has no target

# Windows Phone versions by what they understand, oldest first: name → first version number.
VARIANTS: dict[str, tuple[int, ...]] = {
    "7.0": (0,),
    "7.1": (7, 1),  # sold as 7.5, reports itself as 7.10
    "7.8": (7, 10, 8858),
    "8.0": (8,),
    "8.0 Update 3": (8, 0, 10492),
}
SOLD_AS: dict[tuple[int, ...], tuple[int, ...]] = {(7, 8): (7, 10, 8858)}  # an app may tell the name on the box
SAMPLE = "http://db3.notify.live.net/throttledthirdparty/01.00/AAQs-example-device"
UNKNOWN_VERSION = "7.1"  # of a device that did not tell: a toast keeps its page, nothing it may choke on is added
ORDER = list(VARIANTS)

# field of the message → element, in the order of Microsoft's samples
ELEMENTS: dict[type[Tile], dict[str, str]] = {
    StandardTile: {
        "background_image": "BackgroundImage",
        "count": "Count",
        "title": "Title",
        "back_background_image": "BackBackgroundImage",
        "back_title": "BackTitle",
        "back_content": "BackContent",
    },
    FlipTile: {
        "small_background_image": "SmallBackgroundImage",
        "wide_background_image": "WideBackgroundImage",
        "wide_back_background_image": "WideBackBackgroundImage",
        "wide_back_content": "WideBackContent",
        "background_image": "BackgroundImage",
        "count": "Count",
        "title": "Title",
        "back_background_image": "BackBackgroundImage",
        "back_title": "BackTitle",
        "back_content": "BackContent",
    },
    IconicTile: {
        "small_icon_image": "SmallIconImage",
        "icon_image": "IconImage",
        "wide_content_1": "WideContent1",
        "wide_content_2": "WideContent2",
        "wide_content_3": "WideContent3",
        "count": "Count",
        "title": "Title",
        "background_color": "BackgroundColor",
    },
    CycleTile: {
        "small_background_image": "SmallBackgroundImage",
        **{f"cycle_image_{number}": f"CycleImage{number}" for number in range(1, 10)},
        "count": "Count",
        "title": "Title",
    },
}
TEMPLATES: dict[type[Tile], str] = {FlipTile: "FlipTile", IconicTile: "IconicTile", CycleTile: "CycleTile"}
ONLY_71 = ("back_background_image", "back_title", "back_content")  # of a standard tile


@dataclass(frozen=True, slots=True)
class Credentials:
    """The TLS client certificate that an authenticated channel demands: PEM, with its chain, and its private key."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Microsoft's response table."""

    outcome: Outcome
    reason: str
    hold: timedelta | None = None


RECEIVED = {
    "connected": Row(Outcome.ACCEPTED, "The service took it; the phone is connected."),
    "temp_disconnected": Row(Outcome.ACCEPTED, "The service took it and keeps it until the phone is back."),
}
TAKEN = Row(Outcome.ACCEPTED, "The service took it.")
BY_NOTIFICATION = {
    "queuefull": Row(Outcome.RETRY, "The phone's queue is full; the message was not stored."),
    "suppressed": Row(Outcome.DROPPED, "Suppressed: the app or its user does not take this kind of message."),
    "dropped": Row(Outcome.DROPPED, "The service dropped it."),
}
EXPIRED = Row(Outcome.GONE, "The subscription has expired: this channel is gone.")
BY_STATUS = {
    400: Row(Outcome.REJECTED, "The service found the message or its address malformed (400)."),
    403: Row(Outcome.DENIED, "The service does not accept our certificate (403)."),
    404: EXPIRED,
    405: Row(Outcome.REJECTED, "The service refused the method (405)."),
    406: Row(Outcome.RETRY, "The channel's daily limit is reached, or too many came at once (406).", HOUR),
    412: Row(Outcome.RETRY, "The phone has been out of reach for long (412).", HOUR),
    429: Row(Outcome.RETRY, "The service asked to slow down (429)."),
}
UNAUTHORIZED = Row(Outcome.GONE, "The channel's token is not valid for this subscription (401).")
WRONG_SUBJECT = Row(Outcome.DENIED, "Our certificate does not fit this channel (401).")
WORDS = ("X-NotificationStatus", "X-DeviceConnectionStatus", "X-SubscriptionStatus")
LONGEST_WORD = 100  # characters kept of each
LOWER_WORDS = tuple(name.lower() for name in WORDS)
CONNECTIONS = {
    "connected": "connected",
    "tempdisconnected": "temp_disconnected",
    "temporarilydisconnected": "temp_disconnected",
    "disconnected": "disconnected",
    "inactive": "inactive",
}
NOTHING = {"", "n/a", "notapplicable"}


class Mpns(PushService):
    """Microsoft Push Notification Service."""

    slug = "mpns"
    label = "Windows Phone (MPNS)"
    address_word = "channel URI"
    retired = "Microsoft switched MPNS off on 20 February 2018; it answers only in the emulator."
    kinds = frozenset({"toast", "standard_tile", "flip_tile", "iconic_tile", "cycle_tile", "raw"})
    payload_limit = 3072
    payload_advice = 1024
    hosts: ClassVar[tuple[str, ...]] = (".notify.live.net",)
    samples: ClassVar[tuple[Target, ...]] = tuple(Target(SAMPLE, VARIANTS[name]) for name in ORDER)
    credentials = Credentials

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return a channel URI in its plain spelling; raise AddressRefused."""
        url = address.read(raw, self.address_word, self.hosts, extra_hosts, frozenset({"http", "https"}))
        path = PATH.fullmatch(url.path)
        if path is None or path["id"] in {".", ".."}:
            raise AddressRefused("This is not the path of a channel URI.")
        if path["tier"] and (path["tier"] == "throttled") != (url.scheme == "http"):
            raise AddressRefused("http goes with throttledthirdparty, https with unthrottledthirdparty.")
        return str(url)

    def problems(self, message: Message) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"MPNS cannot carry a {message.label.lower()}.")]
        found = message.warnings()
        sizes = [len(self.encode(message, name).body) for name in ORDER if not _unshowable(message, name)]
        largest = max(sizes)
        if largest > self.payload_limit:
            found.append(Problem("", f"The message has {largest} bytes; MPNS takes at most {self.payload_limit}."))
        elif largest > self.payload_advice:
            sentence = f"The message has {largest} bytes; more than {self.payload_advice} may be refused."
            found.append(Problem("", sentence, "warning"))
        if isinstance(message, CycleTile) and any(
            getattr(message, f"cycle_image_{number}").startswith("http") for number in range(1, 10)
        ):
            sentence = "Whether phones load cycle pictures from the web was never confirmed; use ones in the app."
            found.append(Problem("cycle_image_1", sentence, "warning"))
        return found

    def notes(self, message: Message, variant: str) -> list[Problem]:
        """Tell what devices of this variant will not show of ``message``."""

        def note(name: str, sentence: str) -> Problem:
            return Problem(name, sentence, "warning")

        if unshowable := _unshowable(message, variant):
            return [unshowable]
        found = []
        if isinstance(message, Toast):
            if message.param and _older(variant, "7.1"):
                found.append(note("param", "Windows Phone 7.0 opens the start page: it knows no page in a toast."))
            if (message.sound or message.silent) and _older(variant, "8.0 Update 3"):
                found.append(note("sound", f"Windows Phone {variant} plays its usual sound."))
        if isinstance(message, StandardTile) and _older(variant, "7.1") and _needs_71(message):
            found.append(note("back_title", "Windows Phone 7.0 has no back side and clears nothing."))
        if type(message) in TEMPLATES and _older(variant, "7.8"):
            found.append(note("", f"Windows Phone {variant} does not know this tile; what it shows was never told."))
        return found

    def variant(self, target: Target) -> str:
        """Return the newest of VARIANTS that this device has reached."""
        if not target.os_version:
            return UNKNOWN_VERSION
        version = SOLD_AS.get(target.os_version[:2], target.os_version)
        return next(name for name in reversed(ORDER) if name == ORDER[0] or version >= VARIANTS[name])

    def encode(self, message: Message, variant: str) -> Payload:
        """Return the body and the headers that tell kind and delivery class."""
        if message.slug not in self.kinds:
            raise LookupError(f"MPNS cannot carry a {message.label.lower()}.")
        delivery = str(CLASS_BASE[message.kind] + CLASS_DELAY[message.delay])
        headers = [("Content-Type", "text/xml"), ("X-NotificationClass", delivery)]
        if isinstance(message, Raw):
            return Payload(message.body.encode(), tuple(headers))
        headers.append(("X-WindowsPhone-Target", TARGET[message.kind]))
        root = ElementTree.Element(f"{{{NAMESPACE}}}Notification")
        if isinstance(message, Toast):
            _toast(root, message, variant)
        elif isinstance(message, Tile):
            _tile(root, message, variant)
        body = ElementTree.tostring(root, encoding="utf-8", short_empty_elements=False)
        return Payload(_declared(body), tuple(headers))

    def build(self, target: Target, payload: Payload, message_id: str, credentials: object | None) -> Request:
        """Address the payload to one channel; an https channel gets the certificate."""
        certificate = None
        if isinstance(credentials, Credentials) and target.address.startswith("https:"):
            certificate = _certificate(credentials)
        headers = (*payload.headers, ("X-MessageID", message_id))
        return Request(target.address, headers, payload.body, certificate=certificate)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means; ``authenticated`` tells whether the channel URI was https."""
        if answer.certificate_refused:
            return Verdict(Outcome.DENIED, f"Our certificate cannot be used: {answer.error}")
        if answer.lost is Lost.NOT_SENT:
            return Verdict(Outcome.RETRY, f"The service could not be reached: {answer.error}")
        if answer.lost is Lost.AMBIGUOUS:
            return Verdict(Outcome.UNKNOWN, f"No valid answer came: {answer.error}", ambiguous=True)
        raw = tuple([answer.headers.get(name, "")[:LONGEST_WORD] for name in LOWER_WORDS])
        verdict = _verdict(answer.status, raw, authenticated)
        if verdict.outcome is Outcome.RETRY and (wish := answer.headers.get("retry-after")):
            return dataclasses.replace(verdict, retry_after=retry_after(wish))
        return verdict


@lru_cache(maxsize=256)  # a campaign gets the same few answers again and again
def _verdict(status: int, raw: tuple[str, ...], authenticated: bool) -> Verdict:
    """Say what a status and the values of WORDS ("": absent) mean."""
    words = tuple((name, value) for name, value in zip(WORDS, raw, strict=True) if value)
    notification, connection, subscription = (_word(value) for value in raw)
    connection = CONNECTIONS.get(connection, "" if connection in NOTHING else "unknown")
    row = _row(status, notification, connection, subscription, authenticated)
    return Verdict(row.outcome, row.reason, words, hold=row.hold, connection=connection)


def _row(status: int, notification: str, connection: str, subscription: str, authenticated: bool) -> Row:
    if subscription == "expired":
        return EXPIRED  # whatever the status says
    if status == 401:
        return WRONG_SUBJECT if authenticated else UNAUTHORIZED
    if status == 200 and notification == "received":
        return RECEIVED.get(connection, TAKEN)
    if 200 <= status < 300:
        unknown = Row(Outcome.UNKNOWN, f"The service answered {status} without a word that its documentation knows.")
        return BY_NOTIFICATION.get(notification, unknown) if status == 200 else unknown
    if 500 <= status < 600:
        return Row(Outcome.RETRY, f"The service cannot take it now ({status}).")
    if 300 <= status < 400:
        return Row(Outcome.REJECTED, f"The service pointed elsewhere ({status}); redirects are never followed.")
    unexpected = Row(Outcome.REJECTED, f"The service answered {status}, which its documentation does not know.")
    return BY_STATUS.get(status, unexpected)


def _word(raw: str) -> str:
    """Return a status word without blanks and case: it was spelled in many ways over the years."""
    return re.sub(r"\s+", "", raw).lower()


def _older(variant: str, than: str) -> bool:
    return ORDER.index(variant) < ORDER.index(than)


def _needs_71(tile: StandardTile) -> bool:
    return bool(tile.clear) or any(getattr(tile, name) for name in ONLY_71)


def _unshowable(message: Message, variant: str) -> Problem | None:
    """Return why devices of this variant are not sent ``message`` at all. Without its Id it would hit another tile."""
    if not isinstance(message, Tile) or not _older(variant, "7.1"):
        return None
    if message.tile_id:
        return Problem("tile_id", "Windows Phone 7.0 has no secondary tiles.", "warning")
    shown = [name for name in ELEMENTS[type(message)] if name not in ONLY_71]
    if all(getattr(message, name) in ("", None) for name in shown):
        return Problem(
            "title", "Windows Phone 7.0 shows nothing of this tile: no back side, nothing cleared.", "warning"
        )
    return None


def _toast(root: ElementTree.Element, message: Toast, variant: str) -> None:
    toast = _child(root, "Toast")
    _child(toast, "Text1", message.title)
    _child(toast, "Text2", message.text)
    if message.param and not _older(variant, "7.1"):
        _child(toast, "Param", message.param)
    if not _older(variant, "8.0 Update 3"):
        if message.silent:
            _child(toast, "Sound").set("Silent", "true")
        elif message.sound:
            _child(toast, "Sound", message.sound)


def _tile(root: ElementTree.Element, message: Tile, variant: str) -> None:
    if unshowable := _unshowable(message, variant):
        raise MessageInvalid([unshowable])
    first = _older(variant, "7.1")
    tile = _child(root, "Tile")
    template = TEMPLATES.get(type(message))
    if template:
        root.set("Version", "2.0")
        tile.set("Template", template)
    if message.tile_id and not first:
        tile.set("Id", message.tile_id)
    for name, element in ELEMENTS[type(message)].items():
        value = getattr(message, name)
        if first and name in ONLY_71:
            continue
        if name in message.clear and not first:
            _child(tile, element).set("Action", "Clear")
        elif value not in ("", None):
            _child(tile, element, str(value))


def _child(parent: ElementTree.Element, name: str, text: str = "") -> ElementTree.Element:
    child = ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    child.text = text
    return child


def _declared(body: bytes) -> bytes:
    """Put the declaration in front as Microsoft's samples write it: double quotes, nothing before it."""
    _, _, rest = body.partition(b"?>\n") if body.startswith(b"<?xml") else (b"", b"", body)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + rest


def _certificate(credentials: Credentials) -> ClientCertificate:
    return ClientCertificate(credentials.certificate, credentials.key)
