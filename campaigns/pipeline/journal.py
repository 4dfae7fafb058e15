"""The sender's own small file beside the database: what was claimed, what left, what was answered.

A sender writes ``C`` before it claims a batch, ``S`` before a push leaves and ``D`` after its answer (``N`` where the
answer was that our bearer token is old: nothing has happened to the device), by plain ``write(2)``: the lines survive
``kill -9`` of the sender and a crash of the database (not a power cut, which the lease covers). The file is held by
``flock``; a lock that can be taken proves that its owner is dead, and whoever takes it adopts the file and settles its
batches (campaigns/pipeline/settling.py).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from campaigns.pipeline.values import Answered
from devices.push.base import Outcome, Verdict

logger = logging.getLogger(__name__)
HOST = socket.gethostname()
DRAFT = 10.0  # seconds after which a file without its name has no maker any more: making one takes milliseconds


def spelled(answer: Answered) -> str:
    """Return the journal's ``D`` line."""
    numbers = f"{answer.http_status}, {answer.milliseconds}, {answer.at.timestamp()}"
    unreached = "true" if answer.unreached else "false"
    about = f'"{answer.address_digest}"'
    since = answer.verdict.gone_since
    if answer.variant or answer.language or since:
        about += f", {json.dumps(answer.variant)}, {json.dumps(answer.language)}"
    if since:
        about += f", {since.timestamp()}"
    return f"D {answer.device} [{_spelled(answer.verdict)}, {numbers}, {unreached}, {about}]\n"


def answer_of(device: int, rest: str) -> Answered:
    """Return the answer whose line ``spelled`` wrote."""
    outcome, reason, words, ambiguous, retry_after, hold, connection, *exchange = json.loads(rest)
    status, ms, at, unreached, *about = exchange
    # A journal of an earlier version names no address, content only where there is more than one, and few answers say
    # since when an address is gone.
    padded: list[Any] = [*about, *["", "", "", None][len(about) :]]
    address_digest, variant, language, since = padded
    verdict = Verdict(
        outcome=Outcome(outcome),
        reason=reason,
        words=tuple((name, value) for name, value in words),
        ambiguous=ambiguous,
        retry_after=timedelta(seconds=retry_after) if retry_after is not None else None,
        hold=timedelta(seconds=hold) if hold is not None else None,
        connection=connection,
        gone_since=datetime.fromtimestamp(since, UTC) if since is not None else None,
    )
    moment = datetime.fromtimestamp(at, UTC)
    return Answered(device, verdict, status, ms, moment, unreached, address_digest, variant, language)


@lru_cache(maxsize=256)  # most answers are the same few
def _spelled(verdict: Verdict) -> str:
    """Return a verdict as the inside of a JSON list."""
    parts = [
        verdict.outcome.value,
        verdict.reason,
        verdict.words,
        verdict.ambiguous,
        verdict.retry_after.total_seconds() if verdict.retry_after else None,
        verdict.hold.total_seconds() if verdict.hold else None,
        verdict.connection,
    ]
    return json.dumps(parts)[1:-1]


@dataclass(slots=True)
class Claimed:
    """What a journal tells about one claim."""

    batch: int
    token: uuid.UUID
    sent: set[int] = field(default_factory=set)
    answered: dict[int, Answered] = field(default_factory=dict)

    @property
    def doubtful(self) -> set[int]:
        """Devices whose push may have left without an answer that we know."""
        return self.sent - self.answered.keys()


class JournalStuck(Exception):
    """The journal can neither be written nor taken back: nothing may leave that it would not know of."""


class Journal:
    """The journal of one live sender. Not for two threads.

    A journal that misses a line would call a push untouched that has left. So with the first write that fails or comes
    short (a full disk) it forgets everything and stays silent until its claim has ended: whoever adopts it finds
    nothing, and ``released`` in the database decides who is in doubt.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.path = folder / f"{self.name}.log"
        self._silent = False  # until the claim ends
        self._complained = False
        self._file: int | None = None  # None: it could not even be made
        try:
            self._file = self._made(folder)
        except OSError as error:
            self._complain(error)

    def _made(self, folder: Path) -> int:
        """Return the file, locked. Until then it has another name: a file that is seen is a file that is locked."""
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{self.name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(fresh, flags, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        fresh.rename(self.path)
        return file

    @property
    def held(self) -> bool:
        """Whether the file is there and ours."""
        return self._file is not None

    def claim(self, batch: int, token: uuid.UUID) -> None:
        """Note that this sender is about to claim ``batch`` under ``token``."""
        self._write(f"C {batch} {token.hex}\n")

    def sending(self, devices: Iterable[int]) -> None:
        """Note that pushes to ``devices`` are about to leave."""
        self._write("".join([f"S {device}\n" for device in devices]))

    def answered(self, answers: Iterable[Answered]) -> None:
        """Note what came back."""
        self._write("".join([spelled(answer) for answer in answers]))

    def untouched(self, devices: Iterable[int]) -> None:
        """Note whose push was turned away unseen, our bearer token being old: nothing has happened to them."""
        self._write("".join([f"N {device}\n" for device in devices]))

    def clear(self) -> None:
        """Forget everything: no claim of this sender is open."""
        self._silent = False
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Give up the file; nothing in it is open."""
        if self.held:
            self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Leave the file to whoever comes next: what it tells is not in the database. Safe to call again."""
        if self._file is not None:
            os.close(self._file)
            self._file, self._silent = None, True

    def _write(self, text: str) -> None:
        if not text or self._silent or self._file is None:
            return
        whole = text.encode()
        try:
            if os.write(self._file, whole) == len(whole):
                return
        except OSError as error:
            self._complain(error)
        else:
            self._complain("only a part was taken")
        self._silent = True
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise JournalStuck(f"The journal {self.path.name} can neither be written nor emptied: {error}") from error

    def _complain(self, why: object) -> None:
        if not self._complained:
            self._complained = True
            logger.warning("The journal cannot be written (%s): a kill leaves more in doubt than is on the wire.", why)


def read(path: Path) -> list[Claimed]:
    """Return the claims a journal tells of, oldest first. A torn last line is what a crash leaves: it is ignored."""
    claims: list[Claimed] = []
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in text[: text.rfind("\n") + 1].splitlines():
        kind, _, rest = line.partition(" ")
        with suppress(
            ValueError, TypeError, OverflowError
        ):  # torn, or not ours: what it would have said stays in doubt
            if kind == "C":
                batch, token = rest.split()
                claims.append(Claimed(int(batch), uuid.UUID(token)))
            elif claims and kind == "S":
                claims[-1].sent.add(int(rest))
            elif claims and kind == "N":
                claims[-1].sent.discard(int(rest))
            elif claims and kind == "D":
                device, _, verdict = rest.partition(" ")
                claims[-1].answered[int(device)] = answer_of(int(device), verdict)
    return claims


def forget_drafts(folder: Path) -> None:
    """Remove journals whose maker died before they had their name; nothing was written into them."""
    for path in folder.glob(f".{HOST}-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DRAFT:
                path.unlink(missing_ok=True)


def adopt(folder: Path) -> Iterator[tuple[Path, list[Claimed]]]:
    """Yield the journals of crashed senders, each locked while the caller settles it.

    It is removed when the caller comes back for the next one, unless ``set_aside`` took it away meanwhile.
    """
    forget_drafts(folder)
    for path in sorted(folder.glob(f"{HOST}-*.log")):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.error("Set aside %s, which cannot be opened: %s", path.name, error)
            set_aside(path)
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                yield path, read(path)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # its owner lives
        finally:
            os.close(file)


def set_aside(path: Path) -> None:
    """Keep a journal that nobody can settle for a person to look at; its batches are settled when their lease ends."""
    with suppress(OSError):
        path.rename(path.with_suffix(".aside"))


def owner_lives(folder: Path, name: str) -> bool:
    """Return whether the journal called ``name`` is on this machine and held by a live sender."""
    try:
        file = os.open(folder / f"{name}.log", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
