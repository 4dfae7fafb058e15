"""What can be asked of the emulated WNS and done to it, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.emulator.control import target_of, text
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.services import Wishes
from devices.emulator.switches import change
from devices.emulator.wns import behaviours
from devices.emulator.wns.channels import Channel
from devices.emulator.wns.computers import Computer
from devices.emulator.wns.service import PREFIXES, Wns

MOST_AT_ONCE = 5000  # channels that one call opens


class Control:
    """The service with its commands. ``services.Running`` is what it is."""

    prefixes = PREFIXES
    groups = (Computer.group,)
    sockets: Mapping[str, Callable[[Request], Reply]] = {}

    def __init__(self, wns: Wns) -> None:
        self.wns = wns
        self.early: Callable[[bytes], Early | None] = wns.early
        self.answer: Callable[[Request], Reply] = wns.answer
        self.commands: Mapping[str, Callable[[Wishes], object]] = {
            "/emulator/wns/apps": lambda wishes: wns.apps.of(text(wishes, "app")).shown(),
            "/emulator/wns/channels": self._open,
            "/emulator/wns/behaviour": self._behave,
            "/emulator/wns/settings": lambda wishes: change(wns.settings, wishes),
            "/emulator/wns/revoke": lambda wishes: {"revoked": wns.bearers.revoke()},
        }
        self.views: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "/emulator/wns/messages": self._messages,
            "/emulator/wns/behaviours": self._behaviours,
        }

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator. ``grants`` counts access tokens by app."""
        wns = self.wns
        return {
            "wns": {
                "received": wns.counts["received"],
                "ignored": wns.counts["ignored"],
                "grants": dict(wns.bearers.counts),
                "refused_grants": wns.counts["refused_grants"],
                "channels": len(wns.channels),
                "everyone": wns.everyone.name if wns.everyone else None,
                "settings": change(wns.settings, {}),
            }
        }

    def settle(self) -> None:
        """Nothing becomes due here."""

    def reset(self) -> None:
        """Forget everything but the settings, apps and the tokens they got."""
        self.wns.reset()

    # commands and views: JSON in, JSON out, or ValueError

    def _open(self, wishes: Wishes) -> object:
        app = self.wns.apps.of(text(wishes, "app")).app
        plan = behaviours.needed(text(wishes, "behaviour") or "ok")
        names, secure = wishes.get("names", [""]), wishes.get("secure", True)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("names must be a list of texts")
        if len(names) > MOST_AT_ONCE:
            raise ValueError(f"at most {MOST_AT_ONCE} names at once")
        shared = self.wns.shared
        base = (shared.secure_url if secure is True else "") or shared.url
        return {"channels": [base + self.wns.channels.open(app, plan, name).target for name in names]}

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            everyone = wishes["everyone"]
            name = text(wishes, "behaviour") if everyone is True else text(wishes, "everyone")
            self.wns.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        channel = self._channel(text(wishes, "channel"))
        plan = behaviours.needed(text(wishes, "behaviour"))
        channel.behave(plan)
        return {"channel": channel.target, "behaviour": plan.name}

    def _messages(self, query: Mapping[str, str]) -> object:
        channel = self._channel(query.get("channel", ""))
        return {"messages": [received.shown() for received in self.wns.inbox.of(channel.target)]}

    def _behaviours(self, query: Mapping[str, str]) -> object:
        return [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS]

    def _channel(self, address: str) -> Channel:
        """Find a channel by its URI or the path and query of it."""
        channel = self.wns.channels.find(target_of(address))
        if channel is None:
            raise ValueError(f"no such channel: {address}")
        return channel
