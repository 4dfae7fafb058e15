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
from typing import ClassVar

from devices.push.message import Message, Problem


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


@dataclass(frozen=True, slots=True)
class Target:
    """What ``build`` must know about one device.

    ``os_version`` is the version as numbers, most significant first, () when unknown: (8, 0, 10492).
    ``keys`` are per-device secrets of the service (Web Push: p256dh and auth).
    """

    address: str
    os_version: tuple[int, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes for one class of devices, with the headers that belong to the message and not to the device."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. The engine adds Host, User-Agent and Content-Length and nothing else.

    ValueError when the URL or a header holds what is not printable ASCII: libcurl would send a line end as it is.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"
    certificate: ClientCertificate | None = None

    def __post_init__(self) -> None:
        text = self.url + "".join([part for header in self.headers for part in header])
        if not (text.isascii() and text.isprintable()):
            raise ValueError("The address or a header holds a line end, a control character or no ASCII.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status`` is 0 and ``lost`` tells why when no valid HTTP answer came.

    Header names are lower-case. ``body`` holds at most 64 KiB. ``milliseconds`` is the wall time of the exchange.
    ``error`` is the engine's own sentence when ``lost`` is set. ``certificate_refused`` says that it was lost because
    our client certificate could not be used or the other side did not take it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    milliseconds: int = 0
    lost: Lost | None = None
    error: str = ""
    certificate_refused: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    ``words`` keeps the service's own words as they came, by the service's own header or field name.
    ``reason`` is a plain sentence. ``ambiguous`` marks an attempt that may have been taken although we know no answer.
    ``retry_after`` is the service's own wish; ``hold`` asks not to send to this device at all for that long.
    ``connection`` is the device's connection state as normalised text ("" when the service did not say).
    """

    outcome: Outcome
    reason: str = ""
    words: tuple[tuple[str, str], ...] = ()
    ambiguous: bool = False
    retry_after: timedelta | None = None
    hold: timedelta | None = None
    connection: str = ""


class PushService(ABC):
    """One push service. Instances hold no state; ``services.find(slug)`` returns the one instance."""

    slug: ClassVar[str]
    label: ClassVar[str]
    address_word: ClassVar[str]  # what the service itself calls an address: "channel URI", "endpoint", "token"
    retired: ClassVar[str] = ""  # a sentence when the service no longer exists
    kinds: ClassVar[frozenset[str]]  # slugs of the messages it can carry (devices.push.message.MESSAGES)
    payload_limit: ClassVar[int]  # bytes; larger payloads are refused
    payload_advice: ClassVar[int]  # bytes; larger payloads get a warning
    hosts: ClassVar[tuple[str, ...]]  # allowed hosts; a leading dot allows every name below it
    samples: ClassVar[tuple[Target, ...]]  # a typical device of every variant, for previews
    credentials: ClassVar[type | None]  # frozen dataclass the credential form is built from

    @abstractmethod
    def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
        """Return the address as it will be stored and dialled, or raise AddressRefused.

        ``extra_hosts`` are exact ``host:port`` pairs that an operator's setting lets through (the emulator).
        """

    @abstractmethod
    def problems(self, message: Message) -> list[Problem]:
        """Tell what is wrong with ``message`` here: errors (it will not be sent) and warnings."""

    @abstractmethod
    def variant(self, target: Target) -> str:
        """Name the class of devices that get the same bytes as this one (for MPNS: by OS version)."""

    @abstractmethod
    def encode(self, message: Message, variant: str) -> Payload:
        """Build the bytes of ``message`` for devices of this variant.

        Raises MessageInvalid when these devices cannot show any of it, LookupError when no device here can.
        """

    @abstractmethod
    def build(self, target: Target, payload: Payload, message_id: str, credentials: object | None) -> Request:
        """Address the payload to one device. ``message_id`` is a UUID in its usual spelling."""

    @abstractmethod
    def interpret(self, answer: Answer, *, authenticated: bool = False) -> Verdict:
        """Say what an answer, or its absence, means; ``authenticated`` when the address was an https one."""

    def notes(self, message: Message, variant: str) -> list[Problem]:
        """Tell what devices of this variant will not show of ``message``."""
        return []


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
