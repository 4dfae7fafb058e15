"""The sender's file beside the database: what a dead sender leaves, and who may take it."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import journal
from campaigns.journal import Answered, Journal
from devices.push.base import Outcome, Verdict

AT = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)
TOKEN = uuid.UUID(int=7)
words = st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple)


def answered(device: int, outcome: Outcome = Outcome.ACCEPTED) -> Answered:
    return Answered(device, Verdict(outcome), 200, 12, AT)


def dead(sender: Journal) -> None:
    """End a sender as a kill does: the file stays, the lock goes."""
    os.close(sender._file)


@given(reason=st.text(), words=words, seconds=st.none() | st.integers(1, 3600), unreached=st.booleans())
def test_an_answer_comes_back_from_its_line_as_it_was(
    reason: str, words: tuple[tuple[str, str], ...], seconds: int | None, unreached: bool
) -> None:
    pause = timedelta(seconds=seconds) if seconds else None
    answer = Answered(5, Verdict(Outcome.RETRY, reason, words, True, pause, pause, "Connected"), 412, 9, AT, unreached)
    line = answer.line()
    assert line.count("\n") == 1
    assert Answered.from_line(5, line.split(" ", 2)[2]) == answer


def test_the_heir_learns_what_was_answered_and_what_is_in_doubt(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10, 11, 12])
    sender.answered([answered(11)])
    dead(sender)
    ((path, (claimed,)),) = list(journal.adopt(tmp_path))
    assert (claimed.batch, claimed.token) == (3, TOKEN)
    assert claimed.doubtful == {10, 12}
    assert claimed.answered == {11: answered(11)}
    assert not path.exists()


def test_nobody_adopts_the_journal_of_the_living(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    assert list(journal.adopt(tmp_path)) == []
    assert journal.owner_lives(tmp_path, sender.name)
    dead(sender)
    assert not journal.owner_lives(tmp_path, sender.name)
    assert not journal.owner_lives(tmp_path, "another-machine-1-2")


def test_a_torn_last_line_is_ignored_and_its_push_stays_in_doubt(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10])
    os.write(sender._file, answered(10).line()[:-4].encode())
    (claimed,) = journal.read(sender.path)
    assert claimed.doubtful == {10}
    sender.close()


def test_a_cleared_journal_tells_nothing_and_a_closed_one_is_gone(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10])
    sender.clear()
    assert journal.read(sender.path) == []
    sender.claim(4, TOKEN)
    assert [claimed.batch for claimed in journal.read(sender.path)] == [4]
    sender.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults(48)
def test_sending_goes_on_when_the_disk_is_full(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, sender._file)
    os.close(full)
    sender.claim(3, TOKEN)
    sender.sending([10, 11])
    sender.close()
