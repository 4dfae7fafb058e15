"""What a message may hold, field by field, and how Google words what it may not.

A check takes a value and the path to it ("message.android") and returns the value as it is kept, with the names of
fields in snake_case; it raises Invalid. A field that is null is as if it were absent (protobuf's JSON mapping).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[object, str], Any]
LONGEST_TTL = 2_419_200  # seconds: four weeks


class Invalid(ValueError):
    """A message that Google refuses. ``field`` is the path to what is wrong with it, as fieldViolations has it."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(description)
        self.field = field


def _wrong(path: str, kind: str, value: object) -> Invalid:
    written = f'"{value}"' if isinstance(value, str) else str(value)
    return Invalid(path, f"Invalid value at '{path}' ({kind}), {written[:100]}")


def _of_type(kind: type, name: str) -> Check:
    def check(value: object, path: str) -> object:
        if type(value) is not kind:
            raise _wrong(path, name, value)
        return value

    return check


text = _of_type(str, "TYPE_STRING")
flag = _of_type(bool, "TYPE_BOOL")
anything = _of_type(dict, "type.googleapis.com/google.protobuf.Struct")


def integer(value: object, path: str) -> int:
    """Check a number of 32 bits, which may be written as a text."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,10}", value, re.ASCII):
        value = int(value)
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise _wrong(path, "TYPE_INT32", value)
    return value


def fraction(value: object, path: str) -> float:
    """Check a part of a colour, 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(path, "TYPE_FLOAT", value)
    return value


def texts_by_name(value: object, path: str) -> dict[str, str]:
    """Check an object whose values are all texts."""
    if not isinstance(value, dict):
        raise _wrong(path, "map<string, string>", value)
    for number, one in enumerate(value.values()):
        if not isinstance(one, str):
            raise _wrong(f"{path}[{number}].value", "TYPE_STRING", one)
    return value


def payload(value: object, path: str) -> dict[str, str]:
    """Check the key-value pairs of a message: texts only, under names that are not reserved."""
    pairs = texts_by_name(value, path)
    for name in pairs:
        if name in ("from", "message_type") or name.startswith(("google.", "gcm.")):
            raise Invalid(path, f"Invalid data payload key: {name}")
    return pairs


def many(check: Check) -> Check:
    """Return the check of a list."""

    def check_all(value: object, path: str) -> list[object]:
        if not isinstance(value, list):
            raise _wrong(path, "repeated", value)
        return [check(one, f"{path}[{number}]") for number, one in enumerate(value)]

    return check_all


def one_of(*words: str) -> Check:
    """Return the check of an enumeration."""

    def check(value: object, path: str) -> object:
        if value not in words:
            raise _wrong(path, "TYPE_ENUM", value)
        return value

    return check


def pattern(regex: str, means: str) -> Check:
    """Return the check of a text of some form."""
    wanted = re.compile(regex, re.ASCII)

    def check(value: object, path: str) -> object:
        if not wanted.fullmatch(text(value, path)):
            raise Invalid(path, f"Invalid value at '{path}': {means}")
        return value

    return check


def ttl(value: object, path: str) -> object:
    """Check a time to live: decimal seconds and "s", from 0 to four weeks."""
    seconds = float(duration(value, path)[:-1])
    if not 0 <= seconds <= LONGEST_TTL:
        raise Invalid(path, "Invalid ttl: it must lie between 0 and 2,419,200 seconds (4 weeks)")
    return value


def duration(value: object, path: str) -> str:
    """Check a duration: decimal seconds, at most nine digits of a fraction, and "s"."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,12}(\.\d{1,9})?s", value, re.ASCII):
        raise _wrong(path, "type.googleapis.com/google.protobuf.Duration", value)
    return value


def fields(known: Mapping[str, Check]) -> Check:
    """Return the check of an object with these fields, each by its snake_case or lowerCamelCase name."""
    names = {name: (name, check) for name, check in known.items()}
    names |= {_camel(name): (name, check) for name, check in known.items()}

    def check_all(value: object, path: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise _wrong(path, "object", value)
        kept: dict[str, object] = {}
        for given, one in value.items():
            found = names.get(given)
            if found is None:
                raise unknown(given, path)
            if one is not None:
                kept[found[0]] = found[1](one, f"{path}.{found[0]}" if path else found[0])
        return kept

    return check_all


def unknown(name: str, path: str) -> Invalid:
    """Return the refusal of a field that nobody knows."""
    place = f" at '{path}'" if path else ""
    return Invalid(path, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


COLOR = pattern(r"#[0-9a-fA-F]{6}", "a color has the form #rrggbb")
LABEL = pattern(r"[a-zA-Z0-9\-_.~%]{1,50}", "an analytics label has the form [a-zA-Z0-9-_.~%]{1,50}")
MOMENT = pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", "a time has the form of RFC 3339")
HTTPS = pattern(r"https://.+", "the link must be an HTTPS address")
TOPIC = pattern(r"(/topics/)?[a-zA-Z0-9\-_.~%]+", "a topic has the form [a-zA-Z0-9-_.~%]+")

_LIGHT = fields(
    {
        "color": fields({"red": fraction, "green": fraction, "blue": fraction, "alpha": fraction}),
        "light_on_duration": duration,
        "light_off_duration": duration,
    }
)
_PRIORITIES = ("UNSPECIFIED", "MIN", "LOW", "DEFAULT", "HIGH", "MAX")
_ANDROID_NOTIFICATION = fields(
    {
        **dict.fromkeys(
            ("title", "body", "icon", "sound", "tag", "click_action", "channel_id", "image", "ticker"), text
        ),
        **dict.fromkeys(("title_loc_key", "body_loc_key"), text),
        **dict.fromkeys(("title_loc_args", "body_loc_args"), many(text)),
        **dict.fromkeys(("sticky", "local_only", "default_sound"), flag),
        **dict.fromkeys(("default_vibrate_timings", "default_light_settings"), flag),
        "color": COLOR,
        "event_time": MOMENT,
        "notification_priority": one_of(*(f"PRIORITY_{word}" for word in _PRIORITIES)),
        "visibility": one_of("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
        "notification_count": integer,
        "vibrate_timings": many(duration),
        "light_settings": _LIGHT,
        "proxy": one_of("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
    }
)
_OPTIONS = fields({"analytics_label": LABEL})
_ANDROID = fields(
    {
        "collapse_key": text,
        "priority": one_of("NORMAL", "HIGH", "normal", "high"),
        "ttl": ttl,
        "restricted_package_name": text,
        "data": payload,
        "notification": _ANDROID_NOTIFICATION,
        "fcm_options": _OPTIONS,
        "direct_boot_ok": flag,
        "bandwidth_constrained_ok": flag,
        "restricted_satellite_ok": flag,
    }
)
_APNS = fields(
    {
        "headers": texts_by_name,
        "payload": anything,
        "fcm_options": fields({"analytics_label": LABEL, "image": text}),
        "live_activity_token": text,
    }
)
_WEBPUSH = fields(
    {
        "headers": texts_by_name,
        "data": payload,
        "notification": anything,
        "fcm_options": fields({"link": HTTPS, "analytics_label": LABEL}),
    }
)
TARGETS = ("token", "fid", "topic", "condition")
MESSAGE = fields(
    {
        **dict.fromkeys(("name", "token", "fid", "condition"), text),
        "topic": TOPIC,
        "data": payload,
        "notification": fields({"title": text, "body": text, "image": text}),
        "android": _ANDROID,
        "apns": _APNS,
        "webpush": _WEBPUSH,
        "fcm_options": _OPTIONS,
    }
)
REQUEST = fields({"validate_only": flag, "message": MESSAGE})
