"""What a person typed ↔ a message: the fields of every kind side by side, their problems, the bytes that come of them.

Every kind has inputs of its own (``toast-title``, ``flip_tile-title``), all in the form at once, so that nothing
typed is lost when somebody looks at another kind and comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from devices.push import services
from devices.push.base import Payload, PushService, Target
from devices.push.message import MESSAGES, FormField, Message, MessageInvalid, Problem

FIRST = "toast"
SAMPLE_ID = "00000000-0000-8000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Input:
    """One field of one kind as the form shows it: what was typed, and what is wrong with it."""

    asked: FormField
    name: str
    value: str
    cleared: bool
    problems: tuple[Problem, ...] = ()

    @property
    def html_id(self) -> str:
        """The id that its label points to."""
        return f"id_{self.name}"

    @property
    def errors(self) -> list[Problem]:
        """What keeps it from being sent."""
        return [problem for problem in self.problems if problem.level == "error"]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of message in the form."""

    slug: str
    label: str
    about: str
    chosen: bool
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Composition:
    """What was typed, and what it makes."""

    slug: str
    typed: Mapping[str, str]
    cleared: frozenset[str] = frozenset()
    service: PushService = field(default_factory=lambda: services.find("mpns"))

    @classmethod
    def posted(cls, post: Mapping[str, Any]) -> Composition:
        """Read a form. An unknown kind is taken for the first one."""
        slug = post.get("message", FIRST)
        names = {f"{kind}-{asked.name}" for kind, message in MESSAGES.items() for asked in message.form_fields()}
        typed = {name: str(post[name]).replace("\r\n", "\n") for name in names if name in post}
        cleared = frozenset(name for name in names if post.get(f"{name}-clear"))
        return cls(slug if slug in MESSAGES else FIRST, typed, cleared)

    @classmethod
    def stored(cls, slug: str, fields: Mapping[str, Any]) -> Composition:
        """Show what a notification stores."""
        clear = frozenset(f"{slug}-{name}" for name in fields.get("clear", ()))
        typed = {f"{slug}-{name}": _spelled(value) for name, value in fields.items() if name != "clear"}
        return cls(slug, typed, clear)

    @property
    def fields(self) -> dict[str, object]:
        """The chosen kind's fields, as ``Message.from_fields`` takes them."""
        prefix = f"{self.slug}-"
        fields: dict[str, object] = {
            name.removeprefix(prefix): value for name, value in self.typed.items() if name.startswith(prefix)
        }
        if clear := sorted(name.removeprefix(prefix) for name in self.cleared if name.startswith(prefix)):
            fields["clear"] = clear
        return fields

    @cached_property
    def _read(self) -> tuple[Message | None, list[Problem]]:
        try:
            message = Message.from_fields(self.slug, self.fields)
        except MessageInvalid as invalid:
            return None, invalid.problems
        return message, self.service.problems(message)

    @property
    def empty(self) -> bool:
        """Whether nothing has been typed for this kind yet: nobody is blamed for an empty page."""
        return not any(value for name, value in self.fields.items() if name != "delay")

    @property
    def message(self) -> Message | None:
        """The message, or None when what was typed makes none."""
        return self._read[0]

    @property
    def problems(self) -> list[Problem]:
        """Everything wrong or doubtful, by the message itself and by the push service."""
        return self._read[1]

    @property
    def errors(self) -> list[Problem]:
        """What keeps it from being sent."""
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def general(self) -> list[Problem]:
        """Problems that belong to no field."""
        own = {asked.name for asked in MESSAGES[self.slug].form_fields()}
        return [problem for problem in self.problems if problem.field not in own]

    def parts(self, *, complain: bool = True) -> list[Part]:
        """Return every kind with its fields; problems only with ``complain``."""
        return [self._part(slug, kind, complain and slug == self.slug) for slug, kind in MESSAGES.items()]

    def _part(self, slug: str, kind: type[Message], complain: bool) -> Part:
        inputs = []
        for asked in kind.form_fields():
            name = f"{slug}-{asked.name}"
            problems = [problem for problem in self.problems if problem.field == asked.name] if complain else []
            inputs.append(Input(asked, name, self.typed.get(name, ""), name in self.cleared, tuple(problems)))
        about = (kind.__doc__ or "").splitlines()[0]
        return Part(slug, kind.label, about, slug == self.slug, tuple(inputs))


def _spelled(value: Any) -> str:
    return "on" if value is True else "" if value in (None, False) else str(value)


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the wire to one class of devices, and what such a device will not show."""

    service: PushService
    variant: str
    size: int
    head: str
    body: str
    notes: tuple[Problem, ...]
    devices: int = 0

    @property
    def share(self) -> int:
        """The size in percent of what the service takes."""
        return round(100 * self.size / self.service.payload_limit)


def wire(message: Message, service: PushService, target: Target, devices: int = 0) -> Wire:
    """Build what the sender would send to ``target``, by the same code."""
    variant = service.variant(target)
    notes = tuple(service.notes(message, variant))
    try:
        payload = service.encode(message, variant)
    except MessageInvalid as invalid:
        return Wire(service, variant, 0, "", "", (*notes, *invalid.problems), devices)
    head = _head(service, target, payload)
    return Wire(service, variant, len(payload.body), head, payload.body.decode("utf-8"), notes, devices)


def _head(service: PushService, target: Target, payload: Payload) -> str:
    request = service.build(target, payload, SAMPLE_ID, None)
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers)]
    return "\n".join([*lines, f"Content-Length: {len(request.body)}"])


def sample_wires(message: Message, service: PushService) -> list[Wire]:
    """Return what would go to a typical device of every class the service knows."""
    return [wire(message, service, target) for target in service.samples]
