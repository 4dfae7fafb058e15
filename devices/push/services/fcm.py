"""FCM: Firebase Cloud Messaging, the HTTP v1 API. What became of GCM. Android phones, and what else uses its tokens.

One POST per device; there is no multicast any more. https://firebase.google.com/docs/reference/fcm/rest/v1 and what
docs/push-services/fcm.md tells of its errors.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from devices.push import jwt
from devices.push.answers import LONGEST_WORD, beginning, pointed_elsewhere, token_in, told, unanswered
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
from devices.push.message import LINK_LIMIT, Message, Raw, Toast, is_web_address, texts_of
from devices.push.service_account import Credentials

SEND = "https://fcm.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ADDRESS = re.compile(r"[A-Za-z0-9_:.=~-]{8,2048}")
LONGEST = 2_419_200  # seconds, four weeks
OWN_KEYS = re.compile(r"from|message_type|(?:google|gcm)[._].*|mid", re.DOTALL)  # names in data that are taken
KEPT_FOR = (
    (0, "now or never"),
    (3600, "1 hour"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (604_800, "1 week"),
    (LONGEST, "4 weeks"),
)
SAMPLE = "cF3k2example:APA91bH-example-of-a-registration-token"
NO_TOKEN = "checking-the-credentials-and-no-device"  # noqa: S105 (reaches nobody)
LEAST_REST = timedelta(seconds=60)  # for a project that is over its quota, where Google names no time


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What Android can do with a message, and what Apple devices and browsers do that use FCM's tokens."""

    priority: str = asked(
        "Priority",
        "High wakes a sleeping phone; normal waits for it to wake.",
        "choice",
        "HIGH",
        choices=(("HIGH", "high"), ("NORMAL", "normal")),
    )
    kept: int = asked(
        "Kept for a phone that is away",
        "After that Google throws it away; at the latest when the campaign gives up.",
        "choice",
        604_800,
        choices=tuple((str(seconds), words) for seconds, words in KEPT_FOR),
    )
    collapse_key: str = asked(
        "Collapse key", "Of those that wait for a phone with the same key, only the last is kept."
    )
    channel: str = asked("Notification channel", "One that the app made; Android 8 and later.", only=("toast",))
    icon: str = asked("Small icon", "The name of a drawable in the app.", only=("toast",))
    colour: str = asked("Colour", "#RRGGBB of the small icon.", "colour", only=("toast",))
    image: str = asked("Large picture", "https://…, at most 1 MB.", "image", only=("toast",))
    sound: str = asked("Sound", "default, or the name of a file in the app.", default="default", only=("toast",))
    tag: str = asked("Tag", "Replaces a notification on the screen that has the same tag.", only=("toast",))
    click_action: str = asked("Click action", "The intent filter that a tap starts.", only=("toast",))
    visibility: str = asked(
        "On a locked screen",
        "",
        "choice",
        "",
        choices=(("", "as the app says"), ("PUBLIC", "shown"), ("PRIVATE", "without content"), ("SECRET", "hidden")),
        only=("toast",),
    )
    count: int | None = asked("Count", "On the app's icon, if the launcher shows it.", "count", None, only=("toast",))
    apple_badge: int | None = asked("Badge on Apple devices", "0 clears it.", "count", None, only=("toast",))
    web_link: str = asked("Opens in browsers", "https://…, for browsers that use FCM's tokens.", only=("toast",))

    def __post_init__(self) -> None:
        without_unspeakable(self)
        if problems := list(self._problems()):
            raise MessageInvalid(problems)

    def _problems(self) -> Iterator[Problem]:
        yield from plain_problems(self)
        for name in ("image", "web_link"):
            link = getattr(self, name)
            if link and not (is_web_address(link) and link.startswith("https:") and len(link) <= LINK_LIMIT):
                yield Problem(name, f"This is an address with https://, of at most {LINK_LIMIT} characters.")


NO_OPTIONS = Options()
TAKEN = Verdict(Outcome.ACCEPTED, "FCM took it.")
# By errorCode first, then by status of the error and of HTTP: "Error codes" of the REST reference.
BY_CODE = {
    "UNREGISTERED": (Outcome.GONE, "The token is dead: the app was removed, or got another one."),
    "SENDER_ID_MISMATCH": (Outcome.DENIED, "The token belongs to another project than the service account."),
    "INVALID_ARGUMENT": (Outcome.REJECTED, "FCM found the message malformed."),
    "THIRD_PARTY_AUTH_ERROR": (Outcome.DENIED, "The project lacks Apple's or the browsers' key for this token."),
    "APNS_AUTH_ERROR": (Outcome.DENIED, "The project lacks Apple's key for this token."),
    "QUOTA_EXCEEDED": (Outcome.RETRY, "The project sends more than its quota allows."),
    "UNAVAILABLE": (Outcome.RETRY, "FCM is overloaded."),
    "INTERNAL": (Outcome.RETRY, "FCM failed inside."),
}
# What all devices say when the project is wrong, and one when it is the one to blame.
ALONE = {"SENDER_ID_MISMATCH"}
BY_STATUS = {
    400: (Outcome.REJECTED, "FCM found the request malformed (400)."),
    401: (Outcome.DENIED, "FCM does not take our bearer token (401)."),
    403: (Outcome.DENIED, "The service account may not send for this project, or the API is switched off (403)."),
    404: (Outcome.DENIED, "FCM knows no such project (404): check the service account."),
    429: (Outcome.RETRY, "The project sends more than its quota allows (429)."),
}


class Fcm(PushService):
    """Firebase Cloud Messaging."""

    slug = "fcm"
    label = "Android (FCM)"
    address_word = "registration token"
    kinds = frozenset({"toast", "raw"})
    payload_limit = 4096
    payload_advice = 4000
    hosts = ("fcm.googleapis.com", "oauth2.googleapis.com")
    samples: ClassVar[tuple[Target, ...]] = (Target(SAMPLE),)
    credentials = Credentials
    credential_words = ("Service account", "Project")
    binds_devices = True
    without_credentials = "No service account yet. Download one in the Firebase console and upload it here."
    credentials_needed = "FCM takes nothing without a service account: upload one on the App's page."
    options = Options
    token_subject = ("account",)
    tries_credentials = True

    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return a registration token as it was given; raise AddressRefused."""
        if "://" in raw:
            raise AddressRefused("This is a web address; FCM's registration tokens are none.")
        if not ADDRESS.fullmatch(raw):
            raise AddressRefused("A registration token has 8 to 2,048 letters, digits and :._=~-, and no blanks.")
        if re.fullmatch("(?:[0-9a-f]{64}|[0-9A-F]{64})", raw):
            raise AddressRefused("This is a device token of Apple's service, and no registration token of FCM.")
        return raw

    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here."""
        if message.slug not in self.kinds:
            return [Problem("", f"Android phones cannot show this {message.label.lower()}.")]
        found = message.warnings()
        if isinstance(message, Raw) and (wrong := [name for name in texts_of(message) if OWN_KEYS.fullmatch(name)]):
            found.append(Problem("body", f"These names are taken, by FCM or by us: {', '.join(wrong)}."))
        size = len(self.encode(message, "", options).body)
        if size + 200 > self.payload_limit:
            told_size = f"The message has {size:,} bytes; {self.payload_limit - 200:,} fit into a push of FCM."
            found.append(Problem("", told_size))
        return found

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what Android will not show of ``message``."""
        if isinstance(message, Toast) and message.link and not _chosen(options).click_action:
            return [warning("link", "Android opens the app; it is the app that finds the link in the data, as url.")]
        return []

    def variant(self, target: Target) -> str:
        """Return "": every phone is told the same."""
        return ""

    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Return the message as JSON, without whom it is for."""
        chosen = _chosen(options)
        android: dict[str, Any] = {"priority": chosen.priority, "ttl": f"{chosen.kept}s"}
        if chosen.collapse_key:
            android["collapse_key"] = chosen.collapse_key
        said: dict[str, Any] = {}
        if isinstance(message, Toast):
            title, text = (message.title, message.text) if message.title else (message.text, "")
            said["notification"] = _filled({"title": title, "body": text, "image": chosen.image})
            said["data"] = _filled({"url": message.link})
            said |= _elsewhere(chosen)
            android["notification"] = _android(chosen)
        elif isinstance(message, Raw):
            said["data"] = texts_of(message)
        else:
            raise LookupError(f"Android phones cannot show this {message.label.lower()}.")
        data = said.pop("data")
        said |= {"android": android, "data": data}  # in this order, so that build can add to the ends of both
        body = json.dumps({"message": said}, ensure_ascii=False, separators=(",", ":")).encode()
        return Payload(body, (("Content-Type", "application/json; UTF-8"),))

    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Address the payload to one phone. A second copy of it takes the place of the first on the screen, by tag."""
        head, tagless, tail = _parts(payload.body)
        comma = "" if head.endswith(b"{") else ","  # nothing else may be said to Android
        tag = f'{comma}"tag":"{message_id}"}}}}' if tagless else ""
        own = f'{tag},"data":{{"mid":"{message_id}"'
        body = b"".join((head, own.encode(), tail, f',"token":"{target.address}"}}}}'.encode()))
        if not isinstance(credentials, Credentials):  # for a sample: what is sent never goes without
            return Request(f"{SEND}/v1/projects/example/messages:send", payload.headers, body, http2=True)
        return _to(credentials, payload.headers, body, token)

    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer means: by its errorCode, else by its status."""
        if verdict := unanswered(answer, "FCM"):
            return verdict
        if answer.status == 200:
            return TAKEN
        error = told(answer.body).get("error")
        code, violations = _code(error)
        words = _words(error, code, violations, answer)
        outcome, reason = _meaning(answer.status, code, error)
        if outcome is Outcome.REJECTED and any(name in ("message.token", "token") for name in violations):
            outcome, reason = Outcome.GONE, "FCM says that this is no registration token."
        wish = answer.headers.get("retry-after", "")
        after = retry_after(wish) if outcome is Outcome.RETRY else None
        quota = outcome is Outcome.RETRY and (answer.status == 429 or code == "QUOTA_EXCEEDED")
        return Verdict(
            outcome,
            reason,
            words,
            retry_after=max(after or LEAST_REST, timedelta(seconds=1)) if quota else after,
            rests=(after or LEAST_REST) if quota else None,
            stale_credential=answer.status == 401 and not code,
            device_alone=code in ALONE,
        )

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        """Return the project: quotas are counted by it."""
        return f"{self.slug}:{credentials.project_id}" if isinstance(credentials, Credentials) else self.slug

    def kept_at_most(self, payload: Payload, seconds: int) -> Payload:
        """Return the payload with a lower time to live."""
        said = json.loads(payload.body)
        android = said["message"]["android"]
        if seconds >= int(android["ttl"][:-1]):
            return payload
        android["ttl"] = f"{max(0, seconds)}s"
        return Payload(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(), payload.headers)

    def emulated_address(self, name: str, host: str) -> str:
        """Return a token that the emulator knows by ``name``."""
        return f"{name}:APA91b"

    def authorize(self, credentials: object | None) -> Request:
        """Return the request for a token: a signed assertion (RFC 7523, 2.1)."""
        if not isinstance(credentials, Credentials):
            raise TokenRefused(self.credentials_needed)
        account, now = credentials.told, int(time.time())
        claims = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"]}
        signed = jwt.rs256(account["private_key"], account["private_key_id"], {**claims, "iat": now, "exp": now + 3600})
        form = urlencode({"grant_type": GRANT, "assertion": signed}).encode()
        return Request(account["token_uri"], (("Content-Type", "application/x-www-form-urlencoded"),), form)

    def token(self, answer: Answer) -> Token:
        """Read what the token endpoint answered."""
        return token_in(answer, "Google gave no token for the service account")

    def trial(self, credentials: object | None, token: str) -> Request:
        """Return a message that is only looked at, and is for nobody."""
        said = {"validate_only": True, "message": {"token": NO_TOKEN, "notification": {"title": "Credentials"}}}
        headers = (("Content-Type", "application/json; UTF-8"),)
        return _to(cast(Credentials, credentials), headers, json.dumps(said).encode(), token)

    def tried(self, answer: Answer) -> Verdict:
        """Say what the answer means: whoever hears from FCM itself that the token is none was let in.

        It says so by INVALID_ARGUMENT; whether it names the field as well is not told.
        """
        verdict = self.interpret(answer, authenticated=True)
        let_in = verdict.outcome is Outcome.GONE or dict(verdict.words).get("errorCode") == "INVALID_ARGUMENT"
        return Verdict(TAKEN.outcome, "FCM lets us in.", verdict.words) if let_in else verdict


def _to(credentials: Credentials, headers: tuple[tuple[str, str], ...], body: bytes, token: str) -> Request:
    headers = (*headers, ("Authorization", f"Bearer {token}"))
    return Request(_url(credentials), headers, body, authenticated=True, http2=True)


@lru_cache(maxsize=64)
def _url(credentials: Credentials) -> str:
    return f"{credentials.server or SEND}/v1/projects/{credentials.project_id}/messages:send"


def _chosen(options: object | None) -> Options:
    return options if isinstance(options, Options) else NO_OPTIONS


def _filled(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in ("", None)}


def _android(chosen: Options) -> dict[str, Any]:
    return _filled(
        {
            "channel_id": chosen.channel,
            "icon": chosen.icon,
            "color": chosen.colour,
            "sound": chosen.sound,
            "click_action": chosen.click_action,
            "visibility": chosen.visibility,
            "notification_count": chosen.count,
            "tag": chosen.tag,
        }
    )


def _elsewhere(chosen: Options) -> dict[str, Any]:
    """Return what is said to Apple devices and browsers alone."""
    said: dict[str, Any] = {}
    if chosen.apple_badge is not None:
        said["apns"] = {"payload": {"aps": {"badge": chosen.apple_badge}}}
    if chosen.web_link:
        said["webpush"] = {"fcm_options": {"link": chosen.web_link}}
    return said


@lru_cache(maxsize=64)
def _parts(body: bytes) -> tuple[bytes, bool, bytes]:
    """Return what stands before the data, whether the notification lacks a tag of its own, and the data's inside.

    Of a notification without a tag the last two braces are left off the first part, for the tag to stand before them.
    """
    android = json.loads(body)["message"]["android"]
    tagless = "notification" in android and "tag" not in android["notification"]
    at = body.rindex(b',"data":{')  # no text can hold it: in a text the quotes are escaped
    head, inside = body[:at], body[at + len(b',"data":{') : -3]
    tail = b"," + inside + b"}" if inside else b"}"
    return (head[:-2] if tagless else head), tagless, tail


def _code(error: Any) -> tuple[str, list[str]]:
    """Return the errorCode of FCM's own detail, "" without, and the fields that were found wrong."""
    details = error.get("details") if isinstance(error, dict) else None
    code, violations = "", []
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, dict):
            continue
        if str(detail.get("@type", "")).endswith("FcmError"):
            code = _text(detail.get("errorCode"))
        several = detail.get("fieldViolations")
        several = several if isinstance(several, list) else []
        violations += [_text(one.get("field")) for one in several if isinstance(one, dict)]
    return code, violations


def _text(value: Any) -> str:
    return value[:60] if isinstance(value, str) else ""


def _meaning(status: int, code: str, error: Any) -> tuple[Outcome, str]:
    said = str(error.get("status", "")) if isinstance(error, dict) else ""
    if row := BY_CODE.get(code):
        return row
    if said == "RESOURCE_EXHAUSTED":
        return BY_STATUS[429]
    if status >= 500:
        return Outcome.RETRY, f"FCM cannot take it now ({status})."
    unexpected = (Outcome.REJECTED, f"FCM answered {status}, which its documentation does not know.")
    return BY_STATUS.get(status) or pointed_elsewhere(status, "FCM") or unexpected


def _words(error: Any, code: str, violations: list[str], answer: Answer) -> tuple[tuple[str, str], ...]:
    """Return the service's own words."""
    if not isinstance(error, dict):
        text = beginning(answer.body)
        return (("body", text),) if text else ()
    said = {"errorCode": code, "status": error.get("status"), "message": error.get("message")}
    said |= {"field": ", ".join(violations), "retry-after": answer.headers.get("retry-after")}
    return tuple((name, str(value)[:LONGEST_WORD]) for name, value in said.items() if value)
