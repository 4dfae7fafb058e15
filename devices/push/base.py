"""The contract between the pipeline and a push service.

A push service is four pure steps around one HTTP exchange: ``clean_address`` (may we talk to this address at all),
``problems`` (what is wrong with this message here), ``encode`` + ``build`` (message → bytes → request) and
``interpret`` (answer → verdict). Nothing here sleeps, retries, logs or touches the network or the database.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self

from devices.push.fields import Problem
from devices.push.message import Message


class Outcome(enum.StrEnum):
    """What one attempt means for us. The whole retry policy follows from this word."""

    ACCEPTED = "accepted"  # the service took it; never "delivered"
    RETRY = "retry"  # nothing is final: another attempt follows
    DROPPED = "dropped"  # the user or the service suppressed it; final, the device is kept
    GONE = "gone"  # the address expired; final, the device is retired
    REJECTED = "rejected"  # our message is wrong; final
    DENIED = "denied"  # our credential is wrong; the campaign pauses, nothing is lost
    UNKNOWN = "unknown"  # it may have left and no answer is known
    EXPIRED = "expired"  # its time passed before the service would take it; final
    SKIPPED = "skipped"  # erased, retired or opted out meanwhile; final


class Lost(enum.StrEnum):
    """Why there is no usable answer, told by the phase in which the exchange ended."""

    NOT_SENT = "not sent"  # the request cannot have reached the service: trying again is harmless
    AMBIGUOUS = "ambiguous"  # bytes left and no valid answer came: the service may have taken it


class AddressRefused(ValueError):
    """An address we will not talk to. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM text of a TLS client certificate (with its chain) and its unencrypted private key."""

    certificate: str
    key: str = field(repr=False)


class Target(NamedTuple):
    """What ``build`` must know about one device. Made in one place, devices/targets.py.

    ``os_version`` is the version as numbers, most significant first, () when unknown: (8, 0, 10492).
    ``keys`` are per-device secrets of the service (Web Push: p256dh and auth).
    """

    address: str
    os_version: tuple[int, ...] = ()
    keys: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"Target({self.address!r}, {self.os_version!r})"  # without the keys


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes for one class of devices, with the headers that belong to the message and not to the device."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class _Request(NamedTuple):
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"
    certificate: ClientCertificate | None = None
    authenticated: bool = False
    own: tuple[tuple[str, str], ...] = ()
    http2: bool = False


class Request(_Request):
    """One HTTP request. The engine adds Host, User-Agent and Content-Length and nothing else.

    ``headers`` are those that many requests share, ``own`` those of this one. ``authenticated`` says that it shows who
    we are, so that a refusal is about our credential; the service's own word. ``http2`` says that the service speaks
    HTTP/2 over TLS; where its server does not, HTTP/1.1 is spoken after all. ValueError when the URL or a header holds
    what is not printable ASCII: libcurl would send a line end as it is.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url!r})"  # without what its headers show

    @property
    def all_headers(self) -> tuple[tuple[str, str], ...]:
        """Return every header that we set."""
        return (*self.headers, *self.own)

    def __new__(
        cls,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        method: str = "POST",
        certificate: ClientCertificate | None = None,
        authenticated: bool = False,
        own: tuple[tuple[str, str], ...] = (),
        http2: bool = False,
    ) -> Self:
        text = url
        for one in own:
            text += one[0] + one[1]
        if not (text.isascii() and text.isprintable() and _plain(headers)):
            raise ValueError("The address or a header holds a line end, a control character or no ASCII.")
        return tuple.__new__(cls, (url, headers, body, method, certificate, authenticated, own, http2))


@lru_cache(maxsize=256)  # a payload's headers are the same for all its devices
def _plain(headers: tuple[tuple[str, str], ...]) -> bool:
    text = "".join([part for header in headers for part in header])
    return text.isascii() and text.isprintable()


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token: for how many seconds it is good, and for how many the service takes no other one after it."""

    value: str = field(repr=False)
    seconds: float
    least: float = 0.0


class Answer(NamedTuple):
    """What came back. ``status`` is 0 and ``lost`` tells why when no valid HTTP answer came.

    Header names are lower-case. ``body`` holds at most 64 KiB. ``milliseconds`` is the wall time of the exchange.
    ``error`` is the engine's own sentence when ``lost`` is set. ``certificate_refused`` says that it was lost because
    our client certificate could not be used or the other side did not take it. ``raw`` is the header block as it came:
    answers with the same one and the same body say the same.
    """

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    milliseconds: int = 0
    lost: Lost | None = None
    error: str = ""
    certificate_refused: bool = False
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    ``words`` keeps the service's own words as they came, by the service's own header or field name.
    ``reason`` is a plain sentence. ``ambiguous`` marks an attempt that may have been taken although we know no answer.
    ``retry_after`` is the service's own wish; ``hold`` asks not to send to this device at all for that long.
    ``connection`` is the device's connection state as normalised text ("" when the service did not say).
    ``stale_credential`` says that the bearer token was not taken: with a new one the push is tried once more at once,
    and no attempt is counted; when it is not taken again, ``outcome`` holds. ``device_alone`` says of DENIED that the
    device may be the cause: when others are accepted and it is refused once more, it is gone. ``gone_since`` says of
    GONE when the service last knew the address to be dead: a device that registered later is kept. ``rests`` asks
    to send nothing at all for that long to what fails together with this device (``circuit``).
    """

    outcome: Outcome
    reason: str = ""
    words: tuple[tuple[str, str], ...] = ()
    ambiguous: bool = False
    retry_after: timedelta | None = None
    hold: timedelta | None = None
    connection: str = ""
    stale_credential: bool = False
    device_alone: bool = False
    gone_since: datetime | None = None
    rests: timedelta | None = None


class PushService(ABC):
    """One push service. Instances hold no state; ``services.find(slug)`` returns the one instance.

    ``credentials`` and ``options`` are frozen dataclasses whose fields are made by ``fields.asked``: forms, storage and
    API are built from them. Where a method takes ``credentials`` or ``options``, it gets an instance of its own
    dataclass, or None when nothing is stored.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    address_word: ClassVar[str]  # what the service itself calls an address: "channel URI", "endpoint", "token"
    retired: ClassVar[str] = ""  # a sentence when the service no longer exists
    kinds: ClassVar[frozenset[str]]  # slugs of the messages it can carry (devices.push.message.MESSAGES)
    payload_limit: ClassVar[int]  # bytes; larger payloads are refused
    payload_advice: ClassVar[int]  # bytes; larger payloads get a warning
    hosts: ClassVar[tuple[str, ...]]  # allowed hosts; a leading dot allows every name below it
    samples: ClassVar[tuple[Target, ...]]  # a typical device of every variant, for previews
    credentials: ClassVar[type | None] = None  # frozen dataclass the credential form is built from
    # What the App's page calls the properties ``subject`` and ``fingerprint`` of credentials.
    credential_words: ClassVar[tuple[str, str]] = ("Issued to", "Fingerprint")
    without_credentials: ClassVar[str] = ""  # a sentence for the App's page while nothing is stored
    binds_devices: ClassVar[bool] = False  # who registers is lost with credentials of another ``fingerprint``
    credentials_needed: ClassVar[str] = ""  # a sentence for whoever sends without; "": that can be done
    options: ClassVar[type | None] = None  # frozen dataclass of what only this service can do with a message
    device_keys: ClassVar[tuple[str, ...]] = ()  # names of the secrets that a device registers with its address
    per_device: ClassVar[bool] = (
        False  # ``build`` makes other bytes for every device, so nobody's are shown as a sample
    )
    reports: ClassVar[bool] = False  # its devices can tell us what became of a push, by what ``build`` gives them
    token_subject: ClassVar[tuple[str, ...]] = ()  # the credentials' fields that a token belongs to; () for all
    tries_credentials: ClassVar[bool] = False  # whether they can be tried without a device

    @abstractmethod
    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return the address as it will be stored and dialled, or raise AddressRefused.

        ``extra_hosts`` are exact ``host:port`` pairs that an operator's setting lets through (the emulator).
        """

    def clean_keys(self, raw: Mapping[str, str]) -> dict[str, str]:
        """Return a device's keys as they are stored: ``device_keys``, all and no others; or raise AddressRefused."""
        if set(raw) != set(self.device_keys):
            wanted = f"exactly: {', '.join(self.device_keys)}" if self.device_keys else "none"
            raise AddressRefused(f"The keys of a device of {self.label} are {wanted}.")
        return dict(raw)

    @abstractmethod
    def problems(self, message: Message, options: object | None = None) -> list[Problem]:
        """Tell what is wrong with ``message`` here: errors (it will not be sent) and warnings."""

    @abstractmethod
    def variant(self, target: Target) -> str:
        """Name the class of devices that get the same bytes as this one, such as those of an OS version."""

    @abstractmethod
    def encode(self, message: Message, variant: str, options: object | None = None) -> Payload:
        """Build the bytes of ``message`` for devices of this variant.

        Raises MessageInvalid when these devices cannot show any of it, LookupError when no device here can.
        """

    @abstractmethod
    def build(
        self,
        target: Target,
        payload: Payload,
        message_id: str,
        credentials: object | None,
        token: str = "",
        report: str = "",
    ) -> Request:
        """Address the payload to one device. ``message_id`` is a UUID in its usual spelling.

        ``token`` is the bearer token that ``authorize`` asked for. ``report`` is by what the device may tell us what
        became of the push, at most 64 plain characters; "" where ``reports`` is False.
        """

    @abstractmethod
    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer, or its absence, means; ``authenticated`` is what the request said of itself."""

    def notes(self, message: Message, variant: str, options: object | None = None) -> list[Problem]:
        """Tell what devices of this variant will not show of ``message``."""
        return []

    def circuit(self, target: Target, credentials: object | None = None) -> str:
        """Name what fails together with this device: by default the whole service.

        Any other name begins with the service's slug and a colon; 120 characters tell it from others. While a circuit
        is broken its devices wait, and no attempt of theirs is burnt.
        """
        return self.slug

    def kept_at_most(self, payload: Payload, seconds: int) -> Payload:
        """Return the payload so that the service keeps it for at most ``seconds`` for a device that is away."""
        return payload

    def emulated_address(self, name: str, host: str) -> str:
        """Return the address of the device ``name`` at the emulator at ``host``, a host:port; "" when it has none."""
        return ""

    @property
    def has_tokens(self) -> bool:
        """Whether there are credentials for which a bearer token is shown."""
        return type(self).authorize is not PushService.authorize

    def authorize(self, credentials: object | None) -> Request | Token | None:
        """Return the request for a bearer token, or the token where it is made here; None where there is none.

        Raises TokenRefused.
        """
        return None

    def token(self, answer: Answer) -> Token:
        """Read the answer to what ``authorize`` asked for; raise TokenRefused."""
        raise TokenRefused(f"{self.label} knows no tokens.")

    def trial(self, credentials: object | None, token: str) -> Request | None:
        """Return a request that reaches no device, to learn whether the credentials are taken.

        None when the token, once it was given, says so. Asked only where ``tries_credentials``.
        """
        return None

    def tried(self, answer: Answer) -> Verdict:
        """Say what the answer to ``trial`` means: ACCEPTED when the credentials are taken."""
        return self.interpret(answer, authenticated=True)


class TokenRefused(Exception):
    """No token was given to us. ``str(error)`` is a sentence for a person."""


def retry_after(raw: str, now: datetime | None = None) -> timedelta | None:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), from a second to an hour.

    None when there is none or when it makes no sense. ``now`` is the moment of the answer, by default this one.
    """
    raw = raw.strip()
    try:
        if raw.isascii() and raw.isdecimal():
            seconds = float(raw[:12])
        else:
            seconds = (parsedate_to_datetime(raw) - (now or datetime.now(UTC))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return timedelta(seconds=min(max(seconds, 1.0), 3600.0))
