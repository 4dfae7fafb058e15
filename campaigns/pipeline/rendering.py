"""From the content a person wrote to the bytes for one device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from campaigns.models import Campaign, Notification
from campaigns.pipeline.reports import report_id
from campaigns.pipeline.tokens import NONE, Bearer, Tokens
from campaigns.pipeline.values import DeviceRow
from devices.bearer import TokenAway
from devices.common import clock
from devices.push.base import Payload, PushService, Request, TokenRefused
from devices.push.fields import MessageInvalid, built
from devices.push.message import Message
from devices.push.services import all_services, find
from devices.targets import let_through, target_of
from devices.trying import credentials_of

CIRCUIT = 120  # characters of a circuit's name that tell it from others
PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_~.:=-]{0,500}")  # what no two parsers read differently


class CannotShow(Exception):
    """This device cannot be shown this campaign: it is left out. ``str(error)`` is a sentence for the history."""


class ServiceAway(Exception):
    """Nothing may leave for this service now, and nobody is to blame. ``str(error)`` says why."""


class CredentialLost(Exception):
    """What the App shows the service cannot be had: nothing may leave without. ``str(error)`` says what to do."""


def message_of(notification: Notification) -> Message:
    """Return the message a notification stores; raises MessageInvalid when it is no longer valid."""
    return Message.from_fields(notification.message, notification.fields)


def options_of(notification: Notification, service: PushService) -> object | None:
    """Return what a notification stores for one service alone; raises MessageInvalid when it is no longer valid."""
    stored = notification.options.get(service.slug)
    if service.options is None or not stored:
        return None
    options: object = built(service.options, stored, service.label)
    return options


class Shared(NamedTuple):
    """What all devices share that have the same service, OS version and language."""

    service: PushService
    payload: Payload
    variant: str  # of the content
    language: str  # of the content


class Rendered(NamedTuple):
    """A push that is ready to leave."""

    request: Request
    service: PushService
    circuit: str
    variant: str
    language: str


@dataclass(slots=True)
class Renderer:
    """Renders one campaign for the devices of one service; asks the database once, when it is made.

    Bytes are built once per content and class of devices, not once per device.
    """

    campaign: int
    slug: str  # of the service
    contents: Mapping[tuple[str, str], Notification]  # by variant and language
    credential: object | None = field(default=None, repr=False)
    unreadable: str = ""  # why there is no credential, or no token, though one is needed
    away: str = ""  # why no token could be asked for just now
    token: Bearer = field(default=NONE, repr=False)
    extra_hosts: frozenset[str] = frozenset()
    ends_at: datetime | None = None  # after which nobody is to see it, where a person said so
    _judged: set[str] = field(default_factory=set)
    _classes: dict[tuple[str, int | None, str, str], Shared | CannotShow] = field(default_factory=dict)
    _payloads: dict[tuple[str, str, str, str], Payload] = field(default_factory=dict)
    _variants: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._variants = sorted({variant for variant, _ in self.contents})

    @classmethod
    def of(cls, campaign: int, app: int, slug: str, tokens: Tokens) -> Renderer:
        """Read the campaign's content and the App's credential for a service, with a token where it wants one."""
        rows = Notification.objects.filter(campaign=campaign)
        credential, unreadable = credential_of(app, slug)
        extra_hosts = let_through()
        service, token, away = _named(slug), NONE, ""
        if service is not None and not unreadable:
            try:
                token = tokens.get(service, credential)
            except TokenRefused as refusal:
                unreadable = str(refusal)
            except TokenAway as absence:
                away = str(absence)
        contents = {(row.variant, row.language): row for row in rows}
        said = Campaign.objects.filter(pk=campaign, expires_after__isnull=False).values_list("expires_at", flat=True)
        return cls(campaign, slug, contents, credential, unreadable, away, token, extra_hosts, said.first())

    def render(self, device: DeviceRow, message_id: str) -> Rendered:
        """Return the push for one device.

        Raises CannotShow or ValueError when this one cannot get it, CredentialLost or ServiceAway when nobody can.
        """
        if self.unreadable:
            raise CredentialLost(self.unreadable)
        if self.away:
            raise ServiceAway(self.away)
        if device.service != self.slug:  # another one must never see this one's credential
            raise CannotShow("It registered with another push service meanwhile.")
        variant = self._variant(message_id)
        key = (device.service, device.os_rank, device.language, variant)
        shared = self._classes.get(key)
        if shared is None:
            shared = self._classes[key] = self._class(device, variant)
        if isinstance(shared, CannotShow):
            raise CannotShow(str(shared))  # a new one: an exception keeps every place it was raised at
        service = shared.service
        if service.device_keys and device.keys is None:
            raise CredentialLost("The keys of devices cannot be read with this installation's encryption key.")
        target = target_of(self._dialled(service, device.address), device.os_rank, device.keys)
        report = report_id(self.campaign, device.id) if service.reports else ""
        request = service.build(target, shared.payload, message_id, self.credential, self.token.value or "", report)
        circuit = service.circuit(target, self.credential)[:CIRCUIT]
        return Rendered(request, service, circuit, shared.variant, shared.language)

    def _dialled(self, service: PushService, address: str) -> str:
        """Judge an address again at the last moment, whatever way it came into the database.

        Most addresses differ in their last part alone; what stands before it is judged once. An address without "/" has
        nothing before it: it is judged as a whole, every time.
        """
        start, slash, last = address.rpartition("/")
        if slash and start in self._judged and PLAIN.fullmatch(last):
            return address
        dialled = service.clean_address(address, extra_hosts=self.extra_hosts)
        if slash and dialled == address and PLAIN.fullmatch(last):
            self._judged.add(start)
        return dialled

    def _variant(self, message_id: str) -> str:
        """Return which of several contents a device gets: always the same one, and each as often as the others."""
        several = len(self._variants)
        if several < 2:
            return self._variants[0] if several else ""
        return self._variants[int(message_id[:8], 16) % several]

    def _class(self, device: DeviceRow, variant: str) -> Shared | CannotShow:
        service = find(device.service)
        try:
            language = self._language(variant, device.language)
            kind = service.variant(target_of(device.address, device.os_rank, device.keys))
            payload = self._payloads.get((device.service, kind, variant, language))
            if payload is None:
                payload = self._encode(service, kind, self.contents[variant, language])
                self._payloads[device.service, kind, variant, language] = payload
        except CannotShow as why:
            return why
        return Shared(service, payload, variant, language)

    def _language(self, variant: str, wanted: str) -> str:
        """Return the best language there is: the same, the same without region, the default."""
        for language in (wanted, wanted.partition("-")[0], ""):
            if (variant, language) in self.contents:
                return language
        raise CannotShow("There is no text for this device's language and no default.")

    def _encode(self, service: PushService, kind: str, notification: Notification) -> Payload:
        message = message_of(notification)
        if message.slug not in service.kinds:
            raise CannotShow(f"{service.label} cannot carry this kind of message.")
        options = options_of(notification, service)
        try:
            payload = service.encode(message, kind, options)
        except MessageInvalid as invalid:
            raise CannotShow(str(invalid)) from None
        if self.ends_at is not None:
            payload = service.kept_at_most(payload, int((self.ends_at - clock.now()).total_seconds()))
        if len(payload.body) > service.payload_limit:
            raise ValueError(
                f"The message has {len(payload.body)} bytes; {service.label} takes at most {service.payload_limit}."
            )
        return payload


def _named(slug: str) -> PushService | None:
    return next((service for service in all_services() if service.slug == slug), None)


def credential_of(app: int, slug: str) -> tuple[object | None, str]:
    """Return what the App shows a service, and why it cannot be shown ("": it can, or there is none)."""
    service = _named(slug)
    return (None, "") if service is None else credentials_of(app, service)
