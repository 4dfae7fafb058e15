"""A saved rule → one query, an exact count, and plain words.

A rule is JSON: ``{"match": "all" | "any" | "none", "conditions": [condition, …]}``. A condition is
``{"field": …, "op": …, "value": …}`` or, one level deep, a rule again. An empty rule picks every device. Only devices
that are active are ever picked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from devices.models import App, Device, service_choices
from devices.push.services import all_services
from devices.versions import rank

MATCHES = {"all": "all of", "any": "any of", "none": "none of"}
LONGEST_VALUE = 200
MOST_CONDITIONS = 30


class RuleInvalid(ValueError):
    """A rule that picks nothing sensible. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Op:
    """One comparison: its words, and the condition on Device for a value."""

    label: str
    q: Callable[[str], Q]


@dataclass(frozen=True, slots=True)
class Field:
    """Something of a device that a rule can ask for. ``hint`` shows how a value looks."""

    label: str
    ops: Mapping[str, Op]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a rule, known to be valid."""

    field: str
    op: str
    value: str

    def q(self) -> Q:
        """Return it as a condition on Device."""
        return FIELDS[self.field].ops[self.op].q(self.value)

    def __str__(self) -> str:
        field = FIELDS[self.field]
        return f"{field.label} {field.ops[self.op].label} “{self.value}”"


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions and how they go together."""

    match: str
    conditions: tuple[Condition | Group, ...]

    def q(self) -> Q:
        """Return it as a condition on Device; without conditions it is true for all."""
        together = Q()
        for condition in self.conditions:
            together = together & condition.q() if self.match == "all" else together | condition.q()
        return ~together if self.match == "none" and self.conditions else together

    def __str__(self) -> str:
        words = [f"({condition})" if isinstance(condition, Group) else str(condition) for condition in self.conditions]
        if not words:
            return "all devices"
        if self.match == "none":
            return "not " + " and not ".join(words)
        return (" and " if self.match == "all" else " or ").join(words)


def _text(column: str) -> dict[str, Op]:
    return {
        "is": Op("is", lambda value: Q(**{column: value})),
        "is_not": Op("is not", lambda value: ~Q(**{column: value})),
        "begins": Op("begins with", lambda value: Q(**{f"{column}__startswith": value})),
    }


def _version(column: str) -> dict[str, Op]:
    def compare(lookup: str) -> Callable[[str], Q]:
        return lambda value: Q(**{f"{column}{lookup}": rank(value)})

    return {
        "at_least": Op("is at least", compare("__gte")),
        "below": Op("is below", compare("__lt")),
        "is": Op("is", compare("")),
    }


def _has_tag(value: str) -> Q:
    tagged = Device.tags.through.objects.filter(device=OuterRef("pk"), tag__name=value)
    return Q(Exists(tagged))


def _language(value: str) -> Q:
    return Q(language=value) | Q(language__startswith=f"{value}-")


FIELDS: dict[str, Field] = {
    "tag": Field("tag", {"is": Op("is", _has_tag), "is_not": Op("is not", lambda value: ~_has_tag(value))}, "premium"),
    "language": Field(
        "language",
        {"is": Op("is", _language), "is_not": Op("is not", lambda value: ~_language(value))},
        "de, or de-AT for one region",
    ),
    "os_version": Field("OS version", _version("os_rank"), "8.0 or 8.0.10492"),
    "app_version": Field("app version", _version("app_rank"), "3.1"),
    "service": Field(
        "push service", {name: _text("service")[name] for name in ("is", "is_not")}, all_services()[0].slug
    ),
    "model": Field("model", _text("model"), "Nokia Lumia 920"),
    "time_zone": Field("time zone", _text("time_zone"), "Europe/Berlin"),
    "installation": Field("installation", _text("installation"), "the app's own id"),
}


def parse(rule: Mapping[str, Any], depth: int = 0) -> Group:
    """Return a rule in its parts; raise RuleInvalid with a sentence."""
    if not rule:
        return Group("all", ())
    unknown = set(rule) - {"match", "conditions"}
    match, rows = rule.get("match"), rule.get("conditions")
    if unknown or not isinstance(match, str) or match not in MATCHES or not isinstance(rows, list):
        raise RuleInvalid("A rule has “match” (all, any or none) and a list of “conditions”, and nothing else.")
    if len(rows) > MOST_CONDITIONS:
        raise RuleInvalid(f"A rule can have at most {MOST_CONDITIONS} conditions.")
    return Group(match, tuple(_condition(row, depth) for row in rows))


def _condition(row: Any, depth: int) -> Condition | Group:
    if not isinstance(row, Mapping):
        raise RuleInvalid("A condition has “field”, “op” and “value”.")
    if "conditions" in row:
        if depth:
            raise RuleInvalid("A rule can hold other rules one level deep, not deeper.")
        return parse(row, depth + 1)
    if set(row) != {"field", "op", "value"}:
        raise RuleInvalid("A condition has “field”, “op” and “value”, and nothing else.")
    name, op, value = row["field"], row["op"], row["value"]
    field = FIELDS.get(name) if isinstance(name, str) else None
    if name == "":
        raise RuleInvalid(f"What is to be compared with “{str(value)[:40]}”? Choose it in the same row.")
    if field is None:
        raise RuleInvalid(f"There is no field “{str(name)[:40]}”. There are: {', '.join(FIELDS)}.")
    if not isinstance(op, str) or op not in field.ops:
        raise RuleInvalid(f"“{field.label}” cannot be compared by “{str(op)[:40]}”, only by: {', '.join(field.ops)}.")
    return Condition(name, op, _value(field, value))


def _value(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RuleInvalid(f"What should the {field.label} be compared with?")
    text = value.strip()
    if len(text) > LONGEST_VALUE or "\0" in text:
        raise RuleInvalid(f"This value for the {field.label} is not possible: at most {LONGEST_VALUE} characters.")
    if field.label.endswith("version") and rank(text) is None:
        raise RuleInvalid(f"“{text}” is not a version. Write numbers and dots, for example 8.0.10492.")
    if field.label == "push service" and text not in dict(service_choices()):
        raise RuleInvalid(f"There is no push service “{text}”. There are: {', '.join(dict(service_choices()))}.")
    return text


def devices(app: App, rule: Mapping[str, Any]) -> QuerySet[Device]:
    """Return the active devices of ``app`` that the rule picks, each once; raise RuleInvalid."""
    return Device.objects.filter(parse(rule).q(), app=app, status=Device.Status.ACTIVE)


def in_words(rule: Mapping[str, Any]) -> str:
    """Return the rule as a person would say it; raise RuleInvalid."""
    return str(parse(rule))
