"""WNS: Windows Push Notification Services. Windows 8 to 11, late phones, Xbox.

One POST per device to its channel URI, HTTP/1.1 over TLS. Microsoft, "Push notification service request and response
headers" and "Windows Push Notification Services (WNS) overview"; docs/push-services/wns.md tells what we chose where
they differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from devices.push import address, windows_xml
from devices.push.adaptive import AdaptiveTile, Badge
from devices.push.answers import LONGEST_WORD, pointed_elsewhere, token_in, unanswered
from devices.push.base import (
    AddressRefused,
    Answer,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Token,
    TokenRefused,
    Verdict,
    retry_after,
)
from devices.push.fields import MessageInvalid, Problem, asked, plain_problems, warning, without_unspeakable
from devices.push.message import LINK_LIMIT, Message, Raw, Toast, is_web_address
from devices.push.tiles import CycleTile, Tile

LIVE = "https://login.live.com/accesstoken.srf"
ENTRA = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
PACKAGE = re.compile(r"ms-app://s-1-15-2(?:-[0-9]{1,10}){7}/?", re.IGNORECASE)
GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LOCAL = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
HOST = re.compile(r"https://(?:[a-z0-9-]+\.)*notify\.windows\.com")
KEPT_FOR = (
    (3600, "1 hour"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (604_800, "1 week"),
)
SOUNDS = ("", "Default", "IM", "Mail", "Reminder", "SMS", "Looping.Alarm", "Looping.Call")
SERVER_HELP = "Leave it empty: it is Microsoft's. Only the emulator on this machine can stand here."
TYPES = {"toast": "wns/toast", "raw": "wns/raw", "badge": "wns/badge"}  # by kind; what is in no row is a tile
THROTTLED = timedelta(minutes=10)  # that a channel waits where Microsoft names no time
BUSY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An app of the Store (package SID and secret), or an app registration of Entra (with its tenant)."""

    client_id: str = asked(
        "Package SID or application ID", "ms-app://s-1-15-2-… of an app in the Store; with Entra the application's ID."
    )
    secret: str = asked("Secret", "The app's or the registration's client secret.", "secret", hidden=True)
    tenant_id: str = asked("Tenant ID", "With Entra alone: the directory's ID.", optional=True)
    server: str = asked("Server", SERVER_HELP, optional=True)

    def __post_init__(self) -> None:
        problems = []
        if self.tenant_id and not GUID.fullmatch(self.tenant_id):
            problems.append(Problem("tenant_id", "The tenant's ID is 32 hexadecimal digits in groups: 8-4-4-4-12."))
        elif self.tenant_id and not GUID.fullmatch(self.client_id):
            problems.append(Problem("client_id", "With Entra, write the application (client) ID: 8-4-4-4-12 digits."))
        elif not self.tenant_id and not PACKAGE.fullmatch(self.client_id):
            told = "Write the package SID, ms-app://s-1-15-2-…; an application ID of Entra needs its tenant ID."
            problems.append(Problem("client_id", told))
        if not self.secret.strip():
            problems.append(Problem("secret", "Write the secret."))
        if self.server and not LOCAL.fullmatch(self.server):
            problems.append(Problem("server", "Only an address of this machine can stand here, https://127.0.0.1:…"))
        if problems:
            raise MessageInvalid(problems)

    @property
    def subject(self) -> str:
        """Return what the App's page shows first of it."""
        return "an app registration of Entra" if self.tenant_id else "an app of the Store"

    @property
    def fingerprint(self) -> str:
        """Return what devices are bound to."""
        return self.client_id[:100]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What Windows can do with a message."""

    attribution: str = asked("Attribution", "A small last line: via …", only=("toast",))
    picture: str = asked("Picture", "Below the text: https://…", "image", only=("toast",))
    hero: str = asked("Large picture", "Above the text: https://…", "image", only=("toast",))
    logo: str = asked("Logo", "In place of the app's: https://…", "image", only=("toast",))
    button_1: str = asked("First button", only=("toast",))
    button_1_opens: str = asked("Opens", "An address with https://, or arguments for the app.", only=("toast",))
    button_2: str = asked("Second button", only=("toast",))
    button_2_opens: str = asked("Opens", "An address with https://, or arguments for the app.", only=("toast",))
    sound: str = asked(
        "Sound", "", "choice", "", choices=tuple((name, name or "the usual one") for name in SOUNDS), only=("toast",)
    )
    silent: bool = asked("Silent", "", "switch", False, only=("toast",))
    scenario: str = asked(
        "Scenario",
        "A reminder or alarm stays until somebody acts; it needs a button.",
        "choice",
        "",
        choices=(("", "usual"), ("reminder", "reminder"), ("alarm", "alarm"), ("incomingCall", "incoming call")),
        only=("toast",),
    )
    long: bool = asked("Stays longer", "25 seconds in place of 7.", "switch", False, only=("toast",))
    kept: int = asked(
        "Kept for a device that is away",
        "Then it is thrown away, also off the tile; at the latest when the campaign gives up.",
        "choice",
        259_200,
        choices=tuple((str(seconds), words) for seconds, words in KEPT_FOR),
    )
    keep_raw: bool = asked("Keep for a device that is away", "Without, it is lost.", "switch", False, only=("raw",))

    def __post_init__(self) -> None:
        without_unspeakable(self)
        problems = list(plain_problems(self, longest=LINK_LIMIT))
        for name in ("picture", "hero", "logo"):
            picture = getattr(self, name)
            if picture and not (is_web_address(picture) or picture.startswith("ms-appx:///")):
                problems.append(Problem(name, "A picture is https://…, http://… or ms-appx:///… in the app."))
        buttons = (("button_1", self.button_1, self.button_1_opens), ("button_2", self.button_2, self.button_2_opens))
        told = "Write what stands on the button."
        problems += [Problem(name, told) for name, label, opens in buttons if opens and not label]
        if self.scenario and not self.button_1:
            problems.append(Problem("button_1", "Windows shows this scenario only with a button."))
        if problems:
            raise MessageInvalid(problems)


NO_OPTIONS = Options()
TAKEN = Verdict(Outcome.ACCEPTED, "WNS took it.")
NOTHING = warning("", "Of this tile Windows can show nothing: neither words nor a picture. Its devices are left out.")
BY_STATUS = {
    400: (Outcome.REJECTED, "WNS found a header missing or wrong (400)."),
    401: (Outcome.DENIED, "WNS does not take our token (401)."),
    403: (Outcome.DENIED, "The channel belongs to another app than our credentials (403)."),
    404: (Outcome.GONE, "The channel is unknown (404)."),
    405: (Outcome.REJECTED, "WNS takes nothing but POST (405)."),
    406: (Outcome.RETRY, "WNS slows the whole app down (406)."),
    410: (Outcome.GONE, "The channel has expired or was revoked (410)."),
    413: (Outcome.REJECTED, "The message has more than 5,000 bytes (413)."),
    429: (Outcome.DENIED, "The app's monthly quota is used up (429)."),
}
WORDS = (
    "x-wns-status",
    "x-wns-notificationstatus",
    "x-wns-deviceconnectionstatus",
    "x-wns-error-description",
    "x-wns-msg-id",
    "x-wns-debug-trace",
    "retry-after",
)
CONNECTIONS = {
    "connected": "connected",
    "disconnected": "disconnected",
    "tempdisconnected": "temp_disconnected",
    "tempconnected": "temp_disconnected",  # a misprint of the documentation
}


class Wns(PushService):
    """Windows Push Notification Services."""

    slug = "wns"
    label = "Windows (WNS)"
    address_word = "channel URI"
    kinds = frozenset(
        {"toast", "raw", "badge", "adaptive_tile", "standard_tile", "flip_tile", "iconic_tile", "cycle_tile"}
    )
    payload_limit = 5000
    payload_advice = 5000
    hosts = (".notify.windows.com",)
    samples: ClassVar[tuple[Target, ...]] = (Target("https://db5p.notify.windows.com/?token=AwYAAABexample%3d"),)
    credentials = Credentials
    credential_words = ("Issued to", "App")
    binds_devices = True
    without_credentials = "No secret yet. It stands with the package SID in Partner Center, or in Entra."
    credentials_needed = "Windows takes nothing without a secret: store it on the App's page."
    options = Options
    tries_credentials = True

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return a channel URI as it was given; raise AddressRefused. No token goes anywhere else than there."""
        schemes = frozenset({"http", "https"})
        url = address.read(raw, self.address_word, self.hosts, extra_hosts, schemes, escapes=True)
        if url.scheme != "https" and f"{url.host}:{url.port or '80'}" not in extra_hosts:
            raise AddressRefused("This channel URI must begin with https://.")
        if url.path.startswith("/w/"):
            raise AddressRefused("This is a browser's subscription of Web Push, and no channel of Windows.")
        if not url.query.removeprefix("?token=") or not url.query.startswith("?token="):
            raise AddressRefused("A channel URI ends with ?token=….")
        return str(url)

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"Windows cannot show this {message.label.lower()}.")]
        found = message.warnings()
        try:
            size = len(self.encode(message, "", options).body)
        except MessageInvalid as invalid:
            return [*found, *invalid.problems]
        if size > self.payload_limit:
            found.append(Problem("", f"The message has {size:,} bytes; WNS takes at most {self.payload_limit:,}."))
        return found

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what Windows will not show of ``message``."""
        if message.kind != "tile":
            return []
        found = [warning("", "Windows 11 shows no tiles; Windows 10 does.")]
        if isinstance(message, CycleTile):
            found.append(warning("cycle_image_2", "Windows shows the first picture alone."))
        if getattr(message, "count", None) is not None:
            found.append(warning("count", "On Windows the count is a badge: send it as one."))
        if isinstance(message, Tile) and (message.clear or message.tile_id):
            found.append(warning("tile_id", "Windows clears nothing field by field, and has the app's own tile alone."))
        return found

    def variant(self, target: Target) -> str:
        """Return "": every device is told the same."""
        return ""

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Return the XML, or a raw message's bytes, and the headers that belong to the message."""
        chosen, kind = _chosen(options), TYPES.get(message.kind, "wns/tile")
        headers = [("X-WNS-Type", kind), ("X-WNS-RequestForStatus", "true"), ("X-WNS-TTL", str(chosen.kept))]
        if isinstance(message, Raw):
            headers += [("X-WNS-Cache-Policy", "cache" if chosen.keep_raw else "no-cache")]
            return Payload(message.body.encode(), (*headers, ("Content-Type", "application/octet-stream")))
        if isinstance(message, Toast):
            root = windows_xml.toast(message, chosen)
        elif isinstance(message, Badge):
            value = str(message.count) if message.count is not None else message.glyph
            root = ElementTree.Element("badge", value=value)
        elif isinstance(message, AdaptiveTile):
            root = windows_xml.adaptive(message)
        elif isinstance(message, Tile):
            root = windows_xml.from_phone(message)
            if root.find("visual/binding") is None:
                raise MessageInvalid([NOTHING])
        else:
            raise LookupError(f"Windows cannot show this {message.label.lower()}.")
        return Payload(ElementTree.tostring(root, "utf-8"), (*headers, ("Content-Type", "text/xml")))

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Address the payload to one channel, with our token if it is one of Windows. A copy replaces the first."""
        own: tuple[tuple[str, str], ...] = (("X-WNS-Tag", message_id.replace("-", "")[-16:]),)
        if not isinstance(credentials, Credentials):  # for a sample: what is sent never goes without
            return Request(target.address, payload.headers, payload.body, own=own)
        start = target.address[: target.address.index("/", 8)]
        if not credentials.server and not HOST.fullmatch(start):
            raise ValueError("Our token is shown to notify.windows.com alone.")
        headers = (*payload.headers, ("Authorization", f"Bearer {token}"))
        return Request(target.address, headers, payload.body, authenticated=True, own=own)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means: by its status and by WNS's own word."""
        if verdict := unanswered(answer, "WNS"):
            return verdict
        words = tuple((name, answer.headers[name][:LONGEST_WORD]) for name in WORDS if answer.headers.get(name))
        said = dict(words)
        word = (said.get("x-wns-status") or said.get("x-wns-notificationstatus", "")).strip().lower()
        outcome, reason = _meaning(answer.status, word, said.get("x-wns-error-description", ""))
        connection = said.get("x-wns-deviceconnectionstatus", "").strip().lower()
        wish = retry_after(answer.headers.get("retry-after") or answer.headers.get("x-wns-continue-after", ""))
        after = wish if outcome is Outcome.RETRY else None
        throttled = answer.status == 200 and outcome is Outcome.RETRY
        return Verdict(
            outcome,
            reason,
            tuple(one for one in words if one[0] not in ("x-wns-msg-id", "x-wns-debug-trace") or answer.status != 200),
            retry_after=after,
            hold=(after or THROTTLED) if throttled else None,
            connection=CONNECTIONS.get(connection, ""),
            stale_credential=answer.status == 401,
            device_alone=answer.status == 403,
            rests=(after or BUSY) if answer.status == 406 else None,
        )

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        """Return the app: it is slowed down as a whole."""
        return f"{self.slug}:{credentials.client_id[-60:]}" if isinstance(credentials, Credentials) else self.slug

    def kept_at_most(self, payload: Payload, seconds: int) -> Payload:
        """Return the payload with a lower TTL: a minute at the least, as Microsoft asks."""
        kept = str(min(int(dict(payload.headers)["X-WNS-TTL"]), max(60, seconds)))
        headers = tuple((name, kept if name == "X-WNS-TTL" else one) for name, one in payload.headers)
        return Payload(payload.body, headers)

    def emulated_address(self, name: str, host: str) -> str:
        """Return a channel URI at the emulator."""
        return f"http://{host}/?token={name}"

    def authorize(self, credentials: object | None) -> Request:
        """Return the request for a token: client credentials (RFC 6749, 4.4)."""
        if not isinstance(credentials, Credentials):
            raise TokenRefused(self.credentials_needed)
        url = ENTRA.format(tenant=quote(credentials.tenant_id, safe="")) if credentials.tenant_id else LIVE
        if credentials.server:
            url = f"{credentials.server}/{url.split('/', 3)[3]}"
        scope = "https://wns.windows.com/.default" if credentials.tenant_id else "notify.windows.com"
        form = {"grant_type": "client_credentials", "client_id": credentials.client_id}
        form |= {"client_secret": credentials.secret, "scope": scope}
        kind = (("Content-Type", "application/x-www-form-urlencoded"),)
        return Request(url, kind, urlencode(form).encode())

    def token(self, answer: Answer) -> Token:
        """Read what the token endpoint answered."""
        return token_in(answer, "Microsoft gave no token for the secret")


def _chosen(options: object | None) -> Options:
    return options if isinstance(options, Options) else NO_OPTIONS


def _meaning(status: int, word: str, description: str) -> tuple[Outcome, str]:
    """Return what a status and WNS's word mean."""
    if status == 200 and word == "dropped":
        return Outcome.DROPPED, f"WNS dropped it: {description or 'switched off, or the device is away'}."[:200]
    if status == 200 and word == "channelthrottled":
        return Outcome.RETRY, "WNS holds this device's messages back."
    if status == 200 and word == "received":
        return TAKEN.outcome, TAKEN.reason
    if status == 200:
        return Outcome.UNKNOWN, "WNS answered 200 without a word that its documentation knows: it may have taken it."
    if status == 410 and "domain blocked" in description.lower():
        return Outcome.DENIED, "Microsoft has blocked our domain for abuse (410)."
    if status >= 500:
        return Outcome.RETRY, f"WNS cannot take it now ({status})."
    unexpected = (Outcome.REJECTED, f"WNS answered {status}, which its documentation does not know.")
    return BY_STATUS.get(status) or pointed_elsewhere(status, "WNS") or unexpected
