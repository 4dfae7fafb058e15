"""What can be asked of the emulated MPNS and done to it, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.emulator.control import target_of, text
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.mpns import behaviours
from devices.emulator.mpns.answers import SPELLINGS
from devices.emulator.mpns.channels import PREFIXES, Channel
from devices.emulator.mpns.phones import Phone
from devices.emulator.mpns.service import Mpns
from devices.emulator.services import Wishes


class Control:
    """The service with its commands. ``services.Running`` is what it is."""

    prefixes = PREFIXES
    groups = (Phone.group,)
    sockets: Mapping[str, Callable[[Request], Reply]] = {}

    def __init__(self, mpns: Mpns) -> None:
        self.mpns = mpns
        self.early: Callable[[bytes], Early | None] = mpns.early
        self.answer: Callable[[Request], Reply] = mpns.answer
        self.commands: Mapping[str, Callable[[Wishes], object]] = {
            "/emulator/channels": self._open_channel,
            "/emulator/behaviour": self._behave,
            "/emulator/read": self._read,
            "/emulator/settings": self._change_settings,
        }
        self.views: Mapping[str, Callable[[Mapping[str, str]], object]] = {"/emulator/behaviours": self._behaviours}

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator."""
        mpns = self.mpns
        return {
            "channels": len(mpns.channels),
            "everyone": mpns.everyone.name if mpns.everyone else None,
            "blocked": mpns.blocked,
            "settings": mpns.settings.shown(),
        }

    def settle(self) -> None:
        """Nothing becomes due here but what the wall holds back."""

    def reset(self) -> None:
        """Forget everything but the settings."""
        self.mpns.reset()

    def _behaviours(self, query: Mapping[str, str]) -> object:
        return [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS]

    # commands: each takes the JSON object of the request and returns the JSON of the answer, or raises ValueError

    def _open_channel(self, wishes: Wishes) -> object:
        tier = text(wishes, "tier") or "/throttledthirdparty/01.00"
        behaviour = text(wishes, "behaviour")
        plan = behaviours.needed(behaviour) if behaviour else None
        service_name = text(wishes, "service_name") or None
        channel = self.mpns.channels.open(tier, plan, text(wishes, "device"), service_name)
        shared = self.mpns.shared
        base = shared.secure_url if channel.throttled is False or wishes.get("secure") is True else shared.url
        return {"uri": (base or shared.url) + channel.target, "channel": channel.target}

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            name = text(wishes, "everyone")
            self.mpns.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        channel = self._channel(text(wishes, "channel"))
        plan = behaviours.needed(text(wishes, "behaviour"))
        for content in channel.behave(plan):
            self.mpns.show(channel, content, self.mpns.clock.now())
        return {"channel": channel.target, "behaviour": plan.name}

    def _read(self, wishes: Wishes) -> object:
        phones = messages = 0
        for channel, waited in self.mpns.channels.read():
            phones, messages = phones + 1, messages + len(waited)
            for content in waited:
                self.mpns.show(channel, content, self.mpns.clock.now())
        return {"phones": phones, "messages": messages}

    def _channel(self, address: str) -> Channel:
        """Find a channel by its URI or the path of it."""
        channel = self.mpns.channels.find(target_of(address))
        if channel is None:
            raise ValueError(f"no such channel: {address}")
        return channel

    def _change_settings(self, wishes: Wishes) -> object:
        self.mpns.settings.change(wishes, frozenset(SPELLINGS))
        return self.mpns.settings.shown()
