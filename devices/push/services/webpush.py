"""Web Push: notifications in browsers, by RFC 8030 (protocol), RFC 8291 (encryption) and RFC 8292 (VAPID).

One POST per browser to its endpoint, at the push service of the browser's vendor. What a service answers follows the
RFC and the vendors' own words; docs/push-services/webpush.md tells where they differ and what we chose.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from devices.push import address, aes128gcm, vapid
from devices.push.answers import unanswered
from devices.push.base import (
    AddressRefused,
    Answer,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Verdict,
    retry_after,
)
from devices.push.fields import MessageInvalid, Problem, asked, is_whole, warning, without_unspeakable
from devices.push.message import LINK_LIMIT, Message, Toast, is_page, is_web_address

VERSION = 1  # of the text that our service worker reads
ADVICE = 2700  # bytes of plaintext; some bridges to Android take no more
# What ``build`` adds for one browser: ,"id":"<32 hex>","report":"<at most 64>" and the braces stay.
OWN_ROOM = len(',"id":"","report":""') + 32 + 64
KEPT_FOR = (
    (60, "1 minute: now or never"),  # and not 0: Edge on Windows answers 400 to that
    (3600, "1 hour"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (604_800, "1 week"),
    (2_419_200, "4 weeks"),
)
URGENCIES = (
    ("very-low", "very low: on power and Wi-Fi"),
    ("low", "low: on power or Wi-Fi"),
    ("normal", "normal"),
    ("high", "high: even on a low battery"),
)
# Where vendors keep their endpoints. Apple and Microsoft have many names below theirs.
HOSTS = (
    "fcm.googleapis.com",
    "android.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.apple.com",
    ".notify.windows.com",
)
# A key pair that signs nothing and opens nothing: RFC 8291, appendix A. For samples alone.
SAMPLE_KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A VAPID key pair (RFC 8292) and whom a push service may write to when something is wrong."""

    contact: str = asked("Contact", "Whom push services may ask: a mail address, or a page with https://.")
    private: str = asked(
        "Private key to bring along",
        "Leave it empty: a key is made here. Or paste the one your subscriptions are bound to: PEM, or base64url.",
        "signing_key",
        hidden=True,
    )

    def __post_init__(self) -> None:
        problems = []
        for name, clean in (("contact", vapid.clean_contact), ("private", vapid.read_key)):
            try:
                object.__setattr__(self, name, clean(getattr(self, name)))
            except vapid.KeyRefused as refusal:
                problems.append(Problem(name, str(refusal)))
        if problems:
            raise MessageInvalid(problems)

    @property
    def public(self) -> str:
        """Return the public key, as a page hands it to ``pushManager.subscribe``."""
        return vapid.public_key(self.private)

    @property
    def subject(self) -> str:
        """Return what the App's page shows first of it."""
        return self.contact

    @property
    def fingerprint(self) -> str:
        """Return by what the App's page lets a person recognise it."""
        return self.public


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a browser can do with a notification and other devices cannot."""

    link: str = asked("Opens on tap", "Instead of the common one: https://…, or a page of the site that begins with /.")
    icon: str = asked("Icon", "A square picture beside the text, https://…, at best 192 × 192.", "image")
    image: str = asked("Large picture", "Below the text. Firefox and Safari leave it out.", "image")
    badge: str = asked("Badge", "A small picture of one colour for Android's status bar, 96 × 96.", "image")
    button_1: str = asked("First button", "Its label. Firefox and Safari may leave buttons out.")
    button_1_link: str = asked("It opens", "https://…, or a page of the site that begins with /.")
    button_2: str = asked("Second button", "Its label.")
    button_2_link: str = asked("It opens", "https://…, or a page of the site that begins with /.")
    tag: str = asked("Tag", "A notification with the same tag takes the place of the one before on the screen.")
    stays: bool = asked("Stays until dismissed", "Where the browser can: on computers.", "switch", False)
    silent: bool = asked("Silent", "Shows without sound or vibration.", "switch", False)
    urgency: str = asked("Urgency", "What it may cost the battery.", "choice", "normal", choices=URGENCIES)
    kept: int = asked(
        "Kept for a browser that is away",
        "After that the push service throws it away; at the latest when the campaign gives up.",
        "choice",
        604_800,
        choices=tuple((str(seconds), words) for seconds, words in KEPT_FOR),
    )

    def __post_init__(self) -> None:
        without_unspeakable(self)
        problems = [*self._addresses(), *self._buttons()]
        if len(self.tag) > 100:
            problems.append(Problem("tag", f"{len(self.tag)} characters; 100 are allowed."))
        if self.urgency not in dict(URGENCIES):
            problems.append(Problem("urgency", "Urgency is very-low, low, normal or high."))
        if not (is_whole(self.kept) and self.kept in dict(KEPT_FOR)):
            problems.append(Problem("kept", "Choose one of the times."))
        if problems:
            raise MessageInvalid(problems)

    def _addresses(self) -> Iterator[Problem]:
        for name in ("link", "button_1_link", "button_2_link"):
            link = getattr(self, name)
            if link and not (is_page(link) or is_web_address(link)):
                yield Problem(name, "This is a web address, https://…, or a page of the site that begins with /.")
            if len(link) > LINK_LIMIT:
                yield Problem(name, f"{len(link)} characters; {LINK_LIMIT} are allowed.")
        for name in ("icon", "image", "badge"):
            picture = getattr(self, name)
            if picture and not (is_page(picture) or (is_web_address(picture) and picture.startswith("https:"))):
                yield Problem(name, "A picture is an address with https://, or one on the site that begins with /.")

    def _buttons(self) -> Iterator[Problem]:
        for number in ("1", "2"):
            label, link = getattr(self, f"button_{number}"), getattr(self, f"button_{number}_link")
            if link and not label:
                yield Problem(f"button_{number}", "Write what stands on the button.")
            if len(label) > 60:
                yield Problem(f"button_{number}", f"{len(label)} characters; 60 are allowed on a button.")
        if self.button_2 and not self.button_1:
            yield Problem("button_1", "The first button comes before the second.")


NO_OPTIONS = Options()

TAKEN = Verdict(Outcome.ACCEPTED, "The push service took it.")
OTHER_KEY = "The browser subscribed with another key than ours: this subscription can never be used again."
BY_STATUS = {
    400: (Outcome.REJECTED, "The push service found the request malformed (400)."),
    401: (Outcome.DENIED, "The push service does not accept our signature for this subscription (401)."),
    403: (Outcome.DENIED, "The push service does not accept our signature for this subscription (403)."),
    404: (Outcome.GONE, "The subscription is unknown or has expired (404)."),
    406: (Outcome.RETRY, "The push service asked to slow down (406)."),
    410: (Outcome.GONE, "The subscription is gone: unsubscribed, or its permission was taken back (410)."),
    413: (Outcome.REJECTED, "The notification is too large for the push service (413)."),
    429: (Outcome.RETRY, "The push service asked to slow down (429)."),
}
FOREIGN_KEY = "do not correspond to the credentials used to create the subscription"  # FCM, in its own words
WNS_STATUS = {
    "dropped": (Outcome.DROPPED, "The push service dropped it."),
    "channelthrottled": (Outcome.RETRY, "The push service holds this browser's messages back."),
}
OWN_HEADERS = ("ttl", "apns-id", "x-wns-status", "x-wns-notificationstatus", "x-wns-error-description", "retry-after")
LONGEST_WORD = 200  # characters kept of each of the service's own words


class WebPush(PushService):
    """Push services of browsers: Google's, Mozilla's, Apple's, Microsoft's."""

    slug = "webpush"
    label = "Browsers (Web Push)"
    address_word = "endpoint"
    kinds = frozenset({"toast"})
    payload_limit = aes128gcm.PLAINTEXT_LIMIT - OWN_ROOM
    payload_advice = ADVICE - OWN_ROOM
    hosts = HOSTS
    samples: ClassVar[tuple[Target, ...]] = (
        Target("https://updates.push.services.mozilla.com/wpush/v2/gAAAA-example-browser", (), SAMPLE_KEYS),
    )
    credentials = Credentials
    credential_words = ("Contact", "Public key")
    binds_devices = True
    without_credentials = "No key yet. Browsers subscribe with it, so make it first."
    credentials_needed = "Browsers take nothing without a key: make one on the App's page."
    options = Options
    device_keys = ("p256dh", "auth")
    per_device = True
    reports = True

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return an endpoint as it was given; raise AddressRefused. It is opaque: nothing of it is spelled anew."""
        schemes = frozenset({"http", "https"})
        url = address.read(raw, self.address_word, self.hosts, extra_hosts, schemes, escapes=True)
        if url.scheme != "https" and f"{url.host}:{url.port or '80'}" not in extra_hosts:
            raise AddressRefused("This endpoint must begin with https://.")
        return str(url)

    def clean_keys(self, raw: Mapping[str, str]) -> dict[str, str]:
        """Return p256dh and auth in base64url without padding; raise AddressRefused."""
        keys = super().clean_keys(raw)
        try:
            point, auth = vapid.decoded(keys["p256dh"]), vapid.decoded(keys["auth"])
        except ValueError:
            raise AddressRefused("p256dh and auth are texts in base64url, as the browser gives them.") from None
        if len(point) != aes128gcm.POINT:
            raise AddressRefused(f"p256dh has {len(point)} bytes; a browser's public key has {aes128gcm.POINT}.")
        if not aes128gcm.is_point(point):
            raise AddressRefused("p256dh is no point of the curve P-256.")
        if len(auth) != aes128gcm.AUTH:
            raise AddressRefused(f"auth has {len(auth)} bytes; a browser's secret has {aes128gcm.AUTH}.")
        return {"p256dh": vapid.encoded(point), "auth": vapid.encoded(auth)}

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"Browsers cannot show a {message.label.lower()}.")]
        found = message.warnings()
        size = len(self.encode(message, "", options).body)
        limit = self.payload_limit
        if size > limit:
            found.append(Problem("", f"The notification has {size:,} bytes; {limit:,} fit into a push to a browser."))
        elif size > self.payload_advice:
            told = f"The notification has {size:,} bytes; more than {self.payload_advice:,} may not reach Android."
            found.append(warning("", told))
        return found

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what browsers will not show of ``message``."""
        found = []
        chosen = _chosen(options)
        if isinstance(message, Toast) and message.link[:1] == "?" and not chosen.link:
            told = "Browsers open the site's start page: what begins with ? is a page of a phone's app."
            found.append(warning("link", told))
        return found

    def variant(self, target: Target) -> str:
        """Return "": every browser is told the same."""
        return ""

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Return the JSON text that our service worker shows, and the headers that tell for how long and how urgent."""
        if not isinstance(message, Toast):
            raise LookupError(f"Browsers cannot show a {message.label.lower()}.")
        chosen = _chosen(options)
        link = chosen.link or ("" if message.link[:1] == "?" else message.link)
        title, text = (message.title, message.text) if message.title else (message.text, "")
        buttons = [
            {"title": label, "url": url}
            for label, url in ((chosen.button_1, chosen.button_1_link), (chosen.button_2, chosen.button_2_link))
            if label
        ]
        shown: dict[str, Any] = {"v": VERSION, "title": title, "body": text, "url": link, "icon": chosen.icon}
        shown |= {"image": chosen.image, "badge": chosen.badge, "buttons": buttons, "tag": chosen.tag}
        shown |= {"stays": chosen.stays, "silent": chosen.silent}
        body = json.dumps({name: value for name, value in shown.items() if value}, ensure_ascii=False)
        headers = (
            ("TTL", str(chosen.kept)),
            ("Urgency", chosen.urgency),
            ("Content-Encoding", "aes128gcm"),
            ("Content-Type", "application/octet-stream"),
        )
        return Payload(body.encode(), headers)

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Encrypt the payload for one browser and sign for its push service.

        The topic is the same for every copy of this campaign for this browser, so that a second copy takes the place of
        the first while the browser is away; its ``id`` in the text does so on the screen.
        """
        topic = message_id.replace("-", "")
        own = f',"id":"{topic}","report":"{report}"}}' if report else f',"id":"{topic}"}}'
        point, auth = vapid.decoded(target.keys["p256dh"]), vapid.decoded(target.keys["auth"])
        body = aes128gcm.encrypt(payload.body[:-1] + own.encode(), point, auth)
        if not isinstance(credentials, Credentials):  # for a sample: what is sent never goes without
            return Request(target.address, payload.headers, body, own=(("Topic", topic),), http2=True)
        signed = vapid.authorization(credentials.private, credentials.contact, origin(target.address), time.time())
        headers = (("Topic", topic), ("Authorization", signed))
        return Request(target.address, payload.headers, body, authenticated=True, own=headers, http2=True)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means, whichever vendor gave it."""
        if verdict := unanswered(answer, "The push service"):
            return verdict
        words = [(name, answer.headers[name][:LONGEST_WORD]) for name in OWN_HEADERS if name in answer.headers]
        status = answer.status
        said = answer.headers.get("x-wns-notificationstatus") or answer.headers.get("x-wns-status", "")
        if status in {200, 201, 202, 204}:
            if said and (row := WNS_STATUS.get(said.strip().lower())):
                return Verdict(*row, words=tuple(words))
            return _accepted(tuple(words)) if words else TAKEN
        words += _told(answer.body)
        outcome, reason = _meaning(status, words)
        wish = answer.headers.get("retry-after")
        after = retry_after(wish) if wish and outcome is Outcome.RETRY else None
        # Mozilla and Edge say the same of a bad signature and of a subscription that is bound to another key.
        alone = outcome is Outcome.DENIED
        return Verdict(outcome, reason, tuple(words), retry_after=after, device_alone=alone)

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        """Return the endpoint's origin: one vendor that is down holds up no other."""
        return f"{self.slug}:{origin(target.address)}"

    def kept_at_most(self, payload: Payload, seconds: int) -> Payload:
        """Return the payload with a lower TTL: a minute at the least, for Edge on Windows takes no 0."""
        lower = {"TTL": str(max(60, seconds))}
        if seconds >= int(dict(payload.headers)["TTL"]):
            return payload
        return Payload(payload.body, tuple([(name, lower.get(name, value)) for name, value in payload.headers]))

    def emulated_address(self, name: str, host: str) -> str:
        """Return an endpoint of Mozilla's service at the emulator."""
        return f"http://{host}/wpush/v2/{name}"


def origin(endpoint: str) -> str:
    """Return scheme and host of an endpoint, with the port if it is unusual: for whom a token is (RFC 8292, 2)."""
    return endpoint[: endpoint.index("/", 8)]


def _chosen(options: object | None) -> Options:
    return options if isinstance(options, Options) else NO_OPTIONS


def _meaning(status: int, words: list[tuple[str, str]]) -> tuple[Outcome, str]:
    """Return what an answer other than success means."""
    said = " ".join(word for _, word in words)
    if FOREIGN_KEY in said or "VapidPkHashMismatch" in said:
        return Outcome.GONE, OTHER_KEY
    if 500 <= status < 600:
        return Outcome.RETRY, f"The push service cannot take it now ({status})."
    if 300 <= status < 400:
        return Outcome.REJECTED, f"The push service pointed elsewhere ({status}); redirects are never followed."
    unexpected = (Outcome.REJECTED, f"The push service answered {status}, which no specification knows.")
    return BY_STATUS.get(status, unexpected)


@lru_cache(maxsize=256)  # every answer names another place for its message, but what is kept of it is the same
def _accepted(words: tuple[tuple[str, str], ...]) -> Verdict:
    return Verdict(Outcome.ACCEPTED, TAKEN.reason, words)


@lru_cache(maxsize=256)
def _told(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return the service's own words: Mozilla's errno and message, Apple's reason, else the beginning of the text."""
    text = body[:4096].decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return (("body", " ".join(text.split())[:LONGEST_WORD]),) if text else ()
    names = ("errno", "error", "message", "reason")
    return tuple((name, str(told[name])[:LONGEST_WORD]) for name in names if told.get(name) not in (None, ""))
