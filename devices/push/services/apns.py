"""APNs: Apple Push Notification service, the HTTP/2 provider API. iPhones, iPads, Macs, watches.

One POST per device over few connections. https://developer.apple.com/documentation/usernotifications ("Sending
notification requests to APNs", "Handling notification responses from APNs"); docs/push-services/apns.md tells what we
chose where that is silent.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from devices.push import jwt
from devices.push.adaptive import Badge
from devices.push.answers import beginning, pointed_elsewhere, told, unanswered
from devices.push.apple_key import Credentials
from devices.push.base import (
    AddressRefused,
    Answer,
    ClientCertificate,
    Outcome,
    Payload,
    PushService,
    Request,
    Target,
    Token,
    TokenRefused,
    Verdict,
)
from devices.push.fields import MessageInvalid, Problem, asked, plain_problems, warning, without_unspeakable
from devices.push.message import Message, Raw, Toast, is_web_address, texts_of

PRODUCTION = "https://api.push.apple.com"
SANDBOX = "https://api.sandbox.push.apple.com"
SANDBOXED = "sandbox:"  # before the token of a device whose app was signed for development
TOKEN = re.compile(r"[0-9a-f]{2,200}")
LIFE = 3600.0  # seconds Apple takes a token for; renewed after four fifths, 48 minutes
LEAST = 1200.0  # seconds within which Apple takes no other one of the same key
NOBODY = "0" * 64  # a device token that no device has
KEPT_FOR = (
    (0, "now or never"),
    (3600, "1 hour"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (604_800, "1 week"),
    (2_592_000, "30 days"),
)
EXPIRES = "apns-expiration"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What Apple devices can do with a message."""

    subtitle: str = asked("Subtitle", "Between title and text.", only=("toast",))
    badge: int | None = asked("Badge", "The number on the app's icon; 0 clears it.", "count", None, only=("toast",))
    sound: str = asked("Sound", "default, or a file in the app; empty is silent.", default="default", only=("toast",))
    image: str = asked("Picture", "https://…; an extension in the app loads it.", "image", only=("toast",))
    category: str = asked("Category", "The one whose buttons the app made.", only=("toast",))
    thread: str = asked("Thread", "Notifications of one thread are grouped.", only=("toast",))
    level: str = asked(
        "Interruption",
        "Time-sensitive breaks through a focus; critical needs Apple's permission.",
        "choice",
        "active",
        choices=(
            ("passive", "passive: no sound, no light"),
            ("active", "active"),
            ("time-sensitive", "time-sensitive"),
            ("critical", "critical"),
        ),
        only=("toast",),
    )
    mutable: bool = asked("An extension changes it", "mutable-content", "switch", False, only=("toast",))
    target: str = asked("Target content", "The window that the app brings forward.", only=("toast",))
    collapse: str = asked("Collapse ID", "Replaces one on the screen with the same ID. At most 64 bytes.")
    priority: str = asked(
        "Priority",
        "Background messages always go by power.",
        "choice",
        "10",
        choices=(("10", "at once"), ("5", "when power allows"), ("1", "lowest: wakes nothing")),
    )
    kept: int = asked(
        "Kept for a device that is away",
        "Apple keeps one message of an app; at the latest until the campaign gives up.",
        "choice",
        604_800,
        choices=tuple((str(seconds), words) for seconds, words in KEPT_FOR),
    )

    def __post_init__(self) -> None:
        without_unspeakable(self)
        problems = list(plain_problems(self))
        if len(self.collapse.encode()) > 64 or not (self.collapse.isascii() and self.collapse.isprintable()):
            problems.append(Problem("collapse", "A collapse ID has at most 64 plain letters and digits."))
        if self.image and not (is_web_address(self.image) and self.image.startswith("https:")):
            problems.append(Problem("image", "Apple devices load pictures over https:// alone."))
        if problems:
            raise MessageInvalid(problems)


NO_OPTIONS = Options()
TAKEN = Verdict(Outcome.ACCEPTED, "APNs took it.")
NO_SIGN = warning("glyph", "Apple devices show a number on an icon, and no sign: they are left out.")
# What all devices say when environment or bundle ID are wrong, and one when it is the one to blame.
ALONE = {"BadDeviceToken", "DeviceTokenNotForTopic"}
# Apple's table of reasons: what they mean for us.
REASONS = {
    "BadDeviceToken": (Outcome.DENIED, "The token is not one of this environment: sandbox and production differ."),
    "DeviceTokenNotForTopic": (Outcome.DENIED, "The token belongs to another app."),
    "Unregistered": (Outcome.GONE, "The app was removed, or notifications are switched off for good."),
    "ExpiredToken": (Outcome.GONE, "The token has expired."),
    "TopicDisallowed": (Outcome.DENIED, "Apple does not allow us to push to this bundle ID."),
    "BadCertificate": (Outcome.DENIED, "The certificate is not one for pushing."),
    "BadCertificateEnvironment": (Outcome.DENIED, "The certificate is for the other environment."),
    "Forbidden": (Outcome.DENIED, "Apple forbids it."),
    "InvalidProviderToken": (Outcome.DENIED, "Apple does not take our key: team ID, key ID and key must fit."),
    "MissingProviderToken": (Outcome.DENIED, "Apple saw neither token nor certificate."),
    "UnrelatedKeyIdInToken": (Outcome.DENIED, "The key is not one for this bundle ID."),
    "BadEnvironmentKeyIdInToken": (Outcome.DENIED, "The key is for the other environment."),
    "ExpiredProviderToken": (Outcome.DENIED, "Apple found our token too old: is the clock right?"),
    "IdleTimeout": (Outcome.RETRY, "The connection was idle for too long."),
    "TooManyProviderTokenUpdates": (Outcome.RETRY, "Our token was changed too often: somebody else uses this key."),
    "TooManyRequests": (Outcome.RETRY, "Too many messages for this one device."),
    "InternalServerError": (Outcome.RETRY, "APNs failed inside."),
    "ServiceUnavailable": (Outcome.RETRY, "APNs cannot take it now."),
    "Shutdown": (Outcome.RETRY, "This server of APNs is going down."),
    "PayloadTooLarge": (Outcome.REJECTED, "The message is too large."),
}
WAITS = {"TooManyRequests": timedelta(minutes=5), "TooManyProviderTokenUpdates": timedelta(seconds=LEAST)}


class Apns(PushService):
    """Apple Push Notification service."""

    slug = "apns"
    label = "iPhone (APNs)"
    address_word = "device token"
    kinds = frozenset({"toast", "raw", "badge"})
    payload_limit = 4096
    payload_advice = 4000
    hosts = ("api.push.apple.com", "api.sandbox.push.apple.com")
    samples: ClassVar[tuple[Target, ...]] = (Target("5a" * 32),)
    credentials = Credentials
    credential_words = ("Issued to", "Bundle ID")
    binds_devices = True
    without_credentials = "No key yet. Make one in Apple's developer account (Keys) and upload it here."
    credentials_needed = "Apple takes nothing without a key or certificate: upload one on the App's page."
    options = Options
    token_subject = ("team_id", "key_id", "signing_key", "server")
    tries_credentials = True

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return a device token in lower case, ``sandbox:`` before it for development; raise AddressRefused."""
        before, plain = (SANDBOXED, raw[len(SANDBOXED) :]) if raw.startswith(SANDBOXED) else ("", raw)
        if re.search(r"[<> ]", raw):
            raise AddressRefused("A device token is hexadecimal without blanks and brackets.")
        if not TOKEN.fullmatch(plain.lower()) or not plain.isascii() or len(plain) % 2:
            raise AddressRefused(
                "A device token is hexadecimal, 64 digits today; sandbox: stands before that of a development build."
            )
        return before + plain.lower()

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"Apple devices cannot show this {message.label.lower()}.")]
        found = message.warnings()
        if isinstance(message, Badge) and message.count is None:
            return [*found, NO_SIGN]
        if isinstance(message, Raw) and {"aps", "mid"} & set(texts_of(message)):
            found.append(Problem("body", "These names are taken: aps by Apple, mid by us."))
        size = len(self.encode(message, "", options).body) + 50
        if size > self.payload_limit:
            found.append(Problem("", f"The message has {size:,} bytes; APNs takes at most {self.payload_limit:,}."))
        return found

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what Apple devices will not show of ``message``."""
        if isinstance(message, Toast) and message.link:
            return [warning("link", "iPhones open the app; it is the app that finds the link in the message, as url.")]
        if isinstance(message, Raw):
            return [warning("body", "iPhones wake the app for a few messages an hour, and none while it was closed.")]
        return []

    def variant(self, target: Target) -> str:
        """Return "": every device is told the same."""
        return ""

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Return the JSON and the headers that belong to the message. How long it is kept becomes a moment later."""
        chosen, kind = _chosen(options), "alert"
        if isinstance(message, Toast):
            said: dict[str, Any] = {"aps": _aps(message, chosen)}
            said |= {name: one for name, one in (("url", message.link), ("image", chosen.image)) if one}
        elif isinstance(message, Badge):
            if message.count is None:
                raise MessageInvalid([NO_SIGN])
            said = {"aps": {"badge": message.count}}
        elif isinstance(message, Raw):
            said, kind = {"aps": {"content-available": 1}, **texts_of(message)}, "background"
        else:
            raise LookupError(f"Apple devices cannot show this {message.label.lower()}.")
        headers = [
            ("apns-push-type", kind),
            ("apns-priority", "5" if kind == "background" else chosen.priority),
            ("content-type", "application/json"),
            (EXPIRES, str(chosen.kept)),
        ]
        if chosen.collapse:
            headers.append(("apns-collapse-id", chosen.collapse))
        return Payload(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(), tuple(headers))

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Address the payload to one device. A second copy takes the place of the first: by id, and on the screen."""
        headers, kept, own_collapse = _headers(payload.headers)
        own = [("apns-id", message_id)]
        if not own_collapse:
            own.append(("apns-collapse-id", message_id))
        own.append((EXPIRES, str(int(time.time()) + kept if kept else 0)))
        body = b"".join((payload.body[:-1], b',"mid":"', message_id.encode(), b'"}'))
        shown = credentials if isinstance(credentials, Credentials) else None
        return _to(shown, headers, tuple(own), target.address, body, token)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means, by its reason."""
        if verdict := unanswered(answer, "APNs"):
            return verdict
        if answer.status == 200:
            return TAKEN
        said = told(answer.body)
        reason = said.get("reason")
        reason = reason[:60] if isinstance(reason, str) else ""
        known = _meaning(answer.status, reason)
        words = [("reason", reason)] if reason else [("body", beginning(answer.body))] if answer.body else []
        since = _moment(said.get("timestamp"))
        if since is not None:
            words.append(("timestamp", str(said["timestamp"])))
        return Verdict(
            *known,
            tuple(words),
            retry_after=WAITS.get(reason),
            rests=WAITS[reason] if reason == "TooManyProviderTokenUpdates" else None,
            stale_credential=reason == "ExpiredProviderToken",
            device_alone=reason in ALONE,
            gone_since=since if known[0] is Outcome.GONE and reason != "ExpiredToken" else None,
        )

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        """Return the environment and the key: what a key did wrong is no other one's affair."""
        key = (credentials.key_id or "certificate") if isinstance(credentials, Credentials) else ""
        return f"{self.slug}:{'sandbox' if target.address.startswith(SANDBOXED) else 'production'} {key}".strip()

    def kept_at_most(self, payload: Payload, seconds: int) -> Payload:
        """Return the payload so that it is kept for a shorter time."""
        kept = min(int(dict(payload.headers)[EXPIRES]), max(0, seconds))
        headers = [(name, str(kept) if name == EXPIRES else value) for name, value in payload.headers]
        return Payload(payload.body, tuple(headers))

    def emulated_address(self, name: str, host: str) -> str:
        """Return a token that the emulator knows by ``name``: its letters in hexadecimal, filled up to 32 bytes."""
        return name.encode().ljust(32, b"\0").hex()

    def authorize(self, credentials: object | None) -> Token | None:
        """Return a token that is signed here; None for a certificate, which shows itself."""
        if not isinstance(credentials, Credentials):
            raise TokenRefused(self.credentials_needed)
        if credentials.certificate:
            return None
        claims = {"iss": credentials.team_id, "iat": int(time.time())}
        return Token(jwt.es256(credentials.signing_key, credentials.key_id, claims), LIFE, LEAST)

    def trial(self, credentials: object | None, token: str) -> Request:
        """Return a push to a device that nobody has."""
        headers = (("apns-push-type", "alert"), ("content-type", "application/json"))
        return _to(cast(Credentials, credentials), headers, (), NOBODY, b'{"aps":{"alert":"Credentials"}}', token)

    def tried(self, answer: Answer) -> Verdict:
        """Say what the answer means: whoever hears that the token is bad was let in."""
        verdict = self.interpret(answer, authenticated=True)
        let_in = dict(verdict.words).get("reason") == "BadDeviceToken"
        return Verdict(TAKEN.outcome, "Apple lets us in.", verdict.words) if let_in else verdict


def _to(
    credentials: Credentials | None,
    headers: tuple[tuple[str, str], ...],
    own: tuple[tuple[str, str], ...],
    address: str,
    body: bytes,
    token: str,
) -> Request:
    sandboxed = address.startswith(SANDBOXED)
    url = f"{_server(credentials, sandboxed)}/3/device/{address[len(SANDBOXED) :] if sandboxed else address}"
    if credentials is None:  # for a sample: what is sent never goes without
        return Request(url, headers, body, own=own, http2=True)
    topic = ("apns-topic", credentials.topic)
    if credentials.certificate:
        certificate = ClientCertificate(credentials.certificate, credentials.key)
        return Request(url, (*headers, topic), body, "POST", certificate, True, own, True)
    return Request(url, (*headers, topic, ("authorization", f"bearer {token}")), body, "POST", None, True, own, True)


@lru_cache(maxsize=64)
def _server(credentials: Credentials | None, sandboxed: bool) -> str:
    """Return where a device of this environment is pushed to. The emulator's sandbox goes by another name."""
    if credentials is None or not credentials.server:
        return SANDBOX if sandboxed else PRODUCTION
    return f"https://localhost:{urlsplit(credentials.server).port}" if sandboxed else credentials.server


@lru_cache(maxsize=64)
def _headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, str], ...], int, bool]:
    """Return the headers as they are sent, for how many seconds the message is kept, whether it has a collapse id."""
    return (
        tuple([one for one in headers if one[0] != EXPIRES]),
        int(dict(headers)[EXPIRES]),
        "apns-collapse-id" in dict(headers),
    )


def _chosen(options: object | None) -> Options:
    return options if isinstance(options, Options) else NO_OPTIONS


def _aps(message: Toast, chosen: Options) -> dict[str, Any]:
    title, text = (message.title, message.text) if message.title else (message.text, "")
    alert = {name: one for name, one in (("title", title), ("subtitle", chosen.subtitle), ("body", text)) if one}
    said: dict[str, Any] = {"alert": alert}
    if chosen.badge is not None:
        said["badge"] = chosen.badge
    level = "" if chosen.level == "active" else chosen.level
    sound: Any = (
        {"critical": 1, "name": chosen.sound or "default", "volume": 1.0} if level == "critical" else chosen.sound
    )
    more = (
        ("sound", sound),
        ("category", chosen.category),
        ("thread-id", chosen.thread),
        ("interruption-level", level),
    )
    said |= {name: one for name, one in (*more, ("target-content-id", chosen.target)) if one}
    if chosen.mutable or chosen.image:
        said["mutable-content"] = 1
    return said


def _moment(timestamp: object) -> datetime | None:
    """Return the moment that Apple tells in milliseconds; None for what is none."""
    if not isinstance(timestamp, int) or isinstance(timestamp, bool) or not 0 < timestamp < 10**14:
        return None
    return datetime.fromtimestamp(timestamp / 1000, UTC)


def _meaning(status: int, reason: str) -> tuple[Outcome, str]:
    if row := REASONS.get(reason):
        return row
    if status == 410:
        return Outcome.GONE, "The token is no longer active (410)."
    if status in (403, 401):
        return Outcome.DENIED, f"Apple does not let us in ({status} {reason})."
    if status == 429 or status >= 500:
        return Outcome.RETRY, f"APNs cannot take it now ({status})."
    told_so = f"APNs found the request wrong ({status} {reason})."
    return pointed_elsewhere(status, "APNs") or (Outcome.REJECTED, told_so)
