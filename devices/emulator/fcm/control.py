"""What can be asked of the emulated FCM and done to it, for this machine only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devices.emulator.control import text
from devices.emulator.exchange import Early, Reply, Request
from devices.emulator.fcm import behaviours
from devices.emulator.fcm.androids import Android
from devices.emulator.fcm.service import PREFIXES, Fcm
from devices.emulator.services import Wishes
from devices.emulator.switches import change


class Control:
    """The service with its commands. ``services.Running`` is what it is."""

    prefixes = PREFIXES
    groups = (Android.group,)
    sockets: Mapping[str, Callable[[Request], Reply]] = {}

    def __init__(self, fcm: Fcm) -> None:
        self.fcm = fcm
        self.early: Callable[[bytes], Early | None] = fcm.early
        self.answer: Callable[[Request], Reply] = fcm.answer
        self.commands: Mapping[str, Callable[[Wishes], object]] = {
            "/emulator/fcm/accounts": self._hand_out,
            "/emulator/fcm/behaviour": self._behave,
            "/emulator/fcm/settings": lambda wishes: change(fcm.settings, wishes),
            "/emulator/fcm/revoke": lambda wishes: {"revoked": fcm.bearers.revoke()},
        }
        self.views: Mapping[str, Callable[[Mapping[str, str]], object]] = {
            "/emulator/fcm/messages": self._messages,
            "/emulator/fcm/behaviours": self._behaviours,
        }

    def state(self) -> dict[str, object]:
        """Return what it adds to the state of the emulator. ``grants`` counts access tokens by account."""
        fcm = self.fcm
        return {
            "fcm": {
                "delivered": fcm.counts["delivered"],
                "grants": dict(fcm.bearers.counts),
                "refused_grants": fcm.counts["refused_grants"],
                "tokens": len(fcm.devices),
                "everyone": fcm.everyone.name if fcm.everyone else None,
                "settings": change(fcm.settings, {}),
            }
        }

    def settle(self) -> None:
        """Nothing becomes due here."""

    def reset(self) -> None:
        """Forget everything but the settings, accounts and the tokens they got."""
        self.fcm.reset()

    # commands and views: JSON in, JSON out, or ValueError

    def _hand_out(self, wishes: Wishes) -> object:
        disabled = wishes.get("disabled")
        if disabled is not None and not isinstance(disabled, bool):
            raise ValueError("disabled must be true or false")
        project, key = text(wishes, "project"), text(wishes, "public_key")
        accounts = self.fcm.accounts
        if key:
            email, key_id = text(wishes, "client_email"), text(wishes, "key_id")
            account = accounts.register(project, email, key_id, key, disabled is True)
        else:
            account = accounts.own(project, disabled)
        return account.shown(self.fcm.token_uri())

    def _behave(self, wishes: Wishes) -> object:
        if "everyone" in wishes:
            everyone = wishes["everyone"]
            name = text(wishes, "behaviour") if everyone is True else text(wishes, "everyone")
            self.fcm.everyone = behaviours.needed(name) if name else None
            return {"everyone": name or None}
        token = text(wishes, "token")
        device = self.fcm.devices.find(token)
        if device is None:
            raise ValueError(f"no such token: {token}")
        plan = behaviours.needed(text(wishes, "behaviour"))
        device.behave(plan)
        return {"token": token, "behaviour": plan.name}

    def _messages(self, query: Mapping[str, str]) -> object:
        target = query.get("token") or query.get("topic") or query.get("condition") or ""
        return {"messages": [received.shown() for received in self.fcm.inbox.of(target)]}

    def _behaviours(self, query: Mapping[str, str]) -> object:
        return [{"name": row.name, "means": row.means} for row in behaviours.BEHAVIOURS]
