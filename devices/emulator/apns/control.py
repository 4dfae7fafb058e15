"""What can be asked of the emulated APNs and done to it, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.emulator import certificates
from devices.emulator.apns import behaviours, notices
from devices.emulator.apns.devices import SANDBOX, Device, Push, token_of
from devices.emulator.apns.keys import ENVIRONMENTS
from devices.emulator.apns.service import Apns
from devices.emulator.control import text
from devices.emulator.exchange import Early, Opening, Reply, Request
from devices.emulator.services import Wishes

MOST_AT_ONCE = 5000  # devices that one call makes
MOST_STREAMS = 2**31 - 1  # RFC 9113, section 6.5.2


class Control:
    """The service with its commands. ``services.Running`` is what it is."""

    prefixes = (b"/3/",)
    groups = (notices.Phone.group,)

    def __init__(self, service: Apns) -> None:
        self.service = service
        self.sockets: Mapping[str, Callable[[Request], Reply]] = {}
        self.answer: Callable[[Request], Reply] = service.answer
        self.commands: Mapping[str, Callable[[Wishes], object]] = {
            "/emulator/apns/keys": self._provide_key,
            "/emulator/apns/certificates": self._certify,
            "/emulator/apns/devices": self._make,
            "/emulator/apns/behaviour": self._behave,
            "/emulator/apns/offline": self._go,
            "/emulator/apns/settings": self._set,
        }
        self.views: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "/emulator/apns/messages": self._messages,
            "/emulator/apns/behaviours": self._behaviours,
        }

    def early(self, target: bytes) -> Early | None:
        """Return None: every push is read before anything happens."""

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator."""
        service = self.service
        minutes = service.connections.minutes
        counted = ("delivered", "replaced", "dropped", "questionable", "dead_attempts")
        return {
            "apns": {
                **{name: service.counts[name] for name in counted},
                "devices": len(service.devices),
                "everyone": service.everyone.name if service.everyone else None,
                "connections": service.connections.total,
                "connections_by_minute": {str(minute): count for minute, count in minutes.items()},
                "most_connections_a_minute": max(minutes.values(), default=0),
                "tokens": {
                    key.key_id: {"distinct": key.tokens, "refused_updates": key.refused} for key in service.keys
                },
                **self._streams(),
            },
        }

    def _streams(self) -> dict[str, object]:
        opening = self.service.shared.opening
        trusted = opening.trusted
        return {
            "first_streams": None if trusted is None else opening.streams,
            "streams": opening.streams if trusted is None else trusted,
        }

    def settle(self) -> None:
        """What waits for a phone expires when the phone comes back."""

    def reset(self) -> None:
        """Forget everything but keys and settings."""
        self.service.reset()

    # commands and views: JSON in, JSON out, or ValueError

    def _provide_key(self, wishes: Wishes) -> object:
        if "public_key" not in wishes:
            return self.service.keys.of_team(text(wishes, "team"))
        topics = None if wishes.get("topics") is None else _texts(wishes, "topics")
        key_id, team_id, public = (text(wishes, name) for name in ("key_id", "team_id", "public_key"))
        key = self.service.keys.register(key_id, team_id, public, topics, text(wishes, "environment"))
        self.service.tokens.forget()
        return {"key_id": key.key_id, "team_id": key.team_id}

    def _certify(self, wishes: Wishes) -> object:
        topic, folder = text(wishes, "topic"), self.service.settings.tls_folder
        if not topic:
            raise ValueError("topic is missing")
        if folder is None:
            raise ValueError("only an emulator with --tls-folder has an authority of its own")
        certificate, key = certificates.issue(folder, f"Push Services: {topic}"[:64], topic)
        return {"certificate": certificate.decode(), "key": key.decode()}

    def _make(self, wishes: Wishes) -> object:
        plan = behaviours.needed(text(wishes, "behaviour") or "ok")
        environment = text(wishes, "environment") or "production"
        if environment not in ENVIRONMENTS:
            raise ValueError(f"environment must be one of {', '.join(ENVIRONMENTS)}")
        names = _texts(wishes, "names")
        if len(names) > MOST_AT_ONCE:
            raise ValueError(f"at most {MOST_AT_ONCE} names at once")
        return {"tokens": [token_of(f"{plan.name}.{_named(name, environment)}") for name in names]}

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            name = text(wishes, "everyone") or text(wishes, "behaviour")
            self.service.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        device = self._device(text(wishes, "token"))
        plan = behaviours.needed(text(wishes, "behaviour"))
        device.behave(plan)
        return {"token": device.token, "behaviour": plan.name}

    def _go(self, wishes: Wishes) -> object:
        device, offline = self._device(text(wishes, "token")), wishes.get("offline")
        if not isinstance(offline, bool):
            raise ValueError("offline must be true or false")
        before = self.service.counts["delivered"]
        if offline:
            device.online = False
        else:
            self.service.connect(device)
        return {"offline": offline, "delivered": self.service.counts["delivered"] - before}

    def _set(self, wishes: Wishes) -> object:
        now = self._streams() | wishes
        if set(now) != {"first_streams", "streams"}:
            raise ValueError("settings are first_streams and streams")
        streams, first = _streams(now["streams"]), now["first_streams"]
        window = self.service.shared.opening.window
        self.service.shared.opening = (
            Opening(streams, window) if first is None else Opening(_streams(first), window, streams)
        )
        return self._streams()

    def _messages(self, query: Mapping[str, str]) -> object:
        device = self._device(query.get("token", ""))
        received = self.service.inbox.of(device.token)
        told = [_told(push, delivered=True) for push in received]
        return {
            "messages": told + [_told(push, delivered=False) for push in device.kept.values()],
            "shown": [notices.shown(notice) for notice in notices.notifications(received)],
        }

    def _behaviours(self, query: Mapping[str, str]) -> object:
        return [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS]

    def _device(self, token: str) -> Device:
        device = self.service.devices.find(token)
        if device is None:
            raise ValueError(f"no such device: {token}")
        return device


def _told(push: Push, delivered: bool) -> dict[str, object]:
    """Return one message as JSON can carry it; ``delivered`` is False while it waits for its device."""
    envelope, notice = push.envelope, notices.read(push)
    return {
        "apns_id": push.apns_id,
        "payload": push.body.decode("utf-8", "replace"),
        "bytes": len(push.body),
        "topic": envelope.topic,
        "push_type": envelope.push_type,
        "priority": envelope.priority,
        "expiration": envelope.expiration,
        "collapse_id": envelope.collapse_id,
        "headers": {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in push.headers.items()
            if name != b"authorization"
        },
        "arrived": push.arrived,
        "delivered": delivered,
        "kind": notice.kind,
        "why": notice.why,
    }


def _named(name: str, environment: str) -> str:
    if environment == "sandbox":
        return name if name.startswith(SANDBOX) else SANDBOX + name
    if name.startswith(SANDBOX):
        raise ValueError(f"the name of a production device does not begin with {SANDBOX}")
    return name


def _texts(wishes: Wishes, name: str) -> list[str]:
    value = wishes.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"{name} must be a list of texts")
    return value


def _streams(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_STREAMS:
        raise ValueError(f"streams must be a number from 1 to {MOST_STREAMS}, first_streams may be null")
    return value
