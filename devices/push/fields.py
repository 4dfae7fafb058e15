"""What a form asks for, told by frozen dataclasses: messages, a service's options, a service's credentials.

A field says by ``asked`` how it is asked for; what a form typed or JSON held becomes constructor arguments by
``coerced``, judged by the field's kind and never by its name.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# What XML 1.0 cannot carry (section 2.2, Char): controls but tab and line ends, surrogates, U+FFFE and U+FFFF.
UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# text, long (several lines), count (a whole number or nothing), image (an address), colour, switch (yes or no), choice,
# names (several words), secret (text that is never shown again), file (text that is uploaded and never shown again),
# certificate (a file with its password), signing_key (a private key of P-256 that is made here unless somebody brings
# one along)
Kind = Literal[
    "text",
    "long",
    "count",
    "image",
    "colour",
    "switch",
    "choice",
    "names",
    "secret",
    "file",
    "certificate",
    "signing_key",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with what was typed: in which field, in a sentence, and whether it keeps it from being sent."""

    field: str
    sentence: str
    level: Literal["error", "warning"] = "error"


def warning(name: str, sentence: str) -> Problem:
    """Return a problem that keeps nothing from being sent."""
    return Problem(name, sentence, "warning")


class MessageInvalid(ValueError):
    """Values with errors; ``problems`` has them all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class FormField:
    """How a form asks for one field. ``only`` are the slugs of the messages it goes with, () for all.

    ``optional`` says of a credential's field that it may stay empty; a message's fields all may.

    ``default`` is what stands there until somebody chooses: text for texts, "" for what is empty.
    """

    name: str
    label: str
    help: str = ""
    kind: Kind = "text"
    clearable: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] = ()
    optional: bool = False
    default: Any = ""


def asked(
    label: str,
    help: str = "",  # noqa: A002
    kind: Kind = "text",
    default: Any = "",
    *,
    clearable: bool = False,
    choices: tuple[tuple[str, str], ...] = (),
    only: tuple[str, ...] = (),
    hidden: bool = False,
    optional: bool = False,
) -> Any:
    """Return a dataclass field that knows how a form asks for it. ``hidden`` keeps it out of a repr."""
    asks = {"label": label, "help": help, "kind": kind, "clearable": clearable, "choices": choices, "only": only}
    return field(default=default, metadata={**asks, "optional": optional}, repr=not hidden)


def form_fields(shape: type) -> list[FormField]:
    """Return the fields of a dataclass that a form asks for, in their order."""
    specs = [spec for spec in dataclasses.fields(shape) if "label" in spec.metadata]
    return [FormField(spec.name, **spec.metadata, default=spec.default) for spec in specs]


def without_unspeakable(value: Any) -> None:
    """Take out of every text of a frozen dataclass what XML cannot carry; for ``__post_init__``."""
    for spec in dataclasses.fields(value):
        text = getattr(value, spec.name)
        if isinstance(text, str) and UNSPEAKABLE.search(text):
            object.__setattr__(value, spec.name, UNSPEAKABLE.sub("", text))


def coerced(shape: type, given: Mapping[str, object], called: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return constructor arguments from what a form typed or JSON held, and what is wrong with names and types.

    ``called`` is what the whole is called in a sentence, such as "toast".
    """
    specs = {spec.name: spec for spec in dataclasses.fields(shape)}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in specs:
            problems.append(Problem(name[:40], f"A {called} has no field “{name[:40]}”."))
            continue
        kind, nothing = specs[name].metadata.get("kind", "text"), specs[name].default
        if kind == "names":
            values[name] = _names(value)
        elif kind == "count" or (kind == "choice" and isinstance(nothing, int)):
            values[name] = _whole(value, nothing)
        elif kind == "switch":
            values[name] = value in (True, "on", "true", "1")
        elif isinstance(value, str):
            values[name] = value
        else:
            problems.append(Problem(name, f"“{name}” must be text."))
    return values, problems


def plain_problems(value: Any, longest: int = 200, most: int = 99_999) -> Iterator[Problem]:
    """Tell what is wrong with a dataclass's choices, its counts (0 to ``most``) and its texts (``longest``)."""
    for one in form_fields(type(value)):
        given = getattr(value, one.name)
        if one.kind == "choice" and (isinstance(given, bool) or str(given) not in dict(one.choices)):
            yield Problem(one.name, f"{one.label}: choose one of {', '.join(word for _, word in one.choices)}.")
        elif one.kind == "count" and given is not None and not (is_whole(given) and 0 <= given <= most):
            yield Problem(one.name, f"“{given}” is no number from 0 to {most:,}.")
        elif one.kind == "text" and len(given) > longest:
            yield Problem(one.name, f"{len(given)} characters; {longest} are allowed.")
        elif one.kind == "colour" and given and not re.fullmatch("#[0-9A-Fa-f]{6}", given):
            yield Problem(one.name, f"“{given[:20]}” is not a colour: write #RRGGBB, for example #2D7D9A.")


def built(shape: type, given: Mapping[str, object], called: str) -> Any:
    """Return an instance of ``shape``; raise MessageInvalid with everything that is wrong."""
    values, problems = coerced(shape, given, called)
    made = None
    try:
        made = shape(**values)
    except MessageInvalid as invalid:
        problems += invalid.problems
    if problems:
        raise MessageInvalid(problems)
    return made


def stored(value: Any) -> dict[str, Any]:
    """Return what ``coerced`` takes, as JSON values, without what is at its default."""
    found: dict[str, Any] = {}
    for spec in dataclasses.fields(value):
        one = getattr(value, spec.name)
        if isinstance(one, frozenset):
            one = sorted(one)
        if one not in ("", None, [], spec.default):
            found[spec.name] = one
    return found


def is_whole(value: object) -> bool:
    """Return whether ``value`` is a whole number, which True and False are not here."""
    return isinstance(value, int) and not isinstance(value, bool)


def _names(value: object) -> frozenset[str]:
    """Return the names that a form or JSON lists."""
    several = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return frozenset(str(name) for name in several if name)


def _whole(value: object, nothing: object) -> object:
    """Return the number a form spelled; what is none stays as it is, for the message itself to complain about."""
    if not isinstance(value, str):
        return nothing if value is None else value
    text = value.strip()
    if not text:
        return nothing
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text[:20]
