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
from xml.sax.saxutils import escape

from devices.push import address
from devices.push.answers import unanswered
from devices.push.base import (
    AddressRefused,
    Answer,
    ClientCertificate,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Verdict,
    retry_after,
)
from devices.push.fields import MessageInvalid, Problem, asked, is_whole, warning, without_unspeakable
from devices.push.message import Message, Raw, Toast
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile, Tile

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
DELAYS = (("0", "at once"), ("450", "within 7½ minutes"), ("900", "within 15 minutes"))
PARAM_LIMIT = 256  # characters of a toast's page, escaped
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

TEMPLATES: dict[type[Tile], str] = {FlipTile: "FlipTile", IconicTile: "IconicTile", CycleTile: "CycleTile"}
# field of a tile → its element (back_title → BackTitle), in the order of the samples, which the tiles keep
WITHOUT: tuple[type[Tile], ...] = (StandardTile,)  # a template
ELEMENTS = {
    tile: {one.name: one.name.title().replace("_", "") for one in tile.form_fields() if one.clearable}
    for tile in (*WITHOUT, *TEMPLATES)
}
ONLY_71 = ("back_background_image", "back_title", "back_content")  # of a standard tile


@dataclass(frozen=True, slots=True)
class Credentials:
    """The TLS client certificate that an authenticated channel demands: PEM, with its chain, and its private key."""

    certificate: str = asked("Certificate and key", "PEM with both, or PFX.", "certificate")
    key: str = field(default="", repr=False)  # comes with the certificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a Windows Phone can do with a message and other devices cannot."""

    page: str = asked(
        "Page to open",
        "Instead of what opens on tap: /Page.xaml?key=value, or ?key=value for the start page. From Windows Phone 7.1.",
        only=("toast",),
    )
    sound: str = asked(
        "Sound", "A file in the app, such as Audio/ping.mp3. From Windows Phone 8.0 Update 3.", only=("toast",)
    )
    silent: bool = asked(
        "Silent", "Shows without a sound. From Windows Phone 8.0 Update 3.", "switch", False, only=("toast",)
    )
    delay: int = asked("Wake the phone", "A delayed message lets the phone save battery.", "choice", 0, choices=DELAYS)

    def __post_init__(self) -> None:
        without_unspeakable(self)
        problems = []
        if self.page and self.page[0] not in "/?":
            problems.append(Problem("page", "The page must begin with / (a page) or ? (the start page)."))
        if long := _too_long(self.page):
            problems.append(Problem("page", long))
        if self.sound and self.silent:
            problems.append(Problem("sound", "Choose a sound or silence, not both."))
        if not (is_whole(self.delay) and self.delay in CLASS_DELAY):
            problems.append(Problem("delay", "The delay is 0, 450 or 900 seconds."))
        if problems:
            raise MessageInvalid(problems)


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
    without_credentials = "No certificate. MPNS asks for one only on authenticated (https) channels."
    options = Options

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return a channel URI in its plain spelling; raise AddressRefused."""
        url = address.read(raw, self.address_word, self.hosts, extra_hosts, frozenset({"http", "https"}))
        path = PATH.fullmatch(url.path)
        if path is None or path["id"] in {".", ".."}:
            raise AddressRefused("This is not the path of a channel URI.")
        if path["tier"] and (path["tier"] == "throttled") != (url.scheme == "http"):
            raise AddressRefused("http goes with throttledthirdparty, https with unthrottledthirdparty.")
        return str(url)

    def emulated_address(self, name: str, host: str) -> str:
        """Return a channel URI at the emulator."""
        return f"http://{host}/throttledthirdparty/01.00/{name}"

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"MPNS cannot carry a {message.label.lower()}.")]
        found = message.warnings()
        if long := _too_long(_page(message, _chosen(options))):
            found.append(Problem("link", long))
        sizes = [len(self.encode(message, name, options).body) for name in ORDER if not _unshowable(message, name)]
        largest = max(sizes)
        if largest > self.payload_limit:
            found.append(Problem("", f"The message has {largest} bytes; MPNS takes at most {self.payload_limit}."))
        elif largest > self.payload_advice:
            found.append(
                warning("", f"The message has {largest} bytes; more than {self.payload_advice} may be refused.")
            )
        if isinstance(message, CycleTile) and any(
            getattr(message, f"cycle_image_{number}").startswith("http") for number in range(1, 10)
        ):
            sentence = "Whether phones load cycle pictures from the web was never confirmed; use ones in the app."
            found.append(warning("cycle_image_1", sentence))
        return found

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what devices of this variant will not show of ``message``."""
        if unshowable := _unshowable(message, variant):
            return [unshowable]
        found = []
        chosen = _chosen(options)
        if isinstance(message, Toast):
            if _page(message, chosen) and _older(variant, "7.1"):
                found.append(warning("page", "Windows Phone 7.0 opens the start page: it knows no page in a toast."))
            elif message.link and not _page(message, chosen):
                found.append(warning("link", f"Windows Phone {variant} opens the app: a toast leads to no website."))
            if (chosen.sound or chosen.silent) and _older(variant, "8.0 Update 3"):
                found.append(warning("sound", f"Windows Phone {variant} plays its usual sound."))
        needs_71 = isinstance(message, StandardTile) and (message.clear or any(getattr(message, n) for n in ONLY_71))
        if needs_71 and _older(variant, "7.1"):
            found.append(warning("back_title", "Windows Phone 7.0 has no back side and clears nothing."))
        if type(message) in TEMPLATES and _older(variant, "7.8"):
            found.append(warning("", f"Windows Phone {variant} does not know this tile; what it shows was never told."))
        return found

    def variant(self, target: Target) -> str:
        """Return the newest of VARIANTS that this device has reached."""
        if not target.os_version:
            return UNKNOWN_VERSION
        version = SOLD_AS.get(target.os_version[:2], target.os_version)
        return next(name for name in reversed(ORDER) if name == ORDER[0] or version >= VARIANTS[name])

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Return the body and the headers that tell kind and delivery class."""
        if message.slug not in self.kinds:
            raise LookupError(f"MPNS cannot carry a {message.label.lower()}.")
        chosen = _chosen(options)
        delivery = str(CLASS_BASE[message.kind] + CLASS_DELAY[chosen.delay])
        headers = [("Content-Type", "text/xml"), ("X-NotificationClass", delivery)]
        if isinstance(message, Raw):
            return Payload(message.body.encode(), tuple(headers))
        headers.append(("X-WindowsPhone-Target", TARGET[message.kind]))
        root = ElementTree.Element(f"{{{NAMESPACE}}}Notification")
        if isinstance(message, Toast):
            _toast(root, message, chosen, variant)
        elif isinstance(message, Tile):
            _tile(root, message, variant)
        body = ElementTree.tostring(root, encoding="utf-8", short_empty_elements=False)
        return Payload(_declared(body), tuple(headers))

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Address the payload to one channel; an https channel is authenticated, and gets the certificate."""
        identity = (("X-MessageID", message_id),)
        if not target.address.startswith("https:"):
            return Request(target.address, payload.headers, payload.body, own=identity)
        own = credentials if isinstance(credentials, Credentials) else None
        certificate = ClientCertificate(own.certificate, own.key) if own else None
        return Request(target.address, payload.headers, payload.body, "POST", certificate, True, identity)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means; ``authenticated`` tells whether the channel URI was https."""
        if verdict := unanswered(answer, "The service"):
            return verdict
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


def _chosen(options: object | None) -> Options:
    return options if isinstance(options, Options) else NO_OPTIONS


def _page(message: Message, options: Options) -> str:
    """Return the page of the app that a toast opens; "" for the start page. It leads to no website."""
    if not isinstance(message, Toast):
        return ""
    return options.page or (message.link if message.link[:1] in {"/", "?"} else "")


def _too_long(page: str) -> str:
    """Return what is wrong with the length of a page, in a sentence; "" when nothing is."""
    escaped = len(escape(page, {'"': "&quot;", "'": "&apos;"}))
    if escaped <= PARAM_LIMIT:
        return ""
    return f"The page has {escaped} characters when escaped; {PARAM_LIMIT} are allowed."


NO_OPTIONS = Options()


def _older(variant: str, than: str) -> bool:
    return ORDER.index(variant) < ORDER.index(than)


def _unshowable(message: Message, variant: str) -> Problem | None:
    """Return why devices of this variant are not sent ``message`` at all. Without its Id it would hit another tile."""
    if not isinstance(message, Tile) or not _older(variant, "7.1"):
        return None
    if message.tile_id:
        return warning("tile_id", "Windows Phone 7.0 has no secondary tiles.")
    shown = [name for name in ELEMENTS[type(message)] if name not in ONLY_71]
    if all(getattr(message, name) in ("", None) for name in shown):
        return warning("title", "Windows Phone 7.0 shows nothing of this tile: no back side, nothing cleared.")
    return None


def _toast(root: ElementTree.Element, message: Toast, options: Options, variant: str) -> None:
    toast = _child(root, "Toast")
    _child(toast, "Text1", message.title)
    _child(toast, "Text2", message.text)
    if (page := _page(message, options)) and not _older(variant, "7.1"):
        _child(toast, "Param", page)
    if not _older(variant, "8.0 Update 3"):
        if options.silent:
            _child(toast, "Sound").set("Silent", "true")
        elif options.sound:
            _child(toast, "Sound", options.sound)


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
