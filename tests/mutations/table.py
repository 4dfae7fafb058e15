"""What a deliberate mistake is."""

from __future__ import annotations

from dataclasses import dataclass

MINUTES = 180.0  # seconds that the tests of one mistake get


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mistake: in ``file`` the text ``old``, which is there exactly once, becomes ``new``; ``tests`` must notice.

    ``faults`` are the numbers of docs/reliability.md that it concerns. ``command`` are the words after ``python -m``
    of a run that must end with 1, for what no test but the rig itself can show. What only one kind of database can
    show is for ``postgres`` or ``sqlite``.
    """

    faults: tuple[int, ...]
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    postgres: bool = False
    sqlite: bool = False
    seconds: float = MINUTES

    @property
    def label(self) -> str:
        """The faults as they are printed."""
        return ",".join(f"F{number}" for number in self.faults) or "-"

    def applied(self, text: str) -> str:
        """Return ``text`` with the mistake; raise Unfit when its place is not there exactly once."""
        count = text.count(self.old)
        if count != 1:
            raise Unfit(f"{self.file} has the text {self.old!r} {count} times, not once")
        return text.replace(self.old, self.new)


class Unfit(ValueError):
    """A mistake that cannot be made any more: the code has changed, and the table must follow."""
