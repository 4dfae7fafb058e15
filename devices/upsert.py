"""Registrations into rows, one or hundreds at a time: the one way in which the API, the page and the import write.

New devices are made in one statement, known ones changed in another, tags in four more, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from devices.common import clock
from devices.common.secrets import digest, new_key
from devices.models import App, Contact, Device, Tag, mark

if TYPE_CHECKING:
    from devices.registration import Registration

ALIVE = {"status": Device.Status.ACTIVE, "retired_reason": "", "retired_at": None, "retired_by": None}
FORMER = {"hold_until": None}  # what was known of an address that is left; what was heard of it counts for no other
HEARD = ("accepted_at", "connection", "connection_at")  # of the state that an export tells: a Contact's


@dataclass(frozen=True, slots=True)
class Write:
    """A registration and the row it is for: a new one, or ``known``, whose lock the caller holds."""

    registration: Registration
    known: Device | None = None
    secret: str = ""  # the device's new secret; "": it keeps the one it has, or gets one that nobody knows
    public_id: UUID | None = None  # of a new device that had one before
    state: Mapping[str, Any] = field(default_factory=dict)  # further columns, as an export tells them


def upsert(app: App, writes: Sequence[Write]) -> list[Device]:
    """Write ``writes``, each of another device of ``app``, and return the devices in their order.

    In the caller's transaction. IntegrityError when somebody else made one of them meanwhile: then look again.
    """
    now = clock.now()
    fresh = [write for write in writes if write.known is None]
    made = iter(Device.objects.bulk_create(_new(app, write, now) for write in fresh))
    changed: set[str] = set()
    moved: list[Device] = []
    for write in writes:
        if write.known is not None:
            columns = _changes(write, now)
            changed |= set(columns)
            if columns.get("address_digest", write.known.address_digest) != write.known.address_digest:
                moved.append(write.known)
            for name, value in columns.items():
                setattr(write.known, name, value)
    if known := [write.known for write in writes if write.known is not None]:
        # Much faster than an update of each, or bulk_update; they are locked, so none is inserted.
        Device.objects.bulk_create(known, update_conflicts=True, unique_fields=["id"], update_fields=sorted(changed))
    if moved:  # what was heard of their former addresses counts for nothing any more
        Contact.objects.filter(device__in=moved).delete()
    devices = [write.known or next(made) for write in writes]
    _contact(zip(devices, writes, strict=True))
    _tag(app, zip(devices, writes, strict=True))
    return devices


def _new(app: App, write: Write, now: datetime) -> Device:
    identity = {"public_id": write.public_id} if write.public_id else {}
    columns = {"seen_at": now, **write.registration.columns(), **_own(write.state), **identity}
    return Device(app=app, secret_digest=digest(write.secret or new_key("ds")), **columns)


def _changes(write: Write, now: datetime) -> dict[str, Any]:
    """Return the columns that change of a device that is known: an address brings it back to life."""
    columns: dict[str, Any] = {**write.registration.columns(), "seen_at": now}
    if write.secret:
        columns["secret_digest"] = digest(write.secret)
    if "address" in columns:
        columns |= ALIVE
        if write.known is not None and write.known.address_digest != columns["address_digest"]:
            columns |= FORMER
    return columns | _own(write.state)


def _own(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in HEARD}


def _contact(devices: Iterable[tuple[Device, Write]]) -> None:
    """Keep what an export tells of how a device was heard of, as it is said of the address it has now."""
    heard = {device: {name: write.state[name] for name in HEARD if name in write.state} for device, write in devices}
    present = {row.device_id: row for row in Contact.objects.filter(device__in=[one for one in heard if heard[one]])}
    told = []
    for device, said in heard.items():
        contact = present.get(device.pk)
        if contact is None or contact.mark != mark(device.address_digest):
            contact = Contact(device=device, mark=mark(device.address_digest))
        for name, value in said.items():
            setattr(contact, name, value)
        told += [contact] if said else []
    if told:
        Contact.objects.bulk_create(
            told, update_conflicts=True, unique_fields=["device"], update_fields=["mark", *HEARD]
        )


def _tag(app: App, devices: Iterable[tuple[Device, Write]]) -> None:
    """Give each of these devices exactly the tags of its registration, if it mentions any."""
    told = {device.pk: write.registration.tags for device, write in devices if "tags" in write.registration.given}
    if not told:
        return
    through = Device.tags.through
    names = sorted({name for tags in told.values() for name in tags})
    Tag.objects.bulk_create([Tag(app=app, name=name) for name in names], ignore_conflicts=True)
    ids = dict(Tag.objects.filter(app=app, name__in=names).values_list("name", "pk"))
    wanted = {(device, ids[name]) for device, tags in told.items() for name in tags}
    have = {(row.device_id, row.tag_id): row.pk for row in through.objects.filter(device__in=told)}
    if gone := [pk for pair, pk in have.items() if pair not in wanted]:
        through.objects.filter(pk__in=gone).delete()
    through.objects.bulk_create(through(device_id=device, tag_id=tag) for device, tag in sorted(wanted - set(have)))
