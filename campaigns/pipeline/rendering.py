"""From the content a person wrote to the bytes for one device."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django.conf import settings

from campaigns.models import Notification
from devices.models import Credential
from devices.push.base import Payload, PushService, Request, Target
from devices.push.message import Message
from devices.push.services import all_services, find
from devices.versions import unranked

PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_~.-]{0,500}")  # what no two parsers read differently


class Unrenderable(Exception):
    """This device cannot be shown this campaign. ``str(error)`` is a sentence for the history."""


def message_of(notification: Notification) -> Message:
    """Return the message a notification stores; raises MessageInvalid when it is no longer valid."""
    return Message.from_fields(notification.message, notification.fields)


class CredentialLost(Exception):
    """The App's credential cannot be decrypted: nothing may leave without it. ``str(error)`` says what to do."""


@dataclass(slots=True)
class Renderer:
    """Renders one campaign for the devices of one service; asks the database once, when it is made.

    Bytes are built once per content and class of devices, not once per device.
    """

    notifications: dict[str, Notification]
    credential: object | None = None
    unreadable: str = ""  # why there is no credential though one is stored
    extra_hosts: frozenset[str] = frozenset()
    _judged: set[str] = field(default_factory=set)
    _payloads: dict[tuple[str, str, str], Payload] = field(default_factory=dict)
    _variants: dict[tuple[str, int | None], str] = field(default_factory=dict)

    @classmethod
    def of(cls, campaign: int, app: int, service: str) -> Renderer:
        """Read the campaign's content and the App's credential for ``service``."""
        rows = Notification.objects.filter(campaign=campaign)
        credential, unreadable = _credential(app, service)
        extra_hosts = frozenset({settings.EMULATOR} - {""})
        return cls({row.language: row for row in rows}, credential, unreadable, extra_hosts)

    def request(
        self, service: str, address: str, os_rank: int | None, language: str, message_id: str
    ) -> tuple[PushService, Request]:
        """Return the request for one device and the service that reads its answer.

        Raises Unrenderable or ValueError when this one cannot get it, CredentialLost when nobody can.
        """
        if self.unreadable:
            raise CredentialLost(self.unreadable)
        push_service = find(service)
        target = Target(self._dialled(push_service, address), unranked(os_rank))
        variant = self._variants.get((service, os_rank))
        if variant is None:
            variant = self._variants[service, os_rank] = push_service.variant(target)
        chosen = self._language(language)
        payload = self._payloads.get((service, variant, chosen))
        if payload is None:
            payload = self._encode(push_service, variant, chosen)
            self._payloads[service, variant, chosen] = payload
        return push_service, push_service.build(target, payload, message_id, self.credential)

    def _dialled(self, service: PushService, address: str) -> str:
        """Judge an address again at the last moment, whatever way it came into the database.

        Most addresses differ in their last part alone; what stands before it is judged once.
        """
        start, _, last = address.rpartition("/")
        if start in self._judged and PLAIN.fullmatch(last):
            return address
        dialled = service.clean_address(address, extra_hosts=self.extra_hosts)
        if dialled == address and PLAIN.fullmatch(last):
            self._judged.add(start)
        return dialled

    def _language(self, wanted: str) -> str:
        """Return the best language there is: the same, the same without region, the default."""
        for language in (wanted, wanted.partition("-")[0], ""):
            if language in self.notifications:
                return language
        raise Unrenderable("There is no text for this device's language and no default.")

    def _encode(self, service: PushService, variant: str, language: str) -> Payload:
        message = message_of(self.notifications[language])
        if message.slug not in service.kinds:
            raise Unrenderable(f"{service.label} cannot carry this kind of message.")
        payload = service.encode(message, variant)
        if len(payload.body) > service.payload_limit:
            raise Unrenderable(
                f"The message has {len(payload.body)} bytes; {service.label} takes at most {service.payload_limit}."
            )
        return payload


def _credential(app: int, slug: str) -> tuple[object | None, str]:
    """Return what the App shows a service, and why it cannot be read ("": it can, or there is none)."""
    service = next((one for one in all_services() if one.slug == slug), None)
    row = Credential.objects.filter(app=app, service=slug).first()
    if service is None or service.credentials is None or row is None:
        return None, ""
    if row.secret is None:
        return None, (
            f"The credential for {service.label} cannot be read with this installation's encryption key. "
            "Upload it again on the App's page, then go on."
        )
    return service.credentials(**row.secret), ""
