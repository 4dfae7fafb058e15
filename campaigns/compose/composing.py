"""What a person typed ↔ a message: the fields of every kind side by side, their problems, the bytes that come of them.

Every kind has inputs of its own (``toast-title``, ``flip_tile-title``), and so has every push service for what only it
can do (its options, under its slug). All are in the form at once, so that nothing typed is lost when somebody looks at
another kind and comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from devices.push import services
from devices.push.base import Payload, PushService, Target
from devices.push.fields import FormField, MessageInvalid, Problem, built, form_fields, stored
from devices.push.message import Message

SAMPLE_ID = "00000000-0000-8000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Input:
    """One field as the form shows it: what was typed, what is wrong with it, and whether the chosen kind has it."""

    asked: FormField
    name: str
    value: str
    cleared: bool
    problems: tuple[Problem, ...] = ()
    shown: bool = True

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
    """One kind of message in the form, or what one push service can do beyond the message."""

    slug: str
    label: str
    about: str
    chosen: bool
    inputs: tuple[Input, ...]
    kinds: tuple[str, ...] = ()  # of messages that it goes with, where it is a service's

    @property
    def open(self) -> bool:
        """Whether somebody wanted something of it, or something is wrong with it."""
        plain = {"", "False"}
        return any(one.errors or one.value not in {*plain, _spelled(one.asked.default)} for one in self.inputs)


@dataclass(frozen=True)
class Composition:
    """What was typed, and what it makes."""

    slug: str
    typed: Mapping[str, str] = field(default_factory=dict)
    cleared: frozenset[str] = frozenset()

    @classmethod
    def posted(cls, post: Mapping[str, Any]) -> Composition:
        """Read a form. An unknown kind is taken for the first one."""
        slugs = [kind.slug for kind in services.kinds_offered()]
        slug = post.get("message", slugs[0])
        names = set(_names())
        typed = {name: str(post[name]).replace("\r\n", "\n") for name in names if name in post}
        cleared = frozenset(name for name in names if post.get(f"{name}-clear"))
        return cls(slug if slug in slugs else slugs[0], typed, cleared)

    @classmethod
    def stored(cls, slug: str, fields: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> Composition:
        """Show what a notification stores."""
        clear = frozenset(f"{slug}-{name}" for name in fields.get("clear", ()))
        typed = {f"{slug}-{name}": _spelled(value) for name, value in fields.items() if name != "clear"}
        for service, chosen in options.items():
            typed |= {f"{service}-{name}": _spelled(value) for name, value in chosen.items()}
        return cls(slug, typed, clear)

    @classmethod
    def new(cls) -> Composition:
        """Show an empty page."""
        return cls(services.kinds_offered()[0].slug)

    @property
    def services(self) -> list[PushService]:
        """The services that can carry what was chosen."""
        return services.carrying(self.slug)

    def _typed(self, owner: str) -> dict[str, object]:
        prefix = f"{owner}-"
        return {name.removeprefix(prefix): value for name, value in self.typed.items() if name.startswith(prefix)}

    @property
    def fields(self) -> dict[str, object]:
        """The chosen kind's fields, as ``Message.from_fields`` takes them."""
        fields = self._typed(self.slug)
        prefix = f"{self.slug}-"
        if clear := sorted(name.removeprefix(prefix) for name in self.cleared if name.startswith(prefix)):
            fields["clear"] = clear
        return fields

    def options(self, service: PushService) -> object | None:
        """Return what was chosen for one service alone, as far as it goes with the kind; raise MessageInvalid."""
        if service.options is None:
            return None
        own = {asked.name for asked in form_fields(service.options) if _goes(asked, self.slug)}
        given = {name: value for name, value in self._typed(service.slug).items() if name in own}
        chosen: object = built(service.options, given, service.label)
        return chosen

    @cached_property
    def _read(self) -> tuple[Message | None, list[tuple[str, Problem]]]:
        """Return the message and everything that is wrong, each with the part of the form it belongs to."""
        message: Message | None = None
        problems: list[tuple[str, Problem]] = []
        try:
            message = Message.from_fields(self.slug, self.fields)
        except MessageInvalid as invalid:
            problems += [(self.slug, problem) for problem in invalid.problems]
        for service in self.services:
            try:
                options = self.options(service)
            except MessageInvalid as invalid:
                problems += [(service.slug, problem) for problem in invalid.problems]
                continue
            own = {asked.name for asked in form_fields(service.options)} if service.options else set()
            for problem in service.problems(message, options) if message else ():
                problems.append((service.slug if problem.field in own else self.slug, problem))
        return message, problems

    @property
    def empty(self) -> bool:
        """Whether nothing has been typed for this kind yet: then no problem is shown."""
        return not any(self.fields.values())

    @property
    def message(self) -> Message | None:
        """The message, or None when what was typed makes none."""
        return self._read[0]

    @property
    def problems(self) -> list[Problem]:
        """Everything wrong or doubtful, by the message itself and by the push services."""
        return [problem for _, problem in self._read[1]]

    @property
    def errors(self) -> list[Problem]:
        """What keeps it from being sent."""
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def general(self) -> list[Problem]:
        """Problems that belong to no field."""
        named = {one.name for part in [*self.parts(), *self.option_parts()] for one in part.inputs}
        return [problem for owner, problem in self._read[1] if f"{owner}-{problem.field}" not in named]

    def parts(self, *, complain: bool = True) -> list[Part]:
        """Return every kind with its fields; problems only with ``complain``."""
        return [self._part(kind, complain and kind.slug == self.slug) for kind in services.kinds_offered()]

    def _part(self, kind: type[Message], complain: bool) -> Part:
        inputs = tuple(self._input(kind.slug, asked, complain) for asked in kind.form_fields())
        about = (kind.__doc__ or "").splitlines()[0]
        return Part(kind.slug, kind.label, about, kind.slug == self.slug, inputs)

    def option_parts(self, *, complain: bool = True) -> list[Part]:
        """Return every service with what only it can do; problems only with ``complain``."""
        parts = []
        for service in services.all_services():
            chosen = self.slug in service.kinds
            asked = form_fields(service.options) if service.options else []
            inputs = tuple(self._input(service.slug, one, complain and chosen) for one in asked)
            if inputs:
                parts.append(Part(service.slug, service.label, "", chosen, inputs, tuple(sorted(service.kinds))))
        return parts

    def _input(self, owner: str, asked: FormField, complain: bool) -> Input:
        name = f"{owner}-{asked.name}"
        problems = self._read[1] if complain else []
        own = tuple(problem for whose, problem in problems if (whose, problem.field) == (owner, asked.name))
        value = self.typed.get(name, _spelled(asked.default) if asked.kind == "choice" else "")
        return Input(asked, name, value, name in self.cleared, own, _goes(asked, self.slug))

    def to_store(self) -> dict[str, Any]:
        """Return what a notification stores of it; the message is one, and nothing is wrong with the options."""
        message = Message.from_fields(self.slug, self.fields)
        chosen = {service.slug: self.options(service) for service in self.services}
        options = {slug: kept for slug, one in chosen.items() if one is not None and (kept := stored(one))}
        return {"message": message.slug, "fields": message.to_fields(), "options": options}

    def sample_wires(self) -> list[Wire]:
        """Return what would go to a typical device of every class that the services know."""
        if self.message is None:
            return []
        wires = []
        for service in self.services:
            try:
                options = self.options(service)
            except MessageInvalid:
                continue  # its field says what is wrong
            wires += [wire(self.message, options, service, target) for target in service.samples]
        return wires


def _names() -> Iterator[str]:
    """Yield the name of every input."""
    for kind in services.kinds_offered():
        yield from (f"{kind.slug}-{asked.name}" for asked in kind.form_fields())
    for service in services.all_services():
        if service.options is not None:
            yield from (f"{service.slug}-{asked.name}" for asked in form_fields(service.options))


def _goes(asked: FormField, slug: str) -> bool:
    return not asked.only or slug in asked.only


def _spelled(value: Any) -> str:
    return "on" if value is True else "" if value is None or value is False else str(value)


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


def wire(message: Message, options: object | None, service: PushService, target: Target, devices: int = 0) -> Wire:
    """Build what the sender would send to ``target``, by the same code."""
    variant = service.variant(target)
    notes = tuple(service.notes(message, variant, options))
    try:
        payload = service.encode(message, variant, options)
    except MessageInvalid as invalid:
        once = tuple(dict.fromkeys((*notes, *invalid.problems)))  # the service may say the same in both
        return Wire(service, variant, 0, "", "", once, devices)
    # What is too large never becomes a request; its problem says so.
    head = _head(service, target, payload) if len(payload.body) <= service.payload_limit else ""
    return Wire(service, variant, len(payload.body), head, payload.body.decode("utf-8", "replace"), notes, devices)


def _head(service: PushService, target: Target, payload: Payload) -> str:
    request = service.build(target, payload, SAMPLE_ID, None)
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.all_headers)]
    return "\n".join([*lines, f"Content-Length: {len(request.body)}"])
