"""A saved rule → one query, an exact count, and plain words.

A rule is JSON: ``{"match": "all" | "any" | "none", "conditions": [condition, …]}``. A condition is
``{"field": …, "op": …, "value": …}`` or, one level deep, a rule again. An empty rule picks every device. Only devices
that are active are ever picked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import App, Device, service_choices
from devices.push.services import all_services
from devices.versions import rank

MATCHES = {
    "all": gettext_lazy("all of these are true"),
    "any": gettext_lazy("any of these are true"),
    "none": gettext_lazy("none of these are true"),
}
LONGEST_VALUE = 200
MOST_CONDITIONS = 30
IS, IS_NOT = gettext_lazy("is"), gettext_lazy("is not")


class RuleInvalid(ValueError):
    """A rule that picks nothing sensible. ``str(error)`` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Op:
    """One comparison: its words, and the condition on Device for a value."""

    label: Any
    q: Callable[[str], Q]


@dataclass(frozen=True, slots=True)
class Field:
    """Something of a device that a rule can ask for. ``hint`` shows how a value looks."""

    label: Any
    ops: Mapping[str, Op]
    hint: Any = ""


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
        parts = {"field": field.label, "comparison": field.ops[self.op].label, "value": self.value}
        return _("%(field)s %(comparison)s “%(value)s”") % parts


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
            return _("all devices")
        if self.match == "none":
            words = [_("not %(condition)s") % {"condition": one} for one in words]
        both = _("%(first)s or %(second)s") if self.match == "any" else _("%(first)s and %(second)s")
        return reduce(lambda first, second: both % {"first": first, "second": second}, words)


def _text(column: str) -> dict[str, Op]:
    return {
        "is": Op(IS, lambda value: Q(**{column: value})),
        "is_not": Op(IS_NOT, lambda value: ~Q(**{column: value})),
        "begins": Op(gettext_lazy("begins with"), lambda value: Q(**{f"{column}__startswith": value})),
    }


def _version(column: str) -> dict[str, Op]:
    def compare(lookup: str) -> Callable[[str], Q]:
        return lambda value: Q(**{f"{column}{lookup}": rank(value)})

    return {
        "at_least": Op(gettext_lazy("is at least"), compare("__gte")),
        "below": Op(gettext_lazy("is below"), compare("__lt")),
        "is": Op(IS, compare("")),
    }


def _has_tag(value: str) -> Q:
    tagged = Device.tags.through.objects.filter(device=OuterRef("pk"), tag__name=value)
    return Q(Exists(tagged))


def _language(value: str) -> Q:
    return Q(language=value) | Q(language__startswith=f"{value}-")


FIELDS: dict[str, Field] = {
    "tag": Field(
        gettext_lazy("tag"),
        {"is": Op(IS, _has_tag), "is_not": Op(IS_NOT, lambda value: ~_has_tag(value))},
        gettext_lazy("premium"),
    ),
    "language": Field(
        gettext_lazy("language"),
        {"is": Op(IS, _language), "is_not": Op(IS_NOT, lambda value: ~_language(value))},
        gettext_lazy("de, or de-AT for one region"),
    ),
    "os_version": Field(gettext_lazy("OS version"), _version("os_rank"), gettext_lazy("8.0 or 8.0.10492")),
    "app_version": Field(gettext_lazy("app version"), _version("app_rank"), "3.1"),
    "service": Field(
        gettext_lazy("push service"), {op: _text("service")[op] for op in ("is", "is_not")}, all_services()[0].slug
    ),
    "model": Field(gettext_lazy("model"), _text("model"), "Nokia Lumia 920"),
    "time_zone": Field(gettext_lazy("time zone"), _text("time_zone"), "Europe/Berlin"),
    "installation": Field(gettext_lazy("installation"), _text("installation"), gettext_lazy("the app's own id")),
}


def parse(rule: Mapping[str, Any], depth: int = 0) -> Group:
    """Return a rule in its parts; raise RuleInvalid with a sentence."""
    if not rule:
        return Group("all", ())
    unknown = set(rule) - {"match", "conditions"}
    match, rows = rule.get("match"), rule.get("conditions")
    if unknown or not isinstance(match, str) or match not in MATCHES or not isinstance(rows, list):
        raise RuleInvalid(_("A rule has “match” (all, any or none) and a list of “conditions”, and nothing else."))
    if len(rows) > MOST_CONDITIONS:
        raise RuleInvalid(_("A rule can have at most %(most)d conditions.") % {"most": MOST_CONDITIONS})
    return Group(match, tuple(_condition(row, depth) for row in rows))


def _condition(row: Any, depth: int) -> Condition | Group:
    if not isinstance(row, Mapping):
        raise RuleInvalid(_("A condition has “field”, “op” and “value”."))
    if "conditions" in row:
        if depth:
            raise RuleInvalid(_("A rule can hold other rules one level deep, not deeper."))
        return parse(row, depth + 1)
    if set(row) != {"field", "op", "value"}:
        raise RuleInvalid(_("A condition has “field”, “op” and “value”, and nothing else."))
    name, op, value = row["field"], row["op"], row["value"]
    field = FIELDS.get(name) if isinstance(name, str) else None
    if name == "":
        told = _("What is to be compared with “%(value)s”? Choose it in the same row.")
        raise RuleInvalid(told % {"value": str(value)[:40]})
    if field is None:
        told = _("There is no field “%(name)s”. There are: %(names)s.")
        raise RuleInvalid(told % {"name": str(name)[:40], "names": ", ".join(FIELDS)})
    if not isinstance(op, str) or op not in field.ops:
        told = _("“%(field)s” cannot be compared by “%(op)s”, only by: %(ops)s.")
        raise RuleInvalid(told % {"field": field.label, "op": str(op)[:40], "ops": ", ".join(field.ops)})
    return Condition(name, op, _value(name, value))


def _value(name: str, value: Any) -> str:
    label = FIELDS[name].label
    if not isinstance(value, str) or not value.strip():
        raise RuleInvalid(_("What should the %(field)s be compared with?") % {"field": label})
    text = value.strip()
    if len(text) > LONGEST_VALUE or "\0" in text:
        told = _("This value for the %(field)s is not possible: at most %(most)d characters.")
        raise RuleInvalid(told % {"field": label, "most": LONGEST_VALUE})
    if name in {"os_version", "app_version"} and rank(text) is None:
        told = _("“%(value)s” is not a version. Write numbers and dots, for example 8.0.10492.")
        raise RuleInvalid(told % {"value": text})
    if name == "service" and text not in dict(service_choices()):
        told = _("There is no push service “%(name)s”. There are: %(names)s.")
        raise RuleInvalid(told % {"name": text, "names": ", ".join(dict(service_choices()))})
    return text


def devices(app: App, rule: Mapping[str, Any]) -> QuerySet[Device]:
    """Return the active devices of ``app`` that the rule picks, each once; raise RuleInvalid."""
    return Device.objects.filter(parse(rule).q(), app=app, status=Device.Status.ACTIVE)


def in_words(rule: Mapping[str, Any]) -> str:
    """Return the rule as a person would say it; raise RuleInvalid."""
    return str(parse(rule))
