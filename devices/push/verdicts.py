"""What a service's answers mean, remembered: nearly all of a campaign's are the same few to the letter."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.push.base import Answer, PushService, Verdict

MOST = 256  # answers that are remembered; with one more they are forgotten, and begin anew
LONGEST = 1024  # bytes of a body that is remembered


@dataclass(slots=True)
class Verdicts:
    """Asks a service once for every answer that differs; each time for one whose wish may depend on the clock."""

    _known: dict[tuple[str, bool, bytes, bytes], Verdict] = field(default_factory=dict)

    def of(self, service: PushService, answer: Answer, authenticated: bool) -> Verdict:
        """Return what ``answer`` means, as ``service.interpret`` says."""
        if not answer.raw or len(answer.body) > LONGEST:
            return service.interpret(answer, authenticated=authenticated)
        key = (service.slug, authenticated, answer.raw, answer.body)
        verdict = self._known.get(key)
        if verdict is None:
            verdict = service.interpret(answer, authenticated=authenticated)
            if verdict.retry_after is None:
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[key] = verdict
        return verdict
