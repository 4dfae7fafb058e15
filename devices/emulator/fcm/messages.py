"""One message: from the body of a request to what an Android phone makes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from devices.emulator.exchange import Request
from devices.emulator.fcm.schema import REQUEST, TARGETS, Invalid, unknown
from devices.emulator.wire import KEPT

MOST_BYTES = 4096  # of a message without its target
MOST_TOPICS = 5  # in a condition
MESSAGE_ID = (("data", "mid"), ("android", "collapse_key"))  # where a sender's own id may stand, the best place first
_CONDITION = re.compile(r"[\s()!&|]*('[a-zA-Z0-9\-_.~%]+' in topics[\s()!&|]*)+")
_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is in order. ``fields`` are its own, named in snake_case; ``target`` is a token, topic or
    condition, as ``kind`` says ("token" for a fid too). ``validate_only``: it is to be checked and not delivered.
    """

    kind: str
    target: str
    fields: dict[str, Any]
    validate_only: bool

    @property
    def id(self) -> str:
        """Return the id that the sender gave it, "" without one."""
        return _own_id(self.fields)

    def shown(self) -> dict[str, Any]:
        """Return what Android shows: ``android.notification`` over ``notification``, ``android.data`` over ``data``."""
        android = self.fields.get("android", {})
        notification = {**self.fields.get("notification", {}), **android.get("notification", {})}
        return {
            **notification,
            "data": android.get("data") or self.fields.get("data", {}),
            "priority": android.get("priority", "NORMAL").upper(),
            "ttl": android.get("ttl", "2419200s"),
            "collapse_key": android.get("collapse_key", ""),
        }


def read(request: Request) -> Message:
    """Check the body of a request for messages:send. Raises Invalid."""
    kind = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Invalid("", "Invalid JSON payload received. The Content-Type must be application/json.")
    if request.size > KEPT:
        raise Invalid("message", "Message is too big")
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Invalid("", "Invalid JSON payload received. It cannot be parsed.") from None
    if not isinstance(given, dict):
        raise Invalid("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
    asked = REQUEST(given, "")
    if "message" not in asked:
        raise Invalid("message", "The message is not set.")
    fields = asked["message"]
    target = _target(fields)
    if request.size > MOST_BYTES:  # in the most compact form it cannot be larger than what arrived
        _check_size(fields)
    return Message("token" if target == "fid" else target, fields[target], fields, asked.get("validate_only", False))


def glimpse(request: Request) -> tuple[str, str]:
    """Return target and id of a push that was refused, as far as they can be made out; "" otherwise."""
    try:
        fields = json.loads(request.body)["message"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return "", ""
    if not isinstance(fields, dict):
        return "", ""
    targets = [str(fields[name]) for name in TARGETS if isinstance(fields.get(name), str)]
    return (targets[0] if targets else ""), _own_id(fields)


def _own_id(fields: dict[str, Any]) -> str:
    for part, name in MESSAGE_ID:
        within = fields.get(part)
        found: object = within.get(name) if isinstance(within, dict) else None
        if found and isinstance(found, str):
            return found
    return ""


def _target(fields: dict[str, Any]) -> str:
    """Return the name of the one target. Raises Invalid for none or several."""
    targets = [name for name in TARGETS if name in fields]
    if not targets:
        raise Invalid("message", "Recipient of the message is not set.")
    if len(targets) > 1:
        description = f"oneof field 'target' is already set. Cannot set '{targets[1]}'"
        raise Invalid("message", f"Invalid value at 'message' (oneof), {description}")
    if "name" in fields:
        raise unknown("name", "message")  # a field of answers
    condition = fields.get("condition")
    if condition is not None:
        if not _CONDITION.fullmatch(condition):
            raise Invalid("message.condition", "Invalid condition expression provided.")
        if len(_QUOTED.findall(condition)) > MOST_TOPICS:
            raise Invalid("message.condition", f"A condition may name at most {MOST_TOPICS} topics.")
    return targets[0]


def _check_size(fields: dict[str, Any]) -> None:
    counted = {name: value for name, value in fields.items() if name not in TARGETS}
    size = len(json.dumps(counted, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise Invalid("message", "Message is too big")
